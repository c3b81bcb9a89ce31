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
    discussion:
      "A running server takes it up within a second, and stops one that is ended with --end. --sample prints a settings file with every key explained."
  )

  @Argument(help: "The settings file (YAML).") var settings: String?
  @Flag(help: "Print a settings file with every key.") var sample = false
  @Flag(help: "Make the plan and show it, but keep nothing.") var dryRun = false
  @Option(help: "End the active plan, for this reason, which the partners read; its ledger stays.") var end: String?
  @Option(help: "Write the plan's bytes to this new file as well.") var output: String?
  @OptionGroup var state: StateOptions

  func validate() throws {
    if dryRun, output != nil {
      throw ValidationError("--dry-run keeps nothing, and a plan that is not kept is never run: leave --output out.")
    }
    if end != nil, settings != nil || dryRun || output != nil {
      throw ValidationError("--end ends the active plan and makes none; make the next one with a second command.")
    }
  }

  func run() async throws {
    try await CoordinatorFailures.report(using: state.folder) {
      if sample { return Console.output(PlanSettings.schema.sampleFile) }
      let opened = try state.open()
      if let end { return try finish(opened, because: end) }
      guard let settings else {
        throw CommandFailure(.usage, "no settings are given; expected: tacit-coordinator plan SETTINGS.yaml (see --sample)")
      }
      if let output, FileManager.default.fileExists(atPath: output) {
        throw CommandFailure(.cannotCreate, "\(output) exists and is left as it is; choose another name, or remove it first")
      }
      let maker = PlanMaker(opened)
      var random = SystemRandomSource()
      let draft = try maker.draft(settingsFile: settings, random: &random)
      if !dryRun { try maker.activate(draft, now: Date()) }
      if let choice = draft.choice { Console.output("auto        \(choice.algorithm): \(choice.reason)") }
      Console.output(PlanSummary.text(draft.file.plan))
      Console.output("session     \(draft.file.plan.session)")
      Console.output("plan hash   \(SHA256.hash(draft.file.bytes).hex)")
      Console.output("to compare  \(ShortFingerprint(of: SHA256.hash(draft.file.bytes)))")
      if let roster = try draft.signedRoster {
        Console.output("roster      \(roster.version), fingerprint \(roster.fingerprint)")
      }
      if let output { try draft.file.bytes.withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: output)) } }
      Console.output(dryRun ? "not kept    (--dry-run)" : "next        every partner runs: tacit-client review, then accept")
    }
  }

  private func finish(_ opened: CoordinatorState, because reason: String) throws {
    guard let plan = try opened.store.newestPlan(), plan.endedAt == nil else {
      throw CommandFailure(.noInput, "no plan is active")
    }
    let server = try opened.store.leaseState(now: Date())
    guard try opened.store.end(session: plan.session, because: reason, now: Date()) else {
      throw CommandFailure(.noInput, "plan \(plan.number) was over already")
    }
    Console.output("plan \(plan.number) is over: \(reason)")
    if let server {
      Console.output(
        "\(server.holder) stops it within seconds; what masked inputs may have left by then stays charged")
    }
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

/// A plan in a few lines.
enum PlanSummary {
  static func text(_ plan: TrainingPlan) -> String {
    let privacy = plan.privacy
    let needed = plan.neededPartners
    let count = plan.roster.count
    let away = count - needed
    var lines = [
      "task \(plan.task): \(plan.algorithm.name), \(count) partners, \(plan.releases.count) releases, noise \(privacy.noise.rawValue)"
        + (privacy.noise == .none ? "" : ", at most ε = \(privacy.epsilon) at δ = \(privacy.delta)"),
      "partners    \(plan.roster.map(\.name).joined(separator: ", "))",
      "rounds      need \(needed) of \(count) partners (threshold \(plan.aggregation.threshold)\(plan.aggregation.graph.map { " of \($0.holders) drawn" } ?? ""), minimum \(plan.aggregation.minimumSurvivors)): "
        + (away == 0
          ? "one partner away stops every round"
          : "up to \(away) may be away"),
      "attempts    at most \(plan.aggregation.maximumAttempts) for each round; when the last comes to nothing, the plan is over",
    ]
    if plan.aggregation.isSecure, let suite = KeystreamSuite(rawValue: plan.aggregation.suite) {
      lines.append("masks       expanded by \(suite.name)")
    }
    if let opening = plan.opening { lines.append("opening     \(words(opening, partners: count))") }
    let ratios = plan.noiseRatios
    if let least = ratios.min(), let most = ratios.max() {
      let size = least == most ? Text.significant(least) : "\(Text.significant(least)) to \(Text.significant(most))"
      lines.append(
        "noise       on each number of a sum, standard deviation \(size) times the most by which one user can move the sum"
          + (privacy.noise == .distributed ? "; every partner adds its share, \(plan.aggregation.colluders) may collude" : ""))
    }
    return lines.joined(separator: "\n")
  }

  /// Who must help, and who must lie.
  private static func words(_ opening: OpeningPromise, partners: Int) -> String {
    guard let bits = opening.securityBits else {
      return
        "\(opening.threshold) of \(partners) partners open a sum; one partner's vector stays closed unless \(opening.liarsNeeded) partners lie together with the coordinator"
    }
    return
      "each partner draws \(opening.holders) of the others for every attempt, \(opening.threshold) of them open its masks; its vector stays closed unless \(opening.liarsNeeded) of its \(opening.holders) lie together with the coordinator: with \(opening.colluders) of \(partners) lying, a chance of at most 2^-\(bits) an attempt"
  }
}
