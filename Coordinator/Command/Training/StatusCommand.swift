internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import Foundation
internal import Reporting

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show plan, rounds, budget, partners, and what is waited for; works beside a running server."
  )

  @OptionGroup var state: StateOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await CoordinatorFailures.report(using: state.folder) {
      let view = try StatusView(folder: state.folder, now: Date())
      if json { return try Console.outputJSON(view) }
      Console.output("task        \(view.task), \(view.servedBy.map { "served by \($0)" } ?? "not served now")")
      if let version = view.rosterVersion, let fingerprint = view.rosterFingerprint {
        Console.output("roster      \(version), fingerprint \(fingerprint)")
      }
      if let plan = view.plan {
        showPlan(view, plan)
      } else {
        Console.output("plan        none yet; when partners have enrolled: tacit-coordinator plan SETTINGS.yaml")
      }
      guard !view.partners.isEmpty else { return Console.output("partners    none yet; next: tacit-coordinator invite NAME") }
      var table = TextTable(header: ["partner", "number", "access", "plan", "connected"])
      for partner in view.partners {
        table.add([
          partner.name, "\(partner.participant)", partner.isRevoked ? "revoked" : partner.hasLeft ? "left" : "active",
          Self.standing(partner), Self.presence(partner),
        ])
      }
      Console.output("\n" + table.text)
    }
  }

  private func showPlan(_ view: StatusView, _ plan: String) {
    Console.output("plan        \(view.planNumber ?? 1): \(plan)")
    Console.output("to compare  \(view.planFingerprint ?? "-") (plan hash \(view.planHash?.prefix(16) ?? "")…)")
    if let version = view.planRosterVersion, version != view.rosterVersion, let fingerprint = view.planRosterFingerprint {
      Console.output("its roster  \(version), fingerprint \(fingerprint)")
    }
    let others = view.attemptsAbortedInAll - view.attemptsAborted
    Console.output(
      "rounds      \(view.releasesDone) of \(view.releasesPlanned ?? 0) released; \(view.attemptsAborted) attempts came to nothing"
        + (others > 0 ? " (\(others) more in earlier plans)" : ""))
    if let failure = view.lastFailure { Console.output("last failed \(failure)") }
    for partner in view.partners {
      guard let refusal = partner.refusal else { continue }
      Console.output(
        "refused     \(partner.name), \(refusal)"
          + (partner.refusesStill && view.end == nil ? "; it is asked again when it has mended that and resumes" : ""))
    }
    if let progress = view.progress { Console.output("now         \(progress.sentence)") }
    if let records = view.ledgerRecords, let fingerprint = view.ledgerFingerprint {
      Console.output("ledger      \(records) records, \(fingerprint)")
    }
    guard let spent = view.epsilonSpent, let cap = view.epsilonCap, let delta = view.delta else { return }
    Console.output("budget      ε = \(ReportNumber.upperBound(spent)) of \(cap) at δ = \(delta)")
    guard view.plans > 1 else { return }
    let total = view.epsilonSpentInAll.map { "ε = \(ReportNumber.upperBound($0)) at δ = \(delta)" } ?? "ε has no finite value"
    Console.output("            over all \(view.plans) plans together: \(total)")
  }

  private static func standing(_ partner: StatusView.Partner) -> String {
    if !partner.isInPlan { return "not in it" }
    if partner.isRevoked || partner.hasLeft { return "-" }
    if partner.isPaused { return "paused" }
    if !partner.hasConsented { return "not accepted yet" }
    return partner.refusesStill ? "refuses" : "accepted"
  }

  private static func presence(_ partner: StatusView.Partner) -> String {
    guard let isConnected = partner.isConnected else { return "-" }
    return isConnected ? "yes" : partner.lastSeen.map { "last seen \($0)" } ?? "not since serve began"
  }
}
