internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
public import Foundation
internal import PeerIdentity
internal import SecureAggregation

/// Where a partner stands, from its own home alone.
public struct PartnerStatus: Encodable, Sendable {
  struct Data: Encodable, Sendable {
    let name: String
    let ledger: String
    let users: Int
    let events: Int
    /// `nil` where there is no finite ε.
    let epsilonSpent: Double?
    let capEpsilon: Double?
    let capDelta: Double?
    let ledgerRecords: Int
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
  }

  public let task: String
  public let participant: UInt32
  public let name: String
  /// `running`, `idle`, `paused`, `left` or `purged`.
  public let state: String
  let certificateUntil: String?
  let rosterFingerprint: String?
  let dataSets: [Data]
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
    state =
      isPurged ? "purged" : try store.hasLeft ? "left" : try store.isPaused ? "paused" : isHeld ? "running" : "idle"
    let certificate = (try? HomeFile.read(home.certificate)).flatMap {
      try? IssuedCertificate(pem: String(decoding: $0, as: UTF8.self))
    }
    certificateUntil = certificate?.notAfter.formatted(.iso8601)
    rosterFingerprint = try Joining.rosterFingerprint(home: home, store: store)
    let records = try store.dataSets()
    dataSets = try records.map { record in
      let ledger = try OwnLedger.read(home.ledger(of: record.ledger.name), key: enrolment.identity)
      let spent = ledger?.recorded.epsilon(delta: record.cap?.delta ?? 1e-6) ?? 0
      return Data(
        name: record.name.text, ledger: record.ledger.name.text, users: record.users, events: record.events,
        epsilonSpent: spent.isFinite ? spent : nil,
        capEpsilon: record.cap?.epsilon, capDelta: record.cap?.delta, ledgerRecords: ledger?.size ?? 0)
    }
    let stored = try store.plans()
    plans = try stored.map { try Self.plan($0, store) }
    unsentStatements = try store.unsentStatements().count
    var needs: [String] = []
    if !isPurged {
      if stored.isEmpty { needs.append("a plan: tacit-client review") }
      if !stored.isEmpty, records.isEmpty { needs.append("data: tacit-client data import FILE") }
      if !stored.isEmpty, !stored.contains(where: \.isAccepted) { needs.append("a consent: tacit-client accept") }
      if let certificate, certificate.notAfter < now {
        needs.append(
          "a certificate: it ran out on \(certificate.notAfter.formatted(.iso8601)); ask the coordinator for a new invitation")
      }
    }
    self.needs = needs
  }

  private static func plan(_ stored: StoredPlan, _ store: PartnerStore) throws -> Plan {
    let plan = try PlanFile(bytes: stored.bytes).plan
    let newest = try SessionID(hex: plan.session).flatMap { try store.newestRelease(session: $0) }
    return Plan(
      task: plan.task, hash: stored.hash.hex, isAccepted: stored.isAccepted, dataSet: stored.dataSet?.text,
      releases: plan.releases.count, released: newest.map { Int($0.round) + 1 } ?? 0,
      attempts: try store.attempts(session: plan.session, limit: 5).map {
        "round \($0.round + 1), attempt \($0.attempt + 1): \($0.event)"
      }, end: stored.end)
  }

  /// For a terminal.
  public var text: String {
    var lines = [
      "partner     \(participant) ('\(name)') of task \(task): \(state)",
      "certificate \(certificateUntil.map { "until \($0)" } ?? "none")",
      "roster      \(rosterFingerprint ?? "none")",
    ]
    for data in dataSets {
      let cap =
        data.capEpsilon.flatMap { epsilon in data.capDelta.map { "your cap ε = \(epsilon) at δ = \($0)" } }
        ?? "no cap of your own"
      lines.append(
        "data        '\(data.name)': \(data.users) users, \(data.events) events; spent \(PlanReview.epsilonText(data.epsilonSpent ?? .infinity)), \(cap); ledger '\(data.ledger)' of \(data.ledgerRecords) records"
      )
    }
    for plan in plans {
      let consent = plan.isAccepted ? "accepted with '\(plan.dataSet ?? "-")'" : "not accepted"
      lines.append(
        "plan        '\(plan.task)' \(plan.hash.prefix(16))…: \(consent), \(plan.released) of \(plan.releases) released\(plan.end.map { "; over: \($0)" } ?? "")"
      )
      lines += plan.attempts.map { "            \($0)" }
    }
    if unsentStatements > 0 { lines.append("to tell     \(unsentStatements) statements have not reached the coordinator yet") }
    lines += needs.map { "needs       \($0)" }
    return lines.joined(separator: "\n")
  }
}
