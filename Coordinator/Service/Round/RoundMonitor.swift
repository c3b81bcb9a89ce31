internal import FederatedLearning
internal import Foundation
public import Operations
internal import SecureAggregation
internal import Synchronization
internal import Transport

/// What an operator watches: counts of messages, bytes, seconds and partners; never of users, never a value of an update.
public final class RoundMonitor: Sendable {
  public let registry: MetricsRegistry
  private let released: Counter
  private let aborted: Counter
  private let stageSeconds: Histogram
  private let accepted: Counter
  private let refused: Counter
  private let partnerRefusals: Counter
  private let bytesUp: Counter
  private let bytesDown: Counter
  private let uploadsOpen: Gauge
  private let partners: Gauge
  private let leaseHeld: Gauge
  private let polls: Gauge
  private let ledgerRecords: Gauge
  private let spoolBytes: Gauge
  private let budget = Mutex<(spent: Double?, cap: Double?)>((nil, nil))

  public init() {
    let registry = MetricsRegistry()
    self.registry = registry
    let stages = MetricLabel("stage", AggregationStage.allCases.map { "\($0)" })
    released = registry.counter("tacit_rounds_released_total", help: "Releases by this process.")
    aborted = registry.counter(
      "tacit_attempts_aborted_total", help: "Attempts that came to nothing.",
      labels: [MetricLabel("reason", AttemptAbort.allCases.map { "\($0)" } + [Self.brokenJournal])])
    stageSeconds = registry.histogram(
      "tacit_stage_seconds", help: "How long stages took.", bounds: MetricsRegistry.secondsBounds, labels: [stages])
    accepted = registry.counter("tacit_messages_accepted_total", help: "Messages of partners that were taken.", labels: [stages])
    refused = registry.counter(
      "tacit_refusals_total", help: "Calls and messages that were refused.", labels: [MetricLabel("reason", Self.refusalReasons)])
    partnerRefusals = registry.counter(
      "tacit_partner_refusals_total", help: "Attempts that a partner refused, by its reason.",
      labels: [MetricLabel("reason", PartnerRefusal.allCases.map { "\($0)" })])
    bytesUp = registry.counter("tacit_upload_bytes_total", help: "Bytes of messages that were received.")
    bytesDown = registry.counter("tacit_download_bytes_total", help: "Bytes of messages and documents that were handed out.")
    uploadsOpen = registry.gauge("tacit_uploads_open", help: "Messages that are being received.")
    partners = registry.gauge(
      "tacit_partners", help: "Partners of the plan: consented and not resting; of those, connected.",
      labels: [MetricLabel("state", ["ready", "present"])])
    leaseHeld = registry.gauge("tacit_lease_held", help: "1 while this process may run rounds.")
    polls = registry.gauge("tacit_polls_open", help: "Calls that wait for a message.")
    ledgerRecords = registry.gauge("tacit_ledger_records", help: "Records in the coordinator's ledger.")
    spoolBytes = registry.gauge("tacit_spool_bytes", help: "Bytes of uploads on disk, announced or arrived.")
    registry.observed("tacit_epsilon_spent", help: "ε charged in the coordinator's ledger.") { [weak self] in
      self?.budget.withLock { $0.spent }
    }
    registry.observed("tacit_epsilon_cap", help: "ε that the plan allows.") { [weak self] in self?.budget.withLock { $0.cap } }
  }

  static let brokenJournal = "journal not whole"

  /// Machine reasons of refused calls, uploads and connections (the transport's own list), and the engine's for refused messages.
  package static let refusalReasons =
    RefusalReason.allCases.map(\.rawValue) + [RefusalReason.attemptOver] + ConnectionEnd.allCases.map(\.rawValue)
    + CoordinatorRefusal.allCases.map(\.rawValue) + AggregatorRefusal.allCases.map(\.rawValue) + RoundRunner.ownRefusals

  func setBudget(spent: Double?, cap: Double?) { budget.withLock { $0 = (spent, cap) } }
  func count(input stage: AggregationStage) { accepted.increment("\(stage)") }
  func count(abort reason: String) { aborted.increment(reason) }
  /// - Parameter reason: of the closed lists; any other counts as `other`.
  public func count(refusal reason: String) { refused.increment(reason) }
  func count(partnerRefusal reason: PartnerRefusal) { partnerRefusals.increment("\(reason)") }
  func count(bytesUp bytes: Int) { bytesUp.add(Double(bytes)) }
  func count(bytesDown bytes: Int) { bytesDown.add(Double(bytes)) }
  func uploads(_ change: Int) { uploadsOpen.add(Double(change)) }

  func stageEnded(after seconds: Double?, _ stage: AggregationStage?) {
    guard let seconds, let stage else { return }
    stageSeconds.observe(seconds, "\(stage)")
  }

  func countRelease() { released.add(1) }

  func setPartners(ready: Int, present: Int) {
    partners.set(Double(ready), "ready")
    partners.set(Double(present), "present")
  }

  func set(holdsLease: Bool) { leaseHeld.set(holdsLease ? 1 : 0) }

  func set(polls count: Int, ledgerRecords records: Int, spoolBytes bytes: UInt64) {
    polls.set(Double(count))
    ledgerRecords.set(Double(records))
    spoolBytes.set(Double(bytes))
  }
}
