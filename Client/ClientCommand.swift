internal import ArgumentParser

@main
struct ClientCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "tacit-client")
}
