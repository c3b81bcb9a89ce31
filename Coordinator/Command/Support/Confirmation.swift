internal import CommandSupport
internal import Foundation
internal import Glibc

/// Asks the person at the terminal before something that cannot be taken back.
enum Confirmation {
  /// - Parameter yes: the person has said so with a flag.
  static func ask(_ question: String, yes: Bool) throws {
    if yes { return }
    guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else {
      throw CommandFailure(.usage, "nothing was done: there is no terminal to answer on; give --yes")
    }
    print("\(question) Type yes:", terminator: " ")
    fflush(nil)
    guard readLine()?.trimmingCharacters(in: .whitespaces) == "yes" else { throw CommandFailure(.usage, "nothing was done") }
  }
}
