/// Pauses between attempts to reach a coordinator that does not answer: doubling, with jitter, so that partners do not come
/// back all at once.
///
/// The n-th pause is drawn uniformly from half of it to the whole (`first` · 2^(n-1), at most `longest`).
struct Backoff {
  let first: Duration
  let longest: Duration
  private var failures = 0

  init(first: Duration = .milliseconds(500), longest: Duration = .seconds(60)) {
    self.first = first
    self.longest = longest
  }

  /// The pause before the next attempt, after one more failure.
  mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
    let whole = min(longest, first * (1 << min(failures, 20)))
    failures += 1
    return whole / 2 + whole / 2 * Double.random(in: 0...1, using: &random)
  }

  mutating func reset() { failures = 0 }
}
