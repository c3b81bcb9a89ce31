internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import SecureAggregation
internal import WireProtocol

/// What is fuzzed: every decoder of bytes that a peer, a coordinator or a stranger's file gives, and the sessions' `receive`.
///
/// A target must refuse or take its input; a trap is a finding, and so is a broken promise (`hold`).
enum FuzzTarget: String, CaseIterable {
  case coordinatorMessage = "coordinator-message"
  case partnerMessage = "partner-message"
  case plan
  case ledger
  case ledgerDocument = "ledger-document"
  case ledgerContinuation = "ledger-continuation"
  case canonicalJSON = "canonical-json"
  case release
  case model
  case catalogue
  case checkpoint
  case clientSession = "client-session"
  case aggregatorSession = "aggregator-session"

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
    case .ledger:
      let verification = LedgerVerifier(key: nil).verify(bytes)
      hold(verification.state == nil || !bytes.isEmpty, "no ledger is nothing")
    case .ledgerDocument:
      guard let json = try? CanonicalJSON(canonical: bytes) else { return }
      _ = try? LedgerWitness(json: json)
      _ = try? LedgerDocument(json: json)
    case .ledgerContinuation: _ = LedgerContinuation(decoding: bytes)
    case .canonicalJSON:
      guard let json = try? CanonicalJSON(canonical: bytes) else { return }
      hold(json.bytes == bytes, "canonical JSON has one form")
    case .release:
      if let parts = ReleaseDocument.decode(bytes) {
        hold(ReleaseDocument.encode(statement: parts.statement, model: parts.model) == bytes, "a release has one form")
      }
      _ = try? ModelRelease(decoding: bytes)
    case .model:
      guard let model = try? ModelBytes.decode(bytes) else { return }
      hold(ModelBytes.encode(model) == bytes, "a model has one form")
    case .catalogue: _ = try? CatalogueDocument.decode(bytes)
    case .checkpoint: _ = try? CoordinatorCheckpoint(decoding: bytes)
    case .clientSession: SessionFuzzing.shared.playClient(bytes)
    case .aggregatorSession: SessionFuzzing.shared.playAggregator(bytes)
    }
  }

  /// What `corpus/NAME` begins with: bytes that honest programs make.
  func seeds() throws -> [[UInt8]] {
    switch self {
    case .coordinatorMessage: SessionFuzzing.shared.toClients.map { WireCodec.encode(.aggregation($0)) }
    case .partnerMessage: SessionFuzzing.shared.toServer.map { WireCodec.encode(.aggregation($0.message)) }
    case .clientSession, .aggregatorSession: SessionFuzzing.seeds(isClient: self == .clientSession)
    default: try Seeds.of(self)
    }
  }
}

/// - Parameter promise: said when it is broken.
func hold(_ condition: Bool, _ promise: String) {
  if !condition { fatalError("broken: \(promise)") }
}
