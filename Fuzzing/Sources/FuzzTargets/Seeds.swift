internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import SecureAggregation

/// Small honest inputs, from which libFuzzer goes on.
enum Seeds {
  static func of(_ target: FuzzTarget) throws -> [[UInt8]] {
    let model = ItemModel(algorithm: "mf", tensors: ["items": Tensor(shape: [2, 2], values: [1, -2, 0.5, 3])])
    switch target {
    case .plan: return try [.complete, .drawn].map { try plan($0) }
    case .ledger: return [try ledger()]
    case .ledgerContinuation: return [Array("{\"a\":1}\n{\"b\":[]}\n".utf8)]
    case .canonicalJSON: return [Array("{\"a\":[1,true,\"x\\u0001\"],\"b\":{\"c\":-0.5}}".utf8)]
    case .ledgerDocument:
      let line = try ledger().split(separator: UInt8(ascii: "\n")).first.map { Array($0) } ?? []
      return [line, Array("{\"kind\":\"head\",\"version\":1}".utf8)]
    case .release: return [ReleaseDocument.encode(statement: [1, 2, 3], model: ModelBytes.encode(model))]
    case .model: return [ModelBytes.encode(model)]
    case .catalogue:
      return [CatalogueDocument.encode(Catalogue(itemIDs: ["a", "b"], attributes: ["title": ["A", "B"]]))]
    case .checkpoint: return [CoordinatorCheckpoint(round: 1, attempt: 2, model: model).encoded()]
    case .coordinatorMessage, .partnerMessage, .clientSession, .aggregatorSession: return []
    }
  }

  private static func key(_ number: UInt8) -> SigningKey {
    SigningKey(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32)))
  }

  private static func plan(_ graph: GraphChoice) throws -> [UInt8] {
    var decisions = PlanDecisions(task: "t", algorithm: "popularity", nominalUsers: 100)
    decisions.graph = graph
    decisions.minimumPartners = 7
    let roster = (1...8).map { number in
      RosterEntry(
        participant: UInt32(number), name: "p\(number)", verificationKey: key(UInt8(number)).verificationKey.hex, maximumUsers: 10
      )
    }
    guard let session = SessionID(bytes: [UInt8](repeating: 7, count: 16)) else { return [] }
    return try PlanFactory.plan(
      decisions, catalogue: Catalogue(itemIDs: ["a", "b", "c"]), roster: roster, coordinatorKey: key(99).verificationKey.hex,
      session: session
    ).plan.bytes
  }

  private static func ledger() throws -> [UInt8] {
    let key = key(3)
    let memory = LedgerMemory(
      try PrivacyLedger.headerLine(kind: .partner, holder: "p", dataset: "d", created: 1, key: key))
    var ledger = try PrivacyLedger(content: memory.bytes, journal: memory, key: key)
    try ledger.note("a remark", time: 2)
    return memory.bytes
  }
}
