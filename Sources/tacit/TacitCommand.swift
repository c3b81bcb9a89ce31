internal import ArgumentParser

@main
struct TacitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tacit", abstract: "Train one recommender among partners who never show each other their data.",
    version: "0.1.0")
}
