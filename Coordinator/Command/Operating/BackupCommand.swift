internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import Foundation

struct BackupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract:
      "Copy the state folder, also beside a running server. The copy holds the private keys: keep it as you keep the folder.")

  @Argument(help: "The folder to make.") var output: String
  @OptionGroup var state: StateOptions

  func run() async throws {
    try await CoordinatorFailures.report(using: state.folder) {
      try StateBackup.write(state.folder, to: output, now: Date())
      Console.output("\(state.folder.path) is copied to \(output)")
    }
  }
}
