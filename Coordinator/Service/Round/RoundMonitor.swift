internal import Foundation
internal import SecureAggregation
internal import Synchronization

/// Counts what an operator watches. Counts of messages, bytes, seconds and partners: never of users, never a value of an update.
public final class RoundMonitor: Sendable {
  /// One figure with its labels, as Prometheus has them.
  public struct Figure: Sendable, Equatable {
    public enum Kind: String, Sendable { case counter, gauge }

    public let name: String
    public let help: String
    public let kind: Kind
    public let labels: [String: String]
    public let value: Double
  }

  private struct State {
    var released = 0
    var aborts: [String: Int] = [:]
    var abortedBefore = 0
    var stages: [String: (seconds: Double, count: Int)] = [:]
    var inputs: [String: Int] = [:]
    var refusals: [String: Int] = [:]
    var bytesUp: UInt64 = 0
    var bytesDown: UInt64 = 0
    var uploads = 0
    var epsilonSpent: Double?
    var cap: Double?
    var ready = 0
    var present = 0
    var polls = 0
    var holdsLease = false
    var ledgerRecords = 0
    var spoolBytes: UInt64 = 0
  }

  private let state = Mutex(State())

  public init() {}

  func restore(epsilonSpent: Double?, cap: Double?, counters: [String: Int]) {
    state.withLock { state in
      state.epsilonSpent = epsilonSpent
      state.cap = cap
      state.released = counters["attempts.released"] ?? 0
      state.abortedBefore = (counters["attempts.aborted"] ?? 0) - state.aborts.values.reduce(0, +)
    }
  }

  func count(input stage: AggregationStage) { state.withLock { $0.inputs["\(stage)", default: 0] += 1 } }
  func count(abort reason: String) { state.withLock { $0.aborts[reason, default: 0] += 1 } }

  /// - Parameter reason: of a closed list, or the machine reason of a refused call.
  public func count(refusal reason: String) {
    state.withLock { state in
      // A peer cannot make the list of reasons grow without end.
      let reason = state.refusals.count < 200 || state.refusals[reason] != nil ? reason : "other"
      state.refusals[reason, default: 0] += 1
    }
  }

  func count(bytesUp: Int = 0, bytesDown: Int = 0) {
    state.withLock {
      $0.bytesUp += UInt64(bytesUp)
      $0.bytesDown += UInt64(bytesDown)
    }
  }

  func uploads(_ change: Int) { state.withLock { $0.uploads += change } }

  func stageEnded(after seconds: Double?, _ stage: AggregationStage?) {
    guard let seconds, let stage else { return }
    state.withLock { state in
      let before = state.stages["\(stage)"] ?? (0, 0)
      state.stages["\(stage)"] = (before.seconds + seconds, before.count + 1)
    }
  }

  func released(epsilonSpent: Double?) {
    state.withLock {
      $0.released += 1
      $0.epsilonSpent = epsilonSpent
    }
  }

  func setPartners(ready: Int, present: Int) {
    state.withLock {
      $0.ready = ready
      $0.present = present
    }
  }

  func set(holdsLease: Bool) { state.withLock { $0.holdsLease = holdsLease } }

  func set(polls: Int, ledgerRecords: Int, spoolBytes: UInt64) {
    state.withLock {
      $0.polls = polls
      $0.ledgerRecords = ledgerRecords
      $0.spoolBytes = spoolBytes
    }
  }

  /// Refusals so far, by reason.
  public var refusals: [String: Int] { state.withLock { $0.refusals } }

  /// Everything, in a fixed order.
  public var figures: [Figure] {
    let state = state.withLock { $0 }
    var figures: [Figure] = []
    func add(_ name: String, _ kind: Figure.Kind, _ help: String, _ value: Double, _ labels: [String: String] = [:]) {
      figures.append(Figure(name: "tacit_" + name, help: help, kind: kind, labels: labels, value: value))
    }
    add("rounds_released_total", .counter, "Releases since the state folder was made.", Double(state.released))
    let aborted = "Attempts that came to nothing, by reason; those before this process under 'before'."
    add("attempts_aborted_total", .counter, aborted, Double(state.abortedBefore), ["reason": "before"])
    for (reason, count) in state.aborts.sorted(by: { $0.key < $1.key }) {
      add("attempts_aborted_total", .counter, aborted, Double(count), ["reason": reason])
    }
    for (stage, spent) in state.stages.sorted(by: { $0.key < $1.key }) {
      add("stage_seconds_total", .counter, "Seconds in stages that are over.", spent.seconds, ["stage": stage])
      add("stages_total", .counter, "Stages that are over.", Double(spent.count), ["stage": stage])
    }
    for (stage, count) in state.inputs.sorted(by: { $0.key < $1.key }) {
      add("messages_accepted_total", .counter, "Messages of partners that were taken.", Double(count), ["stage": stage])
    }
    for (reason, count) in state.refusals.sorted(by: { $0.key < $1.key }) {
      add("refusals_total", .counter, "Calls and messages that were refused.", Double(count), ["reason": reason])
    }
    add("upload_bytes_total", .counter, "Bytes of uploads that were received.", Double(state.bytesUp))
    add("download_bytes_total", .counter, "Bytes of messages and documents that were handed out.", Double(state.bytesDown))
    add("uploads_open", .gauge, "Uploads that are being received.", Double(state.uploads))
    if let spent = state.epsilonSpent { add("epsilon_spent", .gauge, "ε charged in the coordinator's ledger.", spent) }
    if let cap = state.cap { add("epsilon_cap", .gauge, "ε that the plan allows.", cap) }
    add("partners_ready", .gauge, "Partners of the plan that consented and neither rest nor left.", Double(state.ready))
    add("partners_present", .gauge, "Of those, partners that are connected.", Double(state.present))
    add("polls_open", .gauge, "Calls that wait for a message.", Double(state.polls))
    add("lease_held", .gauge, "1 while this process may run rounds.", state.holdsLease ? 1 : 0)
    add("ledger_records", .gauge, "Records in the coordinator's ledger.", Double(state.ledgerRecords))
    add("spool_bytes", .gauge, "Bytes of uploads on disk.", Double(state.spoolBytes))
    return figures
  }
}
