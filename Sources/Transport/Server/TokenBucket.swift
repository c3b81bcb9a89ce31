internal import Synchronization

/// Allows so many at once after a pause, and so many per second in the long run.
struct TokenBucket: Sendable {
  private var tokens: Double
  private var filled: ContinuousClock.Instant

  init(burst: Double, now: ContinuousClock.Instant) {
    tokens = burst
    filled = now
  }

  /// Takes one; when there is none, says how long until there is.
  mutating func take(burst: Double, perSecond: Double, now: ContinuousClock.Instant) -> Duration? {
    fill(burst: burst, perSecond: perSecond, now: now)
    guard tokens < 1 else {
      tokens -= 1
      return nil
    }
    return .seconds((1 - tokens) / perSecond)
  }

  /// Whether forgetting it changes nothing.
  mutating func isFull(burst: Double, perSecond: Double, now: ContinuousClock.Instant) -> Bool {
    fill(burst: burst, perSecond: perSecond, now: now)
    return tokens >= burst
  }

  private mutating func fill(burst: Double, perSecond: Double, now: ContinuousClock.Instant) {
    tokens = min(burst, tokens + max(0, (now - filled) / .seconds(1)) * perSecond)
    filled = now
  }
}

/// One bucket per name (participant, address); never more than `capacity` of them.
package final class TokenBuckets<Name: Hashable & Sendable>: Sendable {
  private let burst: Double
  private let perSecond: Double
  private let capacity: Int
  private let buckets = Mutex<[Name: TokenBucket]>([:])

  package init(burst: Double, perSecond: Double, capacity: Int) {
    self.burst = burst
    self.perSecond = perSecond
    self.capacity = capacity
  }

  /// - Throws: `rateLimited`; also when there are too many names that are all busy.
  package func take(_ name: Name, now: ContinuousClock.Instant = .now) throws(TransportRefusal) {
    let wait: Duration? = buckets.withLock { buckets in
      if buckets[name] == nil, buckets.count >= capacity {
        for (other, bucket) in buckets {
          var bucket = bucket
          if bucket.isFull(burst: burst, perSecond: perSecond, now: now) { buckets[other] = nil }
        }
        guard buckets.count < capacity else { return .seconds(1 / perSecond) }
      }
      return buckets[name, default: TokenBucket(burst: burst, now: now)].take(burst: burst, perSecond: perSecond, now: now)
    }
    if let wait { throw .rateLimited(retryAfter: max(.seconds(1), wait)) }
  }
}
