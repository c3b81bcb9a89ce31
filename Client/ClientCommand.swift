internal import ArgumentParser

@main
struct ClientCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tacit-client", abstract: "Trains at a partner, on data that never leaves it.",
    version: "tacit-client 0.1.0", subcommands: [Review.self, Run.self])

  struct Review: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Says in plain words what a partner would join, and checks that the plan holds together.")

    @Argument(help: "The plan file (JSON).") var plan: String

    func run() throws {
      let plan = try loadPlan(plan).plan
      print(
        "You would join '\(plan.task)' with \(plan.roster.count - 1) other partners: \(plan.roster.map(\.name).joined(separator: ", "))."
      )
      print("It trains \(plan.algorithm.name) over \(plan.catalogue.itemCount) items in \(plan.releases.count) releases:")
      for release in plan.releases { print("  \(release.name): \(release.dimension) numbers") }
      switch plan.privacy.noise {
      case .none: print("There is no noise: the sums protect partners from each other, not users from readers of the model.")
      case .central:
        print(
          "The coordinator adds the noise: it is trusted to do so. ε ≤ \(plan.privacy.epsilon) at δ = \(plan.privacy.delta), per user."
        )
      case .distributed:
        print("Every partner adds a share of the noise. ε ≤ \(plan.privacy.epsilon) at δ = \(plan.privacy.delta), per user.")
      }
    }
  }

  struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Joins a plan over the network (not in this version).")

    @Argument(help: "The plan file (JSON).") var plan: String

    func run() throws {
      _ = try loadPlan(plan)
      complain(
        "this version has no network transport yet: the plan is sound, but it cannot be joined. Use `tacit simulate` to train it in one process."
      )
      throw ExitCode(69)
    }
  }
}

private func loadPlan(_ path: String) throws -> PlanFile {
  guard let data = FileManager.default.contents(atPath: path) else {
    complain("\(path): no such file, or it cannot be read; expected a plan file that the coordinator sent")
    throw ExitCode(66)
  }
  do { return try PlanFile(bytes: Array(data)) } catch {
    complain("\(path): \(error.description)")
    throw ExitCode(78)
  }
}

private func complain(_ sentence: String) {
  FileHandle.standardError.write(Data("tacit-client: \(sentence)\n".utf8))
}
