internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import PeerIdentity
internal import Recommender
internal import Reporting
internal import WireProtocol

/// What is fuzzed: every decoder of bytes that a peer, a coordinator or a stranger's file gives, and the `receive` of the sessions
/// and the engines.
///
/// A target must refuse or take its input; a trap is a finding, and so is a broken promise (`hold`).
enum FuzzTarget: String, CaseIterable {
  case coordinatorMessage = "coordinator-message"
  case partnerMessage = "partner-message"
  case plan
  case ledger
  /// Lines that a hostile holder has chained and signed as it should.
  case signedLedger = "signed-ledger"
  case ledgerDocument = "ledger-document"
  case ledgerContinuation = "ledger-continuation"
  case canonicalJSON = "canonical-json"
  case release
  case model
  /// A model in the hands of the algorithm that it names.
  case scorer
  case tensors
  case numpy
  case catalogue
  case checkpoint
  case roster
  case statement
  case token
  case reportSeal = "report-seal"
  case report
  case dataImport = "data-import"
  case clientSession = "client-session"
  case aggregatorSession = "aggregator-session"
  case partnerEngine = "partner-engine"
  case coordinatorEngine = "coordinator-engine"

  func run(_ bytes: [UInt8]) {
    switch self {
    case .coordinatorMessage:
      guard let message = try? WireCodec.decodeCoordinatorMessage(bytes) else { return }
      let again = try? WireCodec.decodeCoordinatorMessage(WireCodec.encode(message))
      hold(again.map { WireCodec.encode($0) } == WireCodec.encode(message), "a message that was taken is taken again as it is")
    case .partnerMessage:
      guard let message = try? WireCodec.decodePartnerMessage(bytes) else { return }
      let again = try? WireCodec.decodePartnerMessage(WireCodec.encode(message))
      hold(again.map { WireCodec.encode($0) } == WireCodec.encode(message), "a message that was taken is taken again as it is")
    case .plan:
      guard let file = try? PlanFile(bytes: bytes) else { return }
      hold(file.bytes == bytes, "a plan is its bytes")
      hold((try? PlanFile(file.plan)) != nil, "a plan that was read can be written")
    case .ledger: LedgerFuzzing.read(bytes)
    case .signedLedger: LedgerFuzzing.readSigned(bytes)
    case .ledgerDocument:
      guard let json = try? CanonicalJSON(canonical: bytes) else { return }
      _ = try? LedgerWitness(json: json)
      guard let document = try? LedgerDocument(json: json) else { return }
      hold(document.json.bytes == bytes, "a document about a ledger has one form")
    case .ledgerContinuation: _ = LedgerContinuation(decoding: bytes)
    case .canonicalJSON:
      guard let json = try? CanonicalJSON(canonical: bytes) else { return }
      hold(json.bytes == bytes, "canonical JSON has one form")
    case .release:
      if let parts = ReleaseDocument.decode(bytes) {
        hold(ReleaseDocument.encode(statement: parts.statement, model: parts.model) == bytes, "a release has one form")
      }
      _ = try? ModelRelease(decoding: bytes)
      if let document = try? EvaluationDocument(decoding: bytes) {
        hold(document.encoded() == bytes, "an evaluation release has one form")
      }
    case .model:
      guard let model = try? ModelBytes.decode(bytes) else { return }
      hold(ModelBytes.encode(model) == bytes, "a model has one form")
    case .scorer: ModelFuzzing.score(bytes)
    case .numpy: _ = try? NumpyArray.decode(bytes, file: "input")
    case .tensors: _ = try? SafeTensors.decode(bytes, file: "input")
    case .catalogue: _ = try? CatalogueDocument.decode(bytes)
    case .checkpoint: _ = try? CoordinatorCheckpoint(decoding: bytes)
    case .roster:
      if let roster = try? SignedRoster(decoding: bytes) {
        hold(roster.encoded() == bytes, "a roster has one form")
        hold(!roster.isSigned(by: roster.coordinator) || Seeds.isHonest(roster), "nobody signs a roster but its coordinator")
      }
      _ = try? KeySuccession.all(decoding: bytes)
    case .statement:
      guard let statement = PartnerStatement(decoding: bytes) else { return }
      hold(statement.encoded == bytes, "a statement has one form")
    case .token:
      guard let token = try? EnrolmentToken(parsing: String(decoding: bytes, as: UTF8.self), now: .distantPast) else { return }
      hold((try? EnrolmentToken(parsing: token.text, now: .distantPast)) != nil, "a token that was read can be written")
    case .reportSeal:
      guard let parts = try? ReportForm.unseal(bytes) else { return }
      hold(parts.body.count + parts.seal.line.utf8.count < bytes.count, "a seal and a body are less than the whole")
    case .report:
      guard let report = try? RunReport(json: Data(bytes)) else { return }
      _ = try? report.renderJSON()
      _ = report.renderHTML()
      _ = report.renderText(.page)
    case .dataImport: ImportFuzzing.load(bytes)
    case .clientSession: SessionFuzzing.shared.playClient(bytes)
    case .aggregatorSession: SessionFuzzing.shared.playAggregator(bytes)
    case .partnerEngine: EngineFuzzing.play(partner: bytes)
    case .coordinatorEngine: EngineFuzzing.play(coordinator: bytes)
    }
  }

  /// What `corpus/NAME` begins with: bytes that honest programs make.
  func seeds() throws -> [[UInt8]] {
    switch self {
    case .coordinatorMessage:
      Seeds.distinct(
        (SessionFuzzing.shared.toClients.map { .aggregation($0) } + EngineFuzzing.toPartner).map { WireCodec.encode($0) })
    case .partnerMessage:
      Seeds.distinct(
        (SessionFuzzing.shared.toServer.map { .aggregation($0.message) } + EngineFuzzing.toCoordinator).map {
          WireCodec.encode($0)
        })
    case .clientSession, .aggregatorSession: SessionFuzzing.seeds(isClient: self == .clientSession)
    case .partnerEngine, .coordinatorEngine: EngineFuzzing.seeds(isPartner: self == .partnerEngine)
    case .dataImport: ImportFuzzing.seeds
    default: try Seeds.of(self)
    }
  }
}

/// - Parameter promise: said when it is broken.
func hold(_ condition: Bool, _ promise: @autoclosure () -> String) {
  if !condition { fatalError("broken: \(promise())") }
}

/// One step of a course that a fuzzer makes up: 8 bytes, of which the sessions' and engines' targets read as many as there are.
struct FuzzOperation {
  let what: UInt8
  let message: Int
  let sender: UInt32
  let place: Int
  let change: UInt8
  let count: Int

  /// The steps of an input; its first byte chooses the world that they are played in.
  static func all(in bytes: [UInt8], most: Int = 50) -> [FuzzOperation] {
    stride(from: 1, to: min(bytes.count, 8 * most) - 7, by: 8).map { start in
      let word = Array(bytes[start..<start + 8])
      return FuzzOperation(
        what: word[0], message: Int(word[1]), sender: UInt32(word[2]),
        place: Int(word[3]) | Int(word[4]) << 8 | Int(word[5]) << 16, change: word[6], count: Int(word[7]))
    }
  }

  /// Up to four changed bytes; with the highest bit of `what`, cut off.
  func changed(_ bytes: [UInt8]) -> [UInt8] {
    guard !bytes.isEmpty else { return bytes }
    var bytes = bytes
    for step in 0...(count & 3) { bytes[(place + 31 * step) % bytes.count] ^= change }
    return what & 0x80 == 0 ? bytes : Array(bytes.prefix(place % bytes.count))
  }
}
