internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
public import Foundation
internal import PeerIdentity
internal import SecureAggregation

/// Where a partner stands, from its own home alone.
public struct PartnerStatus: Encodable, Sendable {
  public struct Data: Encodable, Sendable {
    public let name: String
    let ledger: String
    let users: Int
    let events: Int
    /// ISO 8601.
    let importedAt: String
    let isRemoved: Bool
    /// `nil` where there is no finite ε.
    let epsilonSpent: Double?
    /// Ledgers of other homes that count the same people.
    let linked: [LinkedSpending]
    let capEpsilon: Double?
    let capDelta: Double?
    let ledgerRecords: Int
    /// Of the ledger's head, to compare on the phone; `nil` before the first charge.
    let ledgerFingerprint: String?

    /// For a terminal.
    public var text: String {
      let cap =
        capEpsilon.flatMap { epsilon in capDelta.map { "your cap ε = \(epsilon) at δ = \($0)" } } ?? "no cap of your own"
      let content = isRemoved ? "removed" : "\(users) users, \(events) events, imported \(importedAt)"
      return
        "'\(name)': \(content); spent \(PlanReview.epsilonText(epsilonSpent ?? .infinity))\(linked.map { "; \($0.text)" }.joined()), \(cap); ledger '\(ledger)' of \(ledgerRecords) records\(ledgerFingerprint.map { ", \($0)" } ?? "")"
    }
  }

  struct Plan: Encodable, Sendable {
    let task: String
    let hash: String
    let isAccepted: Bool
    let dataSet: String?
    let releases: Int
    let released: Int
    let attempts: [String]
    let end: String?
    /// The coordinator's ledger as far as it was shown, to compare on the phone.
    let coordinatorRecords: UInt64?
    let coordinatorFingerprint: String?
  }

  public let task: String
  public let participant: UInt32
  public let name: String
  /// `running`, `idle`, `paused`, `left`, `revoked` or `purged`.
  public let state: String
  /// Whether a `run` speaks for this home, whatever the state.
  public let isRunAlive: Bool
  let certificateUntil: String?
  let rosterVersion: UInt64?
  let rosterFingerprint: String?
  public let dataSets: [Data]
  let plans: [Plan]
  let unsentStatements: Int
  /// What a person has to do before `run` can take part, one sentence each.
  public let needs: [String]

  /// - Throws: `PartnerError` when the home has not enrolled.
  public init(home: PartnerHome, store: PartnerStore, now: Date) throws {
    let enrolment = try Joining.enrolment(of: store, home)
    task = enrolment.task
    participant = enrolment.participant
    name = enrolment.name
    let isPurged = try store.isPurged
    let isHeld = try HomeLock(home) == nil
    isRunAlive = isHeld
    let hasEnded = try isPurged || store.hasLeft || store.isRevoked
    state =
      isPurged
      ? "purged"
      : try store.hasLeft ? "left" : try store.isRevoked ? "revoked" : try store.isPaused ? "paused" : isHeld ? "running" : "idle"
    let (certificate, damage) = Self.certificate(home)
    certificateUntil = certificate?.notAfter.formatted(.iso8601)
    let roster = try Joining.pinnedRoster(home: home, store: store)
    rosterVersion = roster?.version
    rosterFingerprint = roster?.fingerprint
    let records = try store.dataSets()
    dataSets = try records.map { record in
      let ledger = try OwnLedger.read(home.ledger(of: record.ledger.name), key: enrolment.identity)
      let spent = ledger?.recorded.epsilon(delta: record.cap?.delta ?? 1e-6) ?? 0
      return Data(
        name: record.name.text, ledger: record.ledger.name.text, users: record.users, events: record.events,
        importedAt: Date(timeIntervalSince1970: TimeInterval(record.importedAt)).formatted(.iso8601),
        isRemoved: record.isRemoved, epsilonSpent: spent.isFinite ? spent : nil,
        linked: LinkedReading(record.ledger.name, home: home, store: store).spending(delta: record.cap?.delta ?? 1e-6),
        capEpsilon: record.cap?.epsilon, capDelta: record.cap?.delta, ledgerRecords: ledger?.size ?? 0,
        ledgerFingerprint: ledger?.head.head.fingerprint.text)
    }
    let stored = try store.plans()
    plans = try stored.map { try Self.plan($0, store) }
    unsentStatements = try store.unsentStatements().count
    var needs: [String] = []
    if try store.isRevoked { needs.append("the coordinator: it has revoked this partner; ask its people") }
    if !hasEnded {
      let waiting = stored.first { $0.end == nil }.flatMap { $0.isAccepted ? nil : $0 }
      if stored.isEmpty { needs.append("a plan: tacit-client review") }
      if let waiting {
        let task = try PlanFile(bytes: waiting.bytes).plan.task
        if !records.contains(where: { !$0.isRemoved }) { needs.append("data: tacit-client data import FILE") }
        needs.append(
          "a decision: plan '\(task)' (\(waiting.hash.hex.prefix(16))…) waits; look at it with tacit-client review, join it with tacit-client accept"
        )
      } else if !stored.isEmpty, !stored.contains(where: { $0.end == nil }) {
        needs.append("a new plan: what this home knows is over; the coordinator makes one, and tacit-client review fetches it")
      }
      if try store.isPaused { needs.append("an end of the pause: tacit-client resume") }
      if stored.contains(where: { $0.isAccepted && $0.end == nil }), !isHeld {
        needs.append("the daemon: nothing is answered while tacit-client run is not alive")
      }
      if let certificate, certificate.notAfter < now {
        needs.append(
          "a certificate: it ran out on \(certificate.notAfter.formatted(.iso8601)); \(home.renewal)")
      }
      if let damage { needs.append("a certificate: \(damage)") }
    }
    self.needs = needs
  }

  /// The certificate, or what is wrong with its file.
  private static func certificate(_ home: PartnerHome) -> (IssuedCertificate?, damage: String?) {
    do { return (try home.readCertificate(), nil) } catch { return (nil, "\(error)") }
  }

  private static func plan(_ stored: StoredPlan, _ store: PartnerStore) throws -> Plan {
    let plan = try PlanFile(bytes: stored.bytes).plan
    let session = SessionID(hex: plan.session)
    let newest = try session.flatMap { try store.newestRelease(session: $0) }
    let shown = try session.flatMap { try LedgerHeads.newest($0, store) }
    return Plan(
      task: plan.task, hash: stored.hash.hex, isAccepted: stored.isAccepted, dataSet: stored.dataSet?.text,
      releases: plan.releases.count, released: newest.map { Int($0.round) + 1 } ?? 0,
      attempts: try store.attempts(session: plan.session, limit: 5).map {
        "round \($0.round + 1), attempt \($0.attempt + 1): \($0.event)"
      }, end: stored.end, coordinatorRecords: shown?.size, coordinatorFingerprint: shown?.fingerprint.text)
  }

  /// For a terminal.
  public var text: String {
    var lines = [
      "partner     \(participant) ('\(name)') of task \(task): \(state)"
        + (state == "running" || state == "idle" ? "" : isRunAlive ? " (run is alive)" : " (run is not alive)"),
      "certificate \(certificateUntil.map { "until \($0)" } ?? "none")",
      "roster      \(rosterVersion.flatMap { version in rosterFingerprint.map { "version \(version), fingerprint \($0)" } } ?? "none")",
    ]
    lines += dataSets.map { "data        \($0.text)" }
    for plan in plans {
      let consent = plan.isAccepted ? "accepted with '\(plan.dataSet ?? "-")'" : "not accepted"
      lines.append(
        "plan        '\(plan.task)' \(plan.hash.prefix(16))…: \(consent), \(plan.released) of \(plan.releases) released\(plan.end.map { "; over: \($0)" } ?? "")"
      )
      if let records = plan.coordinatorRecords, let fingerprint = plan.coordinatorFingerprint {
        lines.append("            the coordinator's ledger: \(records) records, \(fingerprint)")
      }
      lines += plan.attempts.map { "            \($0)" }
    }
    if unsentStatements > 0 { lines.append("to tell     \(unsentStatements) statements have not reached the coordinator yet") }
    lines += needs.map { "needs       \($0)" }
    return lines.joined(separator: "\n")
  }
}
