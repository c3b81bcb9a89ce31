internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import PeerIdentity
internal import Recommender
internal import Reporting
internal import SecureAggregation

/// Small honest inputs, from which libFuzzer goes on.
enum Seeds {
  static func of(_ target: FuzzTarget) throws -> [[UInt8]] {
    let model = ItemModel(algorithm: "mf", tensors: ["items": Tensor(shape: [2, 2], values: [1, -2, 0.5, 3])])
    switch target {
    case .plan: return try [GraphChoice.complete, .drawn].map { try plan($0) }
    case .ledger: return [try LedgerFuzzing.honest()]
    case .signedLedger:
      let lines = try LedgerFuzzing.honest().split(separator: UInt8(ascii: "\n"))
      return [Array(lines.map { $0.prefix { $0 != UInt8(ascii: "\t") } }.joined(separator: [UInt8(ascii: "\n")]))]
    case .ledgerDocument: return try LedgerFuzzing.documents()
    case .ledgerContinuation: return [Array("{\"a\":1}\n{\"b\":[]}\n".utf8)]
    case .canonicalJSON: return [Array("{\"a\":[1,true,\"x\\u0001\"],\"b\":{\"c\":-0.5}}".utf8)]
    case .release:
      let encoded = EngineFuzzing.toPartner.compactMap { message -> [UInt8]? in
        if case .roundEnd(let end) = message { end.release?.encoded() } else { nil }
      }
      let evaluations = EngineFuzzing.toPartner.compactMap { message -> [UInt8]? in
        guard case .roundEnd(let end) = message, let release = end.release, let shown = end.evaluation else { return nil }
        return EvaluationDocument(shown, under: release).encoded()
      }
      return [ReleaseDocument.encode(statement: [1, 2, 3], model: ModelBytes.encode(model))] + encoded + evaluations
    case .model: return [ModelBytes.encode(model)]
    case .scorer: return ModelFuzzing.seeds
    case .numpy: return model.tensors.values.map { NumpyArray.encode($0) }
    case .tensors: return [SafeTensors.encode(model.tensors, metadata: ["a": "b"])]
    case .catalogue:
      return [CatalogueDocument.encode(Catalogue(itemIDs: ["a", "b"], attributes: ["title": ["A", "B"]]))]
    case .checkpoint: return [CoordinatorCheckpoint(round: 1, attempt: 2, model: model).encoded()]
    case .roster:
      return [try roster().encoded(), KeySuccession(taskID: taskID, old: key(1), new: key(2), issued: 5).encoded]
    case .statement:
      return [
        PartnerStatement(
          .consent, task: [UInt8](repeating: 7, count: 16), participant: 1, number: 2, plan: SHA256.hash([1]), time: 3,
          key: key(1)
        ).encoded
      ]
    case .token: return [try token()]
    case .reportSeal: return try sealedReports()
    case .report: return try [SampleReport.complete, SampleReport.minimal].map { Array(try $0.renderJSON().utf8) }
    case .coordinatorMessage, .partnerMessage, .clientSession, .aggregatorSession, .partnerEngine, .coordinatorEngine,
      .dataImport:
      return []
    }
  }

  static func key(_ number: UInt8) -> SigningKey {
    SigningKey(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32)))
  }

  static func distinct(_ seeds: [[UInt8]]) -> [[UInt8]] {
    var seen: Set<[UInt8]> = []
    return seeds.filter { seen.insert($0).inserted }
  }

  private static let taskID = String(repeating: "0a", count: 16)

  private static func plan(_ graph: GraphChoice) throws -> [UInt8] {
    var decisions = PlanDecisions(task: "t", algorithm: "popularity", nominalUsers: 100)
    decisions.graph = graph
    if graph == .drawn { decisions.colluders = 1 }
    let roster = (1...(graph == .drawn ? 60 : 8)).map { number in
      FederatedLearning.RosterEntry(
        participant: UInt32(number), name: "p\(number)", verificationKey: key(UInt8(number)).verificationKey.hex, maximumUsers: 10
      )
    }
    guard let session = SessionID(bytes: [UInt8](repeating: 7, count: 16)) else { return [] }
    return try PlanFactory.plan(
      decisions, catalogue: Catalogue(itemIDs: ["a", "b", "c"]), roster: roster, coordinatorKey: key(99).verificationKey.hex,
      session: session
    ).plan.bytes
  }

  private static func roster() throws -> SignedRoster {
    let entries = try (UInt8(1)...2).map { number in
      PeerIdentity.RosterEntry(
        participant: UInt32(number), name: try PartnerName("p\(number)"), verificationKey: key(number).verificationKey,
        status: .active, enrolledAt: 1)
    }
    return try SignedRoster.sign(taskID: taskID, entries: entries, issued: 2, version: 1, key: key(9))
  }

  /// Whether a roster with a valid signature is the only one that its key ever signed.
  static func isHonest(_ found: SignedRoster) -> Bool { (try? roster()) == found }

  private static func token() throws -> [UInt8] {
    var random = KeyedRandomSource(insecureSeed: 1)
    let token = try EnrolmentToken(
      name: try PartnerName("p1"), trainingAddress: try HostPort(parsing: "a.example:443"),
      enrolmentAddress: try HostPort(parsing: "127.0.0.1:8443"), caFingerprint: SHA256.hash([1]),
      expires: Date(timeIntervalSince1970: 4e9), random: &random)
    return Array(token.text.utf8)
  }

  private static var report: RunReport {
    SampleReport.complete
  }

  private static func sealedReports() throws -> [[UInt8]] {
    let bodies: [ReportForm: String] = [
      .json: try report.renderJSON(), .page: report.renderHTML(), .text: report.renderText(.page),
    ]
    let seal = ReportSeal(key: key(1).verificationKey.hex, hashes: bodies.mapValues { SHA256.hash(Array($0.utf8)).hex }) {
      key(1).sign($0).hex
    }
    return ReportForm.allCases.compactMap { form in bodies[form].map { Array(form.sealed($0, with: seal).utf8) } }
  }
}
