internal import ArgumentParser
internal import CommandSupport

/// `tacit-client`: a partner's side of a task. It dials out, listens to nobody, and keeps its data where they are.
@main
struct ClientCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tacit-client", abstract: "Trains at a partner, on data that never leave it.",
    discussion: "A home folder is one partner: enroll once, review and accept a plan, import the data, run.",
    version: ProgramVersion.client, subcommands: [SwarmCommand.self, BenchServingCommand.self],
    groupedSubcommands: [
      CommandGroup(
        name: "Joining:",
        subcommands: [EnrollCommand.self, ReviewCommand.self, AcceptCommand.self, DataCommand.self, TrustCommand.self]),
      CommandGroup(
        name: "Taking part:",
        subcommands: [
          RunCommand.self, StatusCommand.self, PauseCommand.self, ResumeCommand.self, LeaveCommand.self, PurgeCommand.self,
        ]),
      CommandGroup(
        name: "Using and checking what came of it:",
        subcommands: [
          RecommendCommand.self, ServeCommand.self, WorthCommand.self, ReportCommand.self, LedgerCommand.self, VerifyCommand.self,
          CheckConfigCommand.self,
        ]),
    ])
}
