internal import CommandSupport
internal import Foundation

/// What commands ask the person at the terminal.
public enum Terminal {
  public static var isInteractive: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }

  /// - Returns: the answer without white space around it; `nil` at the end of input.
  public static func ask(_ question: String) -> String? {
    print(question, terminator: " ")
    fflush(nil)
    return readLine()?.trimmingCharacters(in: .whitespaces)
  }

  /// Asks before something that cannot be taken back.
  ///
  /// - Parameter yes: the person has said so with a flag.
  /// - Throws: `CommandFailure` unless the answer is yes.
  public static func confirm(_ question: String, yes: Bool) throws {
    if yes { return }
    guard isInteractive else {
      throw CommandFailure(.usage, "nothing was done: there is no terminal to answer on; give --yes")
    }
    guard ask("\(question) Type yes:") == "yes" else { throw CommandFailure(.usage, "nothing was done") }
  }
}
