internal import ArgumentParser

@main
struct CoordinatorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "tacit-coordinator")
}
