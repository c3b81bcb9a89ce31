internal import ArgumentParser
internal import FederatedLearning
internal import Foundation

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
        "You would join '\(plan.task)' as one of \(plan.roster.count) partners: \(plan.roster.map(\.name).joined(separator: ", "))."
      )
      print("It trains \(plan.algorithm.name) over \(plan.catalogue.itemCount) items in \(plan.releases.count) releases:")
      for line in Self.grouped(plan.releases) { print("  \(line)") }
      switch plan.privacy.noise {
      case .none: print("There is no noise: no user is protected from readers of the model.")
      case .central: print("The coordinator adds the noise, and is trusted to do so: \(Self.bound(plan)).")
      case .distributed: print("Every partner adds a share of the noise: \(Self.bound(plan)).")
      }
      print(
        plan.aggregation.isSecure
          ? "The coordinator sees sums over at least \(plan.aggregation.minimumSurvivors) partners, never your own."
          : "There is no secure aggregation: the coordinator sees your own sums.")
    }

    private static func bound(_ plan: TrainingPlan) -> String {
      "ε ≤ \(plan.privacy.epsilon) at δ = \(plan.privacy.delta) for one user at no more than \(plan.privacy.maximumPartnersPerUser) partner\(plan.privacy.maximumPartnersPerUser == 1 ? "" : "s")"
    }

    /// Runs of equal releases as one line.
    private static func grouped(_ releases: [PlannedRelease]) -> [String] {
      var groups: [(text: String, count: Int)] = []
      for release in releases {
        let text = "\(release.name): \(release.dimension) numbers"
        if groups.last?.text == text { groups[groups.count - 1].count += 1 } else { groups.append((text, 1)) }
      }
      return groups.map { $0.count == 1 ? $0.text : "\($0.text), \($0.count) times" }
    }
  }

  struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Joins a plan over the network (not in this version).")

    @Argument(help: "The plan file (JSON).") var plan: String

    func run() throws {
      _ = try loadPlan(plan)
      complain(
        "this version has no network transport yet: the plan is sound, but it cannot be joined; use `tacit simulate` to train in one process"
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
    complain("\(path): \(error)")
    throw ExitCode(78)
  }
}

private func complain(_ sentence: String) {
  FileHandle.standardError.write(Data("tacit-client: \(sentence)\n".utf8))
}
