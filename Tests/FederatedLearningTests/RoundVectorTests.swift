internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import SecureAggregation
internal import Testing

/// Replays Protocols/vectors/training-round, which the independent Python of Protocols/reference/training_round.py made.
@Suite struct RoundVectorTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Protocols/vectors/training-round")

  static func names(_ kind: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
      .filter { $0.hasPrefix("good_\(kind)_") || $0.hasPrefix("bad_\(kind)_") }.sorted()
  }

  static func read<T: Decodable>(_ name: String, as type: T.Type = T.self) throws -> T {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(T.self, from: Data(contentsOf: folder.appendingPathComponent(name)))
  }

  @Test func `the vectors are there`() {
    #expect(Self.names("model").count == 38)
    #expect(Self.names("start").count == 13)
    #expect(Self.names("release").count == 18)
    #expect(Self.names("evaluation").count == 15)
    #expect(Self.names("plan").count == 32)
  }

  struct ModelVector: Decodable {
    struct Entry: Decodable {
      let shape: [Int]
      let bits: [UInt32]
    }
    let bytes: String
    let hash: String?
    let algorithm: String?
    let version: Int?
    let tensors: [String: Entry]?
  }

  @Test(arguments: names("model")) func `model bytes of the reference`(name: String) throws {
    let vector: ModelVector = try Self.read(name)
    let bytes = try #require(Hexadecimal.decode(vector.bytes))
    guard name.hasPrefix("good_") else {
      #expect(throws: ModelBytesError.self) { try ModelBytes.decode(bytes) }
      return
    }
    let model = try ModelBytes.decode(bytes)
    #expect(model.algorithm == vector.algorithm && model.version == vector.version)
    #expect(model.tensors.keys.sorted() == vector.tensors?.keys.sorted())
    for (name, entry) in vector.tensors ?? [:] {
      #expect(model.tensors[name]?.shape == entry.shape)
      #expect(model.tensors[name]?.values.map(\.bitPattern) == entry.bits)
    }
    #expect(ModelBytes.encode(model) == bytes)
    #expect(SHA256.hash(bytes).hex == vector.hash)
  }

  struct StartVector: Decodable {
    let session: String
    let round: UInt32
    let attempt: UInt32
    let planHash: String
    let model: String
    let ledgerSize: UInt64
    let ledgerHead: String
    let key: String
    let signature: String
    let signedBytes: String?
    let binding: String?
  }

  @Test(arguments: names("start")) func `round starts of the reference`(name: String) throws {
    let vector: StartVector = try Self.read(name)
    let start = RoundStart(
      session: try #require(SessionID(hex: vector.session)), round: vector.round, attempt: vector.attempt,
      planHash: try #require(Digest(hex: vector.planHash)), model: try #require(Hexadecimal.decode(vector.model)),
      ledgerSize: vector.ledgerSize, ledgerHead: try #require(Digest(hex: vector.ledgerHead)),
      signature: try #require(Signature(hex: vector.signature)))
    let bytes = RoundStart.signedBytes(
      session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash,
      modelHash: SHA256.hash(start.model), ledgerSize: start.ledgerSize, ledgerHead: start.ledgerHead)
    let isGood = name.hasPrefix("good_")
    #expect(try #require(VerificationKey(hex: vector.key)).verifies(start.signature, of: bytes) == isGood)
    guard isGood else { return }
    #expect(Hexadecimal.encode(bytes) == vector.signedBytes)
    #expect(start.context().binding.hex == vector.binding)
    let key = SigningKey(seed: SecretBytes(copying: (0..<32).map { UInt8($0) }))
    #expect(key.sign(bytes) == start.signature)
  }

  struct ReleaseVector: Decodable {
    let bytes: String
    let key: String
    let isReadable: Bool?
    let session: String?
    let version: UInt32?
    let round: UInt32?
    let attempt: UInt32?
    let planHash: String?
    let modelHash: String?
    let ledgerSize: UInt64?
    let ledgerHead: String?
  }

  @Test(arguments: names("release")) func `signed releases of the reference`(name: String) throws {
    let vector: ReleaseVector = try Self.read(name)
    let bytes = try #require(Hexadecimal.decode(vector.bytes))
    let key = try #require(VerificationKey(hex: vector.key))
    guard vector.isReadable != false else {
      #expect(throws: StoredBytesError.self) { try ModelRelease(decoding: bytes) }
      return
    }
    let release = try ModelRelease(decoding: bytes)
    #expect(release.isSigned(by: key) == name.hasPrefix("good_") && release.encoded() == bytes)
    guard name.hasPrefix("good_") else { return }
    #expect(release.session.hex == vector.session && release.version == vector.version)
    #expect(release.round == vector.round && release.attempt == vector.attempt)
    #expect(release.planHash.hex == vector.planHash && release.modelHash.hex == vector.modelHash)
    #expect(release.ledgerSize == vector.ledgerSize && release.ledgerHead.hex == vector.ledgerHead)
  }

  struct PlanVector: Decodable {
    let plan: String
    let hash: String
    let signedBytes: String
    let key: String
    let signature: String
  }

  @Test(arguments: names("plan")) func `plans of the reference`(name: String) throws {
    let vector: PlanVector = try Self.read(name)
    let bytes = Array(vector.plan.utf8)
    #expect(SHA256.hash(bytes).hex == vector.hash)
    let message = try #require(Hexadecimal.decode(vector.signedBytes))
    #expect(message == Array("tacit/v1/plan\n".utf8) + SHA256.hash(bytes).bytes)
    let signature = try #require(Signature(hex: vector.signature))
    #expect(try #require(VerificationKey(hex: vector.key)).verifies(signature, of: message))
    if name.hasPrefix("good_") {
      let file = try PlanFile(bytes: bytes)
      #expect(file.bytes == bytes, "hashed as received")
      for release in file.plan.releases {
        #expect((release.encoding == nil) == (file.plan.privacy.noise == .none))
      }
    } else {
      #expect(throws: PlanError.self) { try PlanFile(bytes: bytes) }
    }
  }

  struct Table: Decodable { let rows: [[Double]] }

  @Test func `sensitivities of the reference`() throws {
    for row in try Self.read("delta_squared.json", as: Table.self).rows {
      let parameters = try EncodingParameters(
        dimension: 1 << 24, maximumNonZeros: Int(row[0]), clipNorm: row[1], scale: row[2])
      #expect(Double(parameters.deltaSquared) == row[3], "\(row)")
    }
  }

  struct Sums: Decodable {
    struct Case: Decodable {
      let bits: Int
      let scale: Double
      let residues: [UInt64]
      let noise: [Int64]
      let released: [Int64]
      let decodedBits: [UInt32]
      let digest: String
    }
    let cases: [Case]
  }

  @Test func `released sums of the reference`() throws {
    for example in try Self.read("released_sums.json", as: Sums.self).cases {
      let noised = zip(example.residues, example.noise).map { Int64(bitPattern: $0) &+ $1 }
      let released = RingVector(integers: noised, modulusBits: example.bits).centred()
      #expect(released == example.released)
      #expect(noised.map { centred(UInt64(bitPattern: $0), bits: example.bits) } == released)
      let unit = 1 / example.scale
      #expect(released.map { Float(Double($0) * unit).bitPattern } == example.decodedBits)
      let bytes = released.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * Int64($0))) } }
      #expect(SHA256.hash(bytes).hex == example.digest)
    }
  }
}

extension RoundVectorTests {
  struct EvaluationVector: Decodable {
    let bytes: String
    let statement: String?
    let key: String?
    let previousHead: String?
    let outcome: String?
    let entries: [Int64]?
  }

  @Test(arguments: names("evaluation")) func `evaluation releases of the reference`(name: String) throws {
    let vector: EvaluationVector = try Self.read(name)
    let bytes = try #require(Hexadecimal.decode(vector.bytes))
    guard name.hasPrefix("good_") else {
      #expect(throws: StoredBytesError.self) { try EvaluationDocument(decoding: bytes) }
      return
    }
    let document = try EvaluationDocument(decoding: bytes)
    let (statement, shown) = (document.statement, document.evaluation)
    #expect(document.encoded() == bytes && Hexadecimal.encode(statement.encoded()) == vector.statement)
    let key = try #require(vector.key.flatMap { VerificationKey(hex: $0) })
    #expect(statement.isSigned(by: key))
    #expect(shown.previousHead.hex == vector.previousHead && shown.entries == vector.entries)
    #expect(String(decoding: shown.outcome, as: UTF8.self) == vector.outcome)
    let before = LedgerHead(size: statement.ledgerSize - 1, head: shown.previousHead)
    #expect(LedgerContinuation(payloads: [shown.outcome]).heads(after: before) == [statement.head])
    #expect(vector.outcome?.contains(LedgerOutcome.digest(of: shown.entries).hex) == true)
    _ = try CanonicalJSON(canonical: shown.outcome)
  }
}
