internal import ArgumentParser

struct ExportCommand: AsyncParsableCommand {
  func run() async throws {}
}
