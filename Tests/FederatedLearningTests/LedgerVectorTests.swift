internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import SecureAggregation
internal import Testing

/// Replays Protocols/vectors/ledger, which the independent Python of Protocols/reference/ledger.py made.
@Suite struct LedgerVectorTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Protocols/vectors/ledger")

  static let names =
    (try? FileManager.default.contentsOfDirectory(atPath: folder.path))?
    .filter { $0.hasPrefix("good_") || $0.hasPrefix("bad_") }.sorted() ?? []

  struct Vector: Decodable {
    struct Finding: Decodable, Equatable {
      let kind: String
      let line: Int?
    }
    struct Expectation: Decodable {
      let sound: Bool
      let findings: [Finding]
      let size: Int
      let head: String?
      let charges: Int
      let delta: Double?
      let epsilon: Double?

      enum CodingKeys: String, CodingKey {
        case sound, findings, size, head, charges, delta
        case epsilon = "epsilon_upper"
      }
    }
    struct Rules: Decodable {
      let plan: String
      let threshold: Int
      let roster: [String: String]
    }
    struct Head: Decodable {
      let size: UInt64
      let head: String
    }
    let comment: String
    let key: String
    let rules: Rules?
    let plan: String?
    let head: Head?
    let seed: String?
    let ledger: String
    let expect: Expectation

    enum CodingKeys: String, CodingKey {
      case comment, key, rules, plan, seed, ledger, expect
      case head = "known_head"
    }

    /// The verifier with what the vector brings along.
    func verifier() throws -> LedgerVerifier {
      var evidence: [EvidenceRules] = []
      if let rules {
        var roster: [ParticipantID: VerificationKey] = [:]
        for (participant, key) in rules.roster {
          let number = UInt32(participant)
          let identity: VerificationKey = try #require(VerificationKey(hex: key))
          roster[ParticipantID(try #require(number))] = identity
        }
        evidence.append(
          EvidenceRules(plan: try Self.digest(rules.plan), roster: roster, threshold: rules.threshold))
      }
      var expectedPlan: Digest?
      if let plan { expectedPlan = try Self.digest(plan) }
      var knownHead: LedgerHead?
      if let head { knownHead = LedgerHead(size: head.size, head: try Self.digest(head.head)) }
      let holder: VerificationKey = try #require(VerificationKey(hex: key))
      return LedgerVerifier(
        key: holder, plan: expectedPlan, knownHead: knownHead, rules: evidence)
    }

    private static func digest(_ hex: String) throws -> Digest {
      let digest = Digest(hex: hex)
      return try #require(digest)
    }
  }

  @Test func `the vectors are there`() {
    #expect(Self.names.filter { $0.hasPrefix("good_") }.count >= 12)
    #expect(Self.names.filter { $0.hasPrefix("bad_") }.count >= 25)
  }

  @Test(arguments: names) func `a ledger of the reference gets the reference's verdict`(name: String) throws {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "infinite", negativeInfinity: "-infinite", nan: "nan")
    let vector = try decoder.decode(
      Vector.self, from: Data(contentsOf: Self.folder.appendingPathComponent(name)))
    let bytes = try #require(Hexadecimal.decode(vector.ledger))
    let verification = try vector.verifier().verify(bytes)
    let found = verification.findings.map { Vector.Finding(kind: $0.kind.rawValue, line: $0.line) }
    #expect(found == vector.expect.findings, "\(vector.comment): \(verification.verdicts)")
    #expect(verification.isSound == vector.expect.sound)
    #expect(verification.isSound == name.hasPrefix("good_"))
    #expect(verification.state?.size ?? 0 == vector.expect.size)
    #expect(verification.state?.head.head.head.hex == vector.expect.head)
    #expect(verification.state?.charges.count ?? 0 == vector.expect.charges)
    switch (verification.epsilonUpper(delta: vector.expect.delta), vector.expect.epsilon) {
    case (let found?, let expected?):
      #expect(
        found == expected || abs(found - expected) <= 1e-9 * expected, "ε \(found), reference \(expected)")
    case (let found, let expected): #expect(found == expected)
    }
  }

  @Test(arguments: names.filter { $0.hasPrefix("good_") })
  func `a ledger of the reference is continued by this code and stays whole`(name: String) throws {
    let vector = try JSONDecoder().decode(
      Seed.self, from: Data(contentsOf: Self.folder.appendingPathComponent(name)))
    let seed = try #require(Hexadecimal.decode(vector.seed))
    let key = SigningKey(seed: SecretBytes(copying: seed))
    let bytes = try #require(Hexadecimal.decode(vector.ledger))
    let good = Array(bytes[..<LedgerReader(bytes).goodByteCount])
    let memory = LedgerMemory(good)
    let ledger = try PrivacyLedger(content: good, journal: memory, key: key)
    try ledger.note("continued", time: 0)
    #expect(LedgerVerifier(key: key.verificationKey).verify(memory.bytes).isSound)
    #expect(memory.bytes.starts(with: good))
  }

  private struct Seed: Decodable {
    let seed: String
    let ledger: String
  }

  @Test func `numbers have the reference's text, and read back bit for bit`() throws {
    struct Numbers: Decodable { let numbers: [[String]] }
    let file = try JSONDecoder().decode(
      Numbers.self, from: Data(contentsOf: Self.folder.appendingPathComponent("numbers.json")))
    #expect(file.numbers.count >= 20)
    for pair in file.numbers {
      let value = Double(bitPattern: try #require(UInt64(pair[0], radix: 16)))
      #expect(CanonicalJSON.real(value).text == pair[1])
      #expect(try CanonicalJSON(canonical: Array(pair[1].utf8)).double == value)
    }
  }
}
