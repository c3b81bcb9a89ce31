import CryptoPrimitives
import Foundation
import SecureAggregation
import Testing

/// The vectors of Protocols/, made by the independent Python there.
enum VectorFiles {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
    .appendingPathComponent("Protocols/vectors/secure-aggregation")

  static func names(prefix: String) -> [String] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasPrefix(prefix) && $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }
      .sorted()
  }

  static func load<Vector: Decodable>(_ name: String) throws -> Vector {
    try JSONDecoder().decode(
      Vector.self, from: Data(contentsOf: folder.appendingPathComponent(name + ".json")))
  }
}

/// Hexadecimal digits of a file, as bytes or as a value of fixed length.
struct Hex: Decodable {
  let bytes: [UInt8]

  init(from decoder: any Decoder) throws {
    let text = try decoder.singleValueContainer().decode(String.self)
    guard let bytes = Hexadecimal.decode(text) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "no hexadecimal digits: \(text)"))
    }
    self.bytes = bytes
  }

  func value<Value: FixedBytes>() throws -> Value { try #require(Value(bytes: bytes)) }
  var secret: SecretBytes { SecretBytes(copying: bytes) }
}

struct ContextVector: Decodable {
  let suite: UInt8
  let session: Hex
  let round: UInt32
  let attempt: UInt32
  let binding: Hex

  func context() throws -> AttemptContext {
    AttemptContext(session: try session.value(), round: round, attempt: attempt, binding: try binding.value())
  }

  func keys() throws -> KeyDerivation {
    KeyDerivation(suite: try #require(KeystreamSuite(rawValue: suite)), context: try context())
  }
}

struct AdvertisementVector: Decodable {
  let participant: UInt32
  let channelPublicKey, maskPublicKey, selfMaskCommitment, maskSeedCommitment: Hex
  let ledgerSize: UInt64
  let ledgerHead, signature: Hex

  func message(_ context: ContextVector) throws -> KeyAdvertisement {
    KeyAdvertisement(
      version: 1, suite: context.suite, context: try context.context(),
      participant: ParticipantID(participant),
      channelPublicKey: try channelPublicKey.value(), maskPublicKey: try maskPublicKey.value(),
      selfMaskCommitment: try selfMaskCommitment.value(), maskSeedCommitment: try maskSeedCommitment.value(),
      ledger: LedgerHead(size: ledgerSize, head: try ledgerHead.value()), signature: try signature.value())
  }
}

struct DeliveryEntryVector: Decodable {
  let dealer: UInt32
  let root, signature, selfMaskCommitment, maskSeedCommitment, sealed: Hex
  let path: [Hex]
  /// Drawn graph.
  let sharesMask: Bool?
  let leafIndex, leafCount: UInt32?

  func entry() throws -> ShareDelivery.Entry {
    ShareDelivery.Entry(
      dealer: ParticipantID(dealer), root: try root.value(), signature: try signature.value(),
      selfMaskCommitment: try selfMaskCommitment.value(), maskSeedCommitment: try maskSeedCommitment.value(),
      sealed: SealedShares(bytes: sealed.bytes), path: try path.map { try $0.value() },
      sharesMask: sharesMask ?? false, leafIndex: leafIndex ?? 0, leafCount: leafCount ?? 0)
  }
}

struct SignatureVector: Decodable {
  let participant: UInt32
  let signature: Hex
}

/// A whole attempt, with every message.
struct AttemptVector: Decodable {
  struct Plan: Decodable {
    let participants: [UInt32]
    let threshold, minimumSurvivors, dimension, modulusBits: Int
    let graph: Graph?
  }
  struct Graph: Decodable {
    let holders, maskDraws: Int
  }
  struct Client: Decodable {
    let participant: UInt32
    let identitySeed, randomKey: Hex
    let input: [Int64]
  }
  struct Deal: Decodable {
    struct Entry: Decodable {
      let holder: UInt32
      let selfMaskCommitment, maskSeedCommitment, sealed: Hex
      let sharesMask: Bool?
    }
    let dealer: UInt32
    let root, signature: Hex
    let entries: [Entry]
  }
  struct Delivery: Decodable {
    let holder: UInt32
    let contributors: [UInt32]?
    let entries: [DeliveryEntryVector]
  }
  struct Masked: Decodable {
    let participant: UInt32
    let packed: Hex
  }
  struct Response: Decodable {
    struct Entry: Decodable {
      let dealer: UInt32
      let kind: UInt8
      let share, salt: Hex
    }
    let participant: UInt32
    let entries: [Entry]
  }
  let plan: Plan
  let context: ContextVector
  let clients: [Client]
  let advertisements: [AdvertisementVector]
  let advertisementsHash: Hex
  let keyShares: [Deal]
  let shareDeliveries: [Delivery]
  let transcript: Hex
  let silentAtMaskedInput: [UInt32]
  let maskedInputs: [Masked]
  let survivors: [UInt32]
  let signatures: [SignatureVector]
  let unmaskResponses: [Response]
  let sum: [UInt64]

  func parameters() throws -> AggregationParameters {
    try AggregationParameters(
      participants: plan.participants.map { ParticipantID($0) }, threshold: plan.threshold,
      minimumSurvivors: plan.minimumSurvivors, dimension: plan.dimension, modulusBits: plan.modulusBits,
      suite: try #require(KeystreamSuite(rawValue: context.suite)),
      graph: plan.graph.map { .drawn(holders: $0.holders, maskDraws: $0.maskDraws) } ?? .complete)
  }

  func roster() -> [ParticipantID: VerificationKey] {
    Dictionary(
      uniqueKeysWithValues: clients.map {
        (ParticipantID($0.participant), SigningKey(seed: $0.identitySeed.secret).verificationKey)
      })
  }

  func session(_ client: Client) throws -> ClientSession {
    try ClientSession(
      parameters: try parameters(), context: try context.context(),
      participant: ParticipantID(client.participant),
      signingKey: SigningKey(seed: client.identitySeed.secret), roster: roster(), ledger: .empty,
      random: KeyedRandomSource(key: client.randomKey.bytes))
  }

  func input(_ client: Client) -> RingVector {
    RingVector(integers: client.input, modulusBits: plan.modulusBits)
  }

  // What the file says that is sent.

  func list() throws -> AdvertisementList {
    AdvertisementList(advertisements: try advertisements.map { try $0.message(context) })
  }

  func keyShares(_ index: Int) throws -> KeyShares {
    let deal = keyShares[index]
    return KeyShares(
      context: try context.context(), dealer: ParticipantID(deal.dealer), root: try deal.root.value(),
      signature: try deal.signature.value(),
      entries: try deal.entries.map {
        KeyShares.Entry(
          holder: ParticipantID($0.holder), selfMaskCommitment: try $0.selfMaskCommitment.value(),
          maskSeedCommitment: try $0.maskSeedCommitment.value(), sealed: SealedShares(bytes: $0.sealed.bytes),
          sharesMask: $0.sharesMask ?? false)
      })
  }

  func delivery(to participant: UInt32) throws -> ShareDelivery {
    let delivery = try #require(shareDeliveries.first { $0.holder == participant })
    return ShareDelivery(
      context: try context.context(), contributors: (delivery.contributors ?? []).map { ParticipantID($0) },
      entries: try delivery.entries.map { try $0.entry() })
  }

  func survivorSet() throws -> SurvivorSet {
    SurvivorSet(context: try context.context(), survivors: survivors.map { ParticipantID($0) })
  }

  func consistencySignatures() throws -> ConsistencySignatures {
    ConsistencySignatures(context: try context.context(), entries: try signatures.map { try $0.entry() })
  }

  /// What one signer is sent: in a drawn graph the signatures of its holders and its own.
  func consistencySignatures(for reader: ParticipantID) throws -> ConsistencySignatures {
    var all = try consistencySignatures()
    if plan.graph != nil {
      let holders = try #require(keyShares.first { $0.dealer == reader.rawValue }).entries.map(\.holder)
      all.entries.removeAll { $0.participant != reader && !holders.contains($0.participant.rawValue) }
    }
    return all
  }

  func response(_ index: Int) throws -> UnmaskResponse {
    let response = unmaskResponses[index]
    return UnmaskResponse(
      context: try context.context(), participant: ParticipantID(response.participant),
      entries: try response.entries.map {
        UnmaskResponse.Entry(
          dealer: ParticipantID($0.dealer), kind: try #require(SecretKind(rawValue: $0.kind)),
          share: try $0.share.value(), salt: try $0.salt.value())
      })
  }
}

extension SignatureVector {
  func entry() throws -> ConsistencySignatures.Entry {
    ConsistencySignatures.Entry(participant: ParticipantID(participant), signature: try signature.value())
  }
}
