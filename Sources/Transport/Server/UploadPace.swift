/// How fast a partner must send while it holds one of the few turns: so many bytes in each window of the time in which it is waited for.
///
/// Only waiting for the partner counts; what the disk and the engine take does not. A whole turn therefore lasts at most as long as the
/// announced bytes take at the least rate, and one window more.
package struct UploadPace: Sendable {
  private let window: Duration
  private let bytes: Int
  private var waited: Duration = .zero
  private var moved = 0
  private var waitingSince: ContinuousClock.Instant?

  /// - Parameters:
  ///   - window: longer than zero.
  ///   - bytes: the fewest of each window.
  package init(window: Duration, bytes: Int) {
    precondition(window > .zero && bytes >= 0, "a window has a length, and a rate is not negative")
    self.window = window
    self.bytes = bytes
  }

  /// The next part is waited for from now on.
  package mutating func wait(from now: ContinuousClock.Instant) { waitingSince = waitingSince ?? now }

  /// A part has come.
  package mutating func receive(_ count: Int, at now: ContinuousClock.Instant) {
    waited += waitingSince.map { now - $0 } ?? .zero
    waitingSince = nil
    moved += count
    guard waited >= window, moved >= bytes else { return }
    (waited, moved) = (.zero, 0)
  }

  /// Whether a window is over in which too little came.
  package func isTooSlow(at now: ContinuousClock.Instant) -> Bool {
    waited + (waitingSince.map { now - $0 } ?? .zero) >= window && moved < bytes
  }
}
