/// A failure that the user can mend: one clear sentence and an exit code (sysexits.h where one fits).
public struct CommandFailure: Error, CustomStringConvertible {
  /// sysexits.h: bad usage 64, bad input data 65, missing input 66, unavailable 69, our own fault 70, I/O 74, no permission 77, bad configuration 78.
  /// All of them, for people who operate a program: docs/operations.md.
  public enum Kind: Int32, Sendable {
    case usage = 64
    case data = 65
    case noInput = 66
    case unavailable = 69
    /// Nothing that the user did: a fault of this program.
    case software = 70
    case cannotCreate = 73
    case io = 74
    /// Trying again later can help: another process is at work.
    case temporary = 75
    case permission = 77
    case configuration = 78
    /// The run ended early: the budget was spent, or too many partners dropped out.
    case stopped = 3
    /// A ledger or report did not verify.
    case notVerified = 4
    /// A second process with the same identity took its place: starting again would only push that one out.
    case takenOver = 5
    /// Ended by a signal at a safe point.
    case interrupted = 130
  }

  public let kind: Kind
  public let description: String

  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }
}
