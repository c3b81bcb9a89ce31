internal import CryptoPrimitives
internal import FederatedLearning
internal import Logging
internal import Recommender
internal import SecureAggregation
internal import Transport

/// A whole message of a partner, as the transport received it.
struct ReceivedMessage: Sendable {
  enum Content: Sendable {
    case bytes([UInt8])
    /// A whole file of the spool.
    case file(String)
  }

  let participant: UInt32
  let key: UploadKey
  let digest: Digest
  let content: Content
}

/// What a runner is made of.
struct RoundParts {
  let store: CoordinatorStore
  let lease: Lease
  let spool: UploadSpool
  let plan: PlanRecord
  let signingKey: SigningKey
  let algorithm: any FederatedAlgorithm
  let ledger: PrivacyLedger
  let policy: RoundPolicy
  let monitor: RoundMonitor
  let logger: Logger
  var workers = 1
  /// Where noise comes from.
  var random: any RandomSource = SystemRandomSource()
}

/// Whatever generator the host was given.
struct NoiseSource: RandomSource {
  var source: any RandomSource

  mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) { source.fill(buffer) }
}

/// Why a host stops: nothing has left that its journal does not hold.
public enum HostFailure: Error, Equatable, CustomStringConvertible {
  /// The ledger or the release journal could not be written, or contradict the state.
  case ledger(String)
  /// The journal of the round could not be written.
  case journal(String)
  case fencedOff

  public var description: String {
    switch self {
    case .ledger(let sentence): sentence
    case .journal(let sentence): "the journal of the round could not be written, so nothing was sent: \(sentence)"
    case .fencedOff: StoreError.fencedOff.description
    }
  }
}
