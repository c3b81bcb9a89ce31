internal import ArgumentParser
internal import CommandSupport

@main
struct TacitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tacit", abstract: "Train one recommender among partners who never show each other their data.",
    discussion: "To begin: tacit simulate, then open the report that it names.",
    version: ProgramVersion.tacit,
    subcommands: [
      SimulateCommand.self, TuneCommand.self, EvaluateCommand.self, CompressCommand.self, RecommendCommand.self,
      ReportRunCommand.self,
      VerifyCommand.self,
      DataCommand.self, PlanCommand.self, ParametersCommand.self,
      GraphCommand.self, BenchCommand.self, EpsilonCommand.self,
      CalibrateCommand.self,
      AuditCommand.self, LedgerCommand.self,
    ])
}
