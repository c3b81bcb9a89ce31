internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import Foundation
internal import Reporting

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show plan, rounds, budget and partners; works beside a running server.")

  @OptionGroup var state: StateOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await CoordinatorFailures.report {
      let view = try StatusView(folder: state.folder, now: Date())
      if json { return try Console.outputJSON(view) }
      Console.output("task        \(view.task), \(view.servedBy.map { "served by \($0)" } ?? "not served now")")
      guard let plan = view.plan, let planned = view.releasesPlanned else {
        return Console.output("plan        none yet; when partners have enrolled: tacit-coordinator plan SETTINGS.yaml")
      }
      Console.output("plan        \(plan) (\(view.planHash?.prefix(16) ?? "")…)")
      let progress = view.end.map { "over: \($0)" } ?? view.openAttempt.map { "open: \($0)" } ?? "between rounds"
      Console.output(
        "rounds      \(view.releasesDone) of \(planned) released, \(view.attemptsAborted) attempts came to nothing; \(progress)")
      if let spent = view.epsilonSpent, let cap = view.epsilonCap, let delta = view.delta {
        Console.output("budget      ε = \(ReportNumber.upperBound(spent)) of \(cap) at δ = \(delta)")
      }
      var table = TextTable(header: ["partner", "number", "access", "plan"])
      for partner in view.partners {
        let standing =
          partner.hasLeft ? "left" : partner.isPaused ? "paused" : partner.hasConsented ? "accepted" : "not accepted yet"
        table.add([partner.name, "\(partner.participant)", partner.isRevoked ? "revoked" : "active", standing])
      }
      Console.output("\n" + table.text)
    }
  }
}
