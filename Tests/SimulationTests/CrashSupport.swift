internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation
internal import Synchronization
internal import WireProtocol

/// The machine of one party: counts durable writes, and dies at one of them.
final class Machine: Sendable {
  struct Down: Error {}

  /// Whether the write at which the machine dies still reaches the disk.
  enum Moment: CaseIterable { case before, after }

  private struct State {
    var writes = 0
    var crash: (write: Int, moment: Moment)?
    var isDown = false
  }

  private let state = Mutex(State())

  var writes: Int { state.withLock { $0.writes } }
  var isDown: Bool { state.withLock { $0.isDown } }

  func die(at write: Int, _ moment: Moment) { state.withLock { $0.crash = (write, moment) } }
  /// Power comes back.
  func start() { state.withLock { $0.isDown = false } }

  /// Runs `body`, which changes what is on the disk.
  ///
  /// - Throws: when the machine is down or goes down here; the process knows nothing of a write that reached the disk then.
  func write(_ body: () throws -> Void) throws {
    let moment = try state.withLock { state -> Moment? in
      guard !state.isDown else { throw Down() }
      defer { state.writes += 1 }
      guard let crash = state.crash, crash.write == state.writes else { return nil }
      state.isDown = true
      return crash.moment
    }
    if moment == .before { throw Down() }
    try body()
    if moment == .after { throw Down() }
  }
}

/// A ledger file on a machine that may die.
final class MachineLedger: LedgerJournal {
  let machine: Machine
  private let memory: LedgerMemory

  init(_ machine: Machine, header: [UInt8]) {
    self.machine = machine
    memory = LedgerMemory(header)
  }

  var bytes: [UInt8] { memory.bytes }
  func append(_ line: [UInt8]) throws { try machine.write { memory.append(line) } }
}

/// Everything that a coordinator keeps: the checkpoint, the open attempt's start, its events, noised sums.
final class CoordinatorDisk: ReleaseJournal {
  enum Event {
    case message([UInt8], from: ParticipantID)
    case deadline(generation: Int)
  }

  struct Content {
    var checkpoint: [UInt8]?
    /// What was still to be sent when the attempt before was over.
    var closing: [(to: ParticipantID, bytes: [UInt8])] = []
    var start: [UInt8]?
    var events: [Event] = []
  }

  let machine = Machine()
  let sums = ReleaseMemory()
  private let state = Mutex(Content())

  var content: Content { state.withLock { $0 } }
  func change(_ body: (inout Content) -> Void) throws { try machine.write { state.withLock { body(&$0) } } }

  func noisedSum(of attempt: LedgerAttempt) -> [Int64]? { sums.noisedSum(of: attempt) }
  func record(noisedSum: [Int64], of attempt: LedgerAttempt) throws {
    try machine.write { try sums.record(noisedSum: noisedSum, of: attempt) }
  }
}

/// A partner's journal on a machine that may die.
final class MachineJournal: PartnerJournal {
  let machine: Machine
  let memory = PartnerMemory()

  init(_ machine: Machine) { self.machine = machine }

  func highWaterMark(session: SessionID) -> AttemptMark? { memory.highWaterMark(session: session) }
  func advance(to mark: AttemptMark, session: SessionID) throws {
    try machine.write { try memory.advance(to: mark, session: session) }
  }
  func coordinatorHead(session: SessionID) -> LedgerHead? { memory.coordinatorHead(session: session) }
  func record(coordinatorHead: LedgerHead, session: SessionID) throws {
    try machine.write { memory.record(coordinatorHead: coordinatorHead, session: session) }
  }
  func shownHead(session: SessionID) -> LedgerHead? { memory.shownHead(session: session) }
  func record(shownHead: LedgerHead, session: SessionID) throws {
    try machine.write { memory.record(shownHead: shownHead, session: session) }
  }
  func newestWitness(session: SessionID) -> LedgerWitness? { memory.newestWitness(session: session) }
  func record(witness: LedgerWitness, session: SessionID) throws {
    try machine.write { memory.record(witness: witness, session: session) }
  }
  func peerHeads(session: SessionID) -> [ParticipantID: LedgerHead] { memory.peerHeads(session: session) }
  func record(peerHeads: [ParticipantID: LedgerHead], session: SessionID) throws {
    try machine.write { memory.record(peerHeads: peerHeads, session: session) }
  }
  func newestRelease(session: SessionID) -> ModelRelease? { memory.newestRelease(session: session) }
  func record(release: ModelRelease, session: SessionID) throws {
    try machine.write { memory.record(release: release, session: session) }
  }
  func evaluations(session: SessionID) -> [EvaluationDocument] { memory.evaluations(session: session) }
  func record(evaluation: EvaluationDocument, session: SessionID) throws {
    try machine.write { memory.record(evaluation: evaluation, session: session) }
  }
}
