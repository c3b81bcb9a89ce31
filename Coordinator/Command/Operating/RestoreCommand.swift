internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import Foundation
internal import PeerIdentity

struct RestoreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Restore a backup; ledgers that are longer than its own are kept, and an attempt that was open is not continued.",
    discussion:
      "Restore over the old folder when its ledgers/ are still there: they say what was spent. Without them the partners' memory is what keeps a budget from being spent twice: they refuse a coordinator whose ledger became shorter. Who enrolled or was revoked after the backup is taken from the old database when it can still be read. A new roster is signed, so the passphrase of the keys is asked for when they are sealed; read its fingerprint to the partners."
  )

  @Argument(help: "The backup.") var backup: String
  @OptionGroup var state: StateOptions

  func run() async throws {
    try await CoordinatorFailures.report {
      let outcome = try StateBackup.restore(from: backup, into: state.folder, now: Date()) {
        try state.passphrase.source.read()
      }
      Console.output("\(backup) is restored into \(state.folder.path)")
      for name in outcome.ledgersKept { Console.output("ledgers/\(name) was longer there than in the backup, and is kept") }
      for session in outcome.plansEnded {
        Console.output(
          "the plan of session \(session) is over: its ledger knows releases that the backup does not; make a new plan")
      }
      for name in outcome.enrolmentsKept { Console.output("'\(name)' enrolled after the backup, and is kept") }
      for name in outcome.revocationsKept { Console.output("'\(name)' was revoked after the backup, and stays revoked") }
      for name in outcome.invitationsWithdrawn {
        Console.output(
          "the open invitation for '\(name)' is withdrawn, because it may have been used after the backup; invite again")
      }
      if let since = outcome.lostSince {
        Console.output(
          "enrolments and revocations after \(since.formatted(.iso8601)) may be missing: revoke again whom you revoked since (tacit-coordinator revoke NAME), and invite again who enrolled since under the same name (tacit-coordinator invite NAME): the token is for the home that they have (tacit-client enroll), which keeps its data and ledgers and gets a new number; all that before the signing key is rotated again"
        )
      }
      let roster = try RosterView(folder: state.folder).roster
      Console.output("roster \(roster.map { "\($0.version), fingerprint \($0.fingerprint)" } ?? "-")")
    }
  }
}
