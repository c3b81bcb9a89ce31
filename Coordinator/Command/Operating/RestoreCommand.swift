internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import Foundation

struct RestoreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Restore a backup; ledgers that are longer than its own are kept, and an attempt that was open is not continued.",
    discussion:
      "Restore over the old folder when its ledgers/ are still there: they say what was spent. Without them the partners' memory is what keeps a budget from being spent twice: they refuse a coordinator whose ledger became shorter."
  )

  @Argument(help: "The backup.") var backup: String
  @OptionGroup var state: StateOptions

  func run() async throws {
    try await CoordinatorFailures.report {
      let outcome = try StateBackup.restore(from: backup, into: state.folder, now: Date())
      Console.output("\(backup) is restored into \(state.folder.path)")
      for name in outcome.ledgersKept { Console.output("ledgers/\(name) was longer there than in the backup, and is kept") }
      for session in outcome.plansEnded {
        Console.output(
          "the plan of session \(session) is over: its ledger knows releases that the backup does not; make a new plan")
      }
    }
  }
}
