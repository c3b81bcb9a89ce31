internal import CryptoPrimitives

/// A block of random words taken from a source, and exact coins of rational and of exponential probability.
///
/// It lives inside one call: nothing drawn outlives it, so that no copy can repeat noise.
struct RandomWords: ~Copyable {
  private let words: UnsafeMutableBufferPointer<UInt64>
  private let refill: (UnsafeMutableRawBufferPointer) -> Void
  private var position: Int
  private var pool: UInt64 = 0
  private var poolCount = 0

  /// - Parameter expected: about how many words the body will take; only sets the size of the blocks.
  static func withWords<Source: RandomSource>(
    from source: inout Source, expected: Int, _ body: (inout RandomWords) -> Void
  ) {
    let count = min(max(expected, 8), 1024)
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: count) { buffer in
      withUnsafeMutablePointer(to: &source) { source in
        withoutActuallyEscaping({ (target: UnsafeMutableRawBufferPointer) in source.pointee.fill(target) }) {
          refill in
          var words = RandomWords(words: buffer, refill: refill)
          body(&words)
        }
      }
      buffer.update(repeating: 0)
    }
  }

  private init(
    words: UnsafeMutableBufferPointer<UInt64>, refill: @escaping (UnsafeMutableRawBufferPointer) -> Void
  ) {
    self.words = words
    self.refill = refill
    position = words.count
  }

  /// 64 random bits.
  @inline(__always)
  mutating func next() -> UInt64 {
    if position == words.count {
      refill(UnsafeMutableRawBufferPointer(words))
      position = 0
    }
    let word = words[position]
    position += 1
    return UInt64(littleEndian: word)
  }

  /// One random bit.
  @inline(__always)
  mutating func bit() -> Bool {
    if poolCount == 0 {
      pool = next()
      poolCount = 64
    }
    let bit = pool & 1 != 0
    pool >>= 1
    poolCount -= 1
    return bit
  }

  /// A uniform integer in `0..<bound` (Lemire 2019, with rejection, exact).
  @inline(__always)
  mutating func uniform(below bound: UInt64) -> UInt64 {
    var product = next().multipliedFullWidth(by: bound)
    if product.low < bound {
      let threshold = (0 &- bound) % bound
      while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
    }
    return product.high
  }

  /// True with probability numerator/denominator exactly, numerator < denominator.
  ///
  /// Compares the probability with a uniform real, 64 bits at a time; almost always the first word decides.
  @inline(__always)
  mutating func coin(_ numerator: UInt64, over denominator: UInt64) -> Bool {
    var numerator = numerator
    while true {
      // The uniform real lies in [word, word + 1)/2^64. Compare with numerator/denominator, times denominator·2^64.
      let product = next().multipliedFullWidth(by: denominator)
      // word·denominator ≥ numerator·2^64: the uniform real is not below.
      if product.high >= numerator { return false }
      let high = numerator - product.high - (product.low == 0 ? 0 : 1)
      let low = 0 &- product.low
      // (word + 1)·denominator ≤ numerator·2^64: it is below whatever follows.
      if high > 0 || low >= denominator { return true }
      numerator = low
    }
  }

  /// True with probability 1/n, n ≥ 1.
  @inline(__always)
  mutating func coin(oneIn n: UInt64) -> Bool {
    var odd = n
    while odd & 1 == 0 {
      if bit() { return false }
      odd >>= 1
    }
    return odd == 1 || uniform(below: odd) == 0
  }

  /// True with probability e^(−1/2) (Canonne, Kamath, Steinke 2020, algorithm 1, γ = 1/2).
  @inline(__always)
  mutating func coinOfExponentialMinusHalf() -> Bool {
    var k: UInt64 = 1
    while coin(oneIn: 2 * k) { k += 1 }
    return k & 1 == 1
  }

  /// True with probability e^(−1).
  mutating func coinOfExponentialMinusOne() -> Bool {
    var k: UInt64 = 2
    while coin(oneIn: k) { k += 1 }
    return k & 1 == 1
  }

  /// True with probability e^(−numerator/denominator) exactly (algorithm 1 of the same paper).
  @inline(__always)
  mutating func exponentialCoin(_ numerator: UInt128, over denominator: UInt64) -> Bool {
    var rest = numerator
    while rest >= UInt128(denominator) {
      if !coinOfExponentialMinusOne() { return false }
      rest -= UInt128(denominator)
    }
    let gamma = UInt64(rest)
    var k: UInt64 = 1
    while coin(gamma, over: denominator), k == 1 || coin(oneIn: k) { k += 1 }
    return k & 1 == 1
  }
}
