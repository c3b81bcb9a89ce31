internal import CommandSupport
internal import Foundation
internal import Synchronization

/// What a run tells while it goes on: a line that changes on a terminal, plain lines elsewhere, nothing when quiet.
final class Progress {
  private let isQuiet: Bool
  private let isTerminal: Bool
  private let releaseCount: Int
  private let began = Date()
  private var lineIsOpen = false

  init(isQuiet: Bool, releaseCount: Int) {
    self.isQuiet = isQuiet
    self.releaseCount = releaseCount
    isTerminal = isatty(STDERR_FILENO) == 1
  }

  func say(_ sentence: String) {
    guard !isQuiet else { return }
    finish()
    Console.error(sentence)
  }

  /// One more release is public.
  func published(_ index: Int, name: String, epsilon: Double?, cap: Double, survivors: Int, of partners: Int) {
    guard !isQuiet else { return }
    let elapsed = Date().timeIntervalSince(began)
    let remaining = elapsed / Double(index) * Double(releaseCount - index)
    let spent = epsilon.map { ", ε \(Text.significant($0)) of \(Text.significant(cap))" } ?? ""
    let line =
      "release \(index)/\(releaseCount) \(name): \(survivors) of \(partners) partners\(spent), \(Int(remaining.rounded(.up))) s to go"
    if isTerminal {
      FileHandle.standardError.write(Data("\r\u{1B}[K\(line)".utf8))
      lineIsOpen = true
    } else {
      Console.error(line)
    }
  }

  /// Ends a line that was still changing.
  func finish() {
    guard lineIsOpen else { return }
    FileHandle.standardError.write(Data("\n".utf8))
    lineIsOpen = false
  }
}

/// Ctrl-C and SIGTERM: first a request that is looked at between two messages, then (asked again, or where nothing has to be
/// brought to a safe point any more) the end of the program.
final class Interruption {
  private static let requested = Atomic<Bool>(false)
  private static let endsAtOnce = Atomic<Bool>(false)
  private static let numbers = [SIGINT, SIGTERM]
  private let sources: [any DispatchSourceSignal]

  /// - Parameter parting: what is still done before the program ends at once; every charge is on disk already.
  init(parting: @escaping @Sendable () -> Void) {
    sources = Self.numbers.map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        let isRepeated = Interruption.requested.exchange(true, ordering: .relaxed)
        guard isRepeated || Interruption.endsAtOnce.load(ordering: .relaxed) else { return }
        parting()
        _exit(CommandFailure.Kind.interrupted.rawValue)
      }
      source.resume()
      return source
    }
  }

  deinit {
    for source in sources { source.cancel() }
    for number in Self.numbers { signal(number, SIG_DFL) }
  }

  var isRequested: Bool { Self.requested.load(ordering: .relaxed) }

  /// Whether the next signal ends the program without waiting for a safe point.
  func endAtOnce(_ value: Bool) { Self.endsAtOnce.store(value, ordering: .relaxed) }
}
