internal import ArgumentParser
internal import CommandSupport

/// `tacit-coordinator`: forms noised sums over the updates of partners, and never sees one of them.
@main
struct CoordinatorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tacit-coordinator",
    abstract: "Forms noised sums over the updates of partners, and never sees one of them.",
    discussion: "A state folder is one task: init once, invite partners, make a plan when they have enrolled, serve.",
    version: ProgramVersion.coordinator,
    groupedSubcommands: [
      CommandGroup(
        name: "Setting up:",
        subcommands: [InitCommand.self, InviteCommand.self, RosterCommand.self, RevokeCommand.self, RotateCommand.self]),
      CommandGroup(
        name: "Training:",
        subcommands: [
          PlanCommand.self, CheckPlanCommand.self, ServeCommand.self, StatusCommand.self, LedgerCommand.self, ReportCommand.self,
          ExportCommand.self,
        ]),
      CommandGroup(
        name: "Operating:",
        subcommands: [CheckConfigCommand.self, BackupCommand.self, RestoreCommand.self, BenchCommand.self]),
    ])
}
