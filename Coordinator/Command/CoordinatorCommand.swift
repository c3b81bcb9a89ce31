internal import ArgumentParser
internal import FederatedLearning
internal import Foundation

@main
struct CoordinatorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tacit-coordinator",
    abstract: "Forms noised sums over the updates of partners, and never sees one of them.",
    version: "tacit-coordinator 0.1.0", subcommands: [CheckPlan.self, Serve.self])

  struct CheckPlan: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check-plan", abstract: "Checks that a plan file holds together, and says what it promises.")

    @Argument(help: "The plan file (JSON).") var plan: String

    func run() throws {
      let plan = try loadPlan(plan).plan
      let privacy = plan.privacy
      print(
        "task \(plan.task): \(plan.algorithm.name), \(plan.roster.count) partners, \(plan.releases.count) releases, noise \(privacy.noise.rawValue)"
          + (privacy.noise == .none ? "" : ", at most ε = \(privacy.epsilon) at δ = \(privacy.delta)"))
    }
  }

  struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Serves a plan to partners over the network (not in this version).")

    @Argument(help: "The plan file (JSON).") var plan: String

    func run() throws {
      _ = try loadPlan(plan)
      complain(
        "this version has no network transport yet: the plan is sound, but it cannot be served; use `tacit simulate` to train in one process"
      )
      throw ExitCode(69)
    }
  }
}

private func loadPlan(_ path: String) throws -> PlanFile {
  guard let data = FileManager.default.contents(atPath: path) else {
    complain("\(path): no such file, or it cannot be read; expected a plan file such as runs/NAME/plan.json")
    throw ExitCode(66)
  }
  do { return try PlanFile(bytes: Array(data)) } catch {
    complain("\(path): \(error)")
    throw ExitCode(78)
  }
}

private func complain(_ sentence: String) {
  FileHandle.standardError.write(Data("tacit-coordinator: \(sentence)\n".utf8))
}
