internal import ArgumentParser

struct RestoreCommand: AsyncParsableCommand {
  func run() async throws {}
}
