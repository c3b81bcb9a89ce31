internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import SecureAggregation
internal import Synchronization

/// A small world for ledger tests: a holder, a plan, and events with round figures.
enum LedgerWorld {
  static let key = SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 7, count: 32)))
  static let stranger = SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 8, count: 32)))
  static let plan = SHA256.hash(Array("plan".utf8))
  static let binding = SHA256.hash(Array("plan, roster, model, head".utf8))
  static let delta = 1e-6

  /// A session by a letter.
  static func session(_ letter: String) -> SessionID {
    guard let session = SessionID(bytes: [UInt8](repeating: Array(letter.utf8)[0], count: 16)) else {
      preconditionFailure("a session has 16 bytes")
    }
    return session
  }

  static func attempt(_ round: Int, _ attempt: Int = 0, session: String = "s") -> LedgerAttempt {
    LedgerAttempt(session: Self.session(session), round: round, attempt: attempt)
  }

  /// z = 10 per release with the default sensitivity.
  static func event(deltaSquared: Int64 = 10_000, adjacency: Adjacency = .addRemove) throws -> ChargedEvent {
    .accounted(
      .gaussian(
        release: try GaussianRelease(
          sigmaSquared: 1_000_004, deltaSquared: deltaSquared, dimension: 100, adjacency: adjacency)))
  }

  static func sampledEvent(rate: Double = 0.01) throws -> ChargedEvent {
    .accounted(
      .poissonSampled(
        rate: try SamplingRate(rate),
        release: try GaussianRelease(
          sigmaSquared: 10_004, deltaSquared: 10_000, dimension: 100, adjacency: .addRemove)))
  }

  static func request(
    _ round: Int, attempt: Int = 0, release: Int = 0, session: String = "s", event: ChargedEvent? = nil,
    plan: Digest = LedgerWorld.plan, binding: Digest = LedgerWorld.binding, name: String = "item gradients",
    survivors: Int? = nil
  ) throws -> ChargeRequest {
    ChargeRequest(
      attempt: Self.attempt(round, attempt, session: session), release: release, name: name,
      plan: plan, binding: binding, event: try event ?? Self.event(), sampler: "everyone", participants: 5,
      survivors: survivors,
      delta: delta, time: 1000 + round)
  }

  /// A new ledger in memory.
  static func ledger(
    _ kind: LedgerHeader.Kind = .partner, key: SigningKey = LedgerWorld.key
  ) throws -> (ledger: PrivacyLedger, memory: LedgerMemory) {
    let header = try PrivacyLedger.headerLine(
      kind: kind, holder: "bakery", dataset: "orders", created: 1000, key: key)
    let memory = LedgerMemory(header)
    return (try PrivacyLedger(content: header, journal: memory, key: key), memory)
  }

  /// A ledger of two charged rounds and a note: five records.
  static func sample() throws -> [UInt8] {
    let (ledger, memory) = try Self.ledger()
    for round in 0..<2 {
      try ledger.charge(try request(round))
      if round == 0 {
        try ledger.record(
          LedgerOutcome(
            attempt: attempt(0), release: 0, result: .released(nil),
            survivors: 5, time: 1001))
      }
    }
    try ledger.note("two rounds, \"no\" search\tat all", time: 1002)
    return memory.bytes
  }

  /// Offsets at which lines begin, and the length of the whole.
  static func lineStarts(_ bytes: [UInt8]) -> [Int] {
    [0] + bytes.indices.filter { bytes[$0] == UInt8(ascii: "\n") }.map { $0 + 1 }
  }
}

/// A journal whose disk fails when it is told to.
final class FailingJournal: LedgerJournal {
  struct Failure: Error {}
  private let state = Mutex((bytes: [UInt8](), fails: false))

  init(_ bytes: [UInt8]) { state.withLock { $0.bytes = bytes } }

  var bytes: [UInt8] { state.withLock { $0.bytes } }
  func fail(_ fails: Bool) { state.withLock { $0.fails = fails } }

  func append(_ line: [UInt8]) throws {
    try state.withLock { state in
      if state.fails { throw Failure() }
      state.bytes += line
    }
  }
}
