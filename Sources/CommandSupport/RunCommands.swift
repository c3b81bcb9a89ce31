public import Reporting

/// The commands at the end of a report that stands in a run folder.
public enum RunCommands {
  /// - Parameters:
  ///   - folder: the run folder, as it is typed.
  ///   - again: what makes the run again; only a simulation's report has it.
  public static func list(folder: String, again: String? = nil) -> [ReportCommand] {
    let own = [
      ReportCommand(
        purpose: "Check plan and ledgers, and recompute ε from their events alone", command: "tacit verify \(folder)"),
      ReportCommand(
        purpose: "Check that no byte of this page was changed, and who signed it", command: "tacit verify \(folder)/report.html"),
      ReportCommand(purpose: "Show this report again", command: "tacit report \(folder)"),
    ]
    guard let again else { return own }
    return own + [
      ReportCommand(purpose: "Recompute the quality of the lists", command: "tacit evaluate \(folder)"),
      ReportCommand(purpose: "Recommend to one user", command: "tacit recommend --run \(folder) --user USER --top 10 --explain"),
      ReportCommand(purpose: "Run it again", command: again),
    ]
  }

  /// Whether a report's commands are those that the programs write, for some folder.
  public static func areOurs(_ commands: [ReportCommand], origin: RunPrivacy.Origin) -> Bool {
    guard let first = commands.first?.command, let last = commands.last?.command, first.hasPrefix(verify) else { return false }
    let folder = String(first.dropFirst(verify.count))
    return commands == list(folder: folder, again: origin == .service ? nil : last) && last.hasPrefix("tacit ")
  }

  private static let verify = "tacit verify "
}
