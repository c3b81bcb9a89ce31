internal import ArgumentParser

struct CheckConfigCommand: AsyncParsableCommand {
  func run() async throws {}
}
