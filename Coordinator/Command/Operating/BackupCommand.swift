internal import ArgumentParser

struct BackupCommand: AsyncParsableCommand {
  func run() async throws {}
}
