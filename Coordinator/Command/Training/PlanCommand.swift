internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Operations
internal import PeerIdentity
internal import SecureAggregation

struct PlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Make and sign a plan for the enrolled partners from a file of settings; it becomes the active one.",
    discussion: "A running server takes it up within a second. --sample prints a settings file with every key explained.")

  @Argument(help: "The settings file (YAML).") var settings: String?
  @Flag(help: "Print a settings file with every key.") var sample = false
  @Flag(help: "Make the plan and show it, but keep nothing.") var dryRun = false
  @Option(help: "End the active plan, for this reason; its ledger stays.") var end: String?
  @Option(help: "Write the plan's bytes to this file as well.") var output: String?
  @OptionGroup var state: StateOptions

  func run() async throws {
    try await CoordinatorFailures.report {
      if sample { return Console.output(PlanSettings.schema.sampleFile) }
      let opened = try state.open()
      if let end { return try finish(opened, because: end) }
      guard let settings else {
        throw CommandFailure(.usage, "no settings are given; expected: tacit-coordinator plan SETTINGS.yaml (see --sample)")
      }
      let maker = PlanMaker(opened)
      var random = SystemRandomSource()
      let draft = try maker.draft(settingsFile: settings, random: &random)
      if let output { try draft.file.bytes.withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: output)) } }
      if !dryRun { try maker.activate(draft, now: Date()) }
      let plan = draft.file.plan
      Console.output(PlanSummary.text(plan))
      Console.output("session     \(plan.session)")
      Console.output("plan hash   \(SHA256.hash(draft.file.bytes).hex)")
      Console.output("to compare  \(ShortFingerprint(of: SHA256.hash(draft.file.bytes)))")
      Console.output(dryRun ? "not kept    (--dry-run)" : "next        every partner runs: tacit-client review, then accept")
    }
  }

  private func finish(_ opened: CoordinatorState, because reason: String) throws {
    if let lease = try opened.store.leaseState(now: Date()) {
      throw CommandFailure(.temporary, "a coordinator (\(lease.holder)) serves this plan now; stop it first")
    }
    guard let plan = try opened.store.newestPlan(), plan.endedAt == nil else {
      throw CommandFailure(.noInput, "no plan is active")
    }
    _ = try opened.store.end(session: plan.session, because: reason, now: Date())
    Console.output("plan \(plan.number) is over: \(reason)")
  }
}

struct CheckPlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check-plan", abstract: "Check that a plan file holds together, and say what it promises.")

  @Argument(help: "The plan file (JSON).") var plan: String

  func run() async throws {
    try await CoordinatorFailures.report {
      guard let data = FileManager.default.contents(atPath: plan) else {
        throw CommandFailure(
          .noInput, "\(plan): no such file, or it cannot be read; expected a plan file such as runs/NAME/plan.json")
      }
      do { Console.output(PlanSummary.text(try PlanFile(bytes: Array(data)).plan)) } catch {
        throw CommandFailure(.configuration, "\(plan): \(error)")
      }
    }
  }
}

/// A plan in one line.
enum PlanSummary {
  static func text(_ plan: TrainingPlan) -> String {
    let privacy = plan.privacy
    return
      "task \(plan.task): \(plan.algorithm.name), \(plan.roster.count) partners, \(plan.releases.count) releases, noise \(privacy.noise.rawValue)"
      + (privacy.noise == .none ? "" : ", at most ε = \(privacy.epsilon) at δ = \(privacy.delta)")
  }
}
