public import Reporting

/// The commands at the end of a report that stands in a run folder.
public enum RunCommands {
  /// - Parameters:
  ///   - path: the run folder.
  ///   - again: the words of the command that makes the run again; only a simulation's report has it.
  public static func list(folder path: String, again: [String]? = nil) -> [ReportCommand] {
    let (folder, page) = (ShellWords.quoted(path), ShellWords.quoted(path + "/report.html"))
    let own = [
      ReportCommand(
        purpose: "Check plan and ledgers, and recompute ε from their events alone", command: "tacit verify \(folder)"),
      ReportCommand(
        purpose: "Check that no byte of this page was changed, and who signed it", command: "tacit verify \(page)"),
      ReportCommand(purpose: "Show this report again", command: "tacit report \(folder)"),
    ]
    guard let again else { return own }
    return own + [
      ReportCommand(purpose: "Recompute the quality of the lists", command: "tacit evaluate \(folder)"),
      ReportCommand(purpose: "Recommend to one user", command: "tacit recommend --run \(folder) --user USER --top 10 --explain"),
      ReportCommand(purpose: "Run it again", command: again.map(ShellWords.quoted).joined(separator: " ")),
    ]
  }

  /// Whether a report's commands are those that the programs write, for some folder.
  public static func areOurs(_ commands: [ReportCommand], origin: RunPrivacy.Origin) -> Bool {
    guard let first = commands.first.flatMap({ ShellWords.read($0.command) }), first.count == 3, isPath(first[2]) else {
      return false
    }
    guard origin != .service else { return commands == list(folder: first[2]) }
    guard let again = commands.last.flatMap({ ShellWords.read($0.command) }), again.starts(with: ["tacit"]),
      again.dropFirst().first.map(["simulate", "audit"].contains) == true
    else { return false }
    return commands == list(folder: first[2], again: again)
  }

  /// One line, and no longer than paths are.
  private static func isPath(_ text: String) -> Bool {
    text.utf8.count <= 1024 && !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
  }
}
