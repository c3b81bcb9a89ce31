public import CryptoPrimitives

/// Exact samples of the discrete Gaussian N_Z(0, σ²): P(x) ∝ e^(−x²/(2σ²)) on the integers.
///
/// Rejection in integers only, after Canonne, Kamath, Steinke 2020 (arXiv:2004.00010, section 5) and Karney 2016
/// (arXiv:1303.6257, algorithm D). With s = ⌈σ⌉:
/// 1. k ≥ 0 with probability proportional to e^(−k²/2), from coins of probability e^(−1/2);
/// 2. j uniform in 0..<s and i = k·s + j;
/// 3. accept i with probability e^(−(i² − k²σ²)/(2σ²)); the exponent is rational and not negative, as s ≥ σ;
/// 4. a fair sign; −0 starts again.
///
/// Steps 1 to 3 multiply to e^(−i²/(2σ²))/s. Every coin of rational probability is decided by comparing that
/// probability with lazily drawn random bits (64 at a time), so that the distribution is exact and no floating-point number decides
/// a draw. Random words are taken from the source in blocks and forgotten at the end of each call: a copy of the sampler repeats nothing.
///
/// Running time depends on the values drawn (a hazard that reports name): draw where no adversary can time single draws.
public struct DiscreteGaussianSampler: Hashable, Sendable {
  /// σ², the parameter (for σ² ≥ 1 the variance of a draw is the same to 8 digits and more).
  public let sigmaSquared: Int64
  /// ⌈σ⌉
  private let step: UInt64

  /// - Parameter sigmaSquared: 1 to 2^62.
  public init(sigmaSquared: Int64) {
    precondition((1...Self.maximumSigmaSquared).contains(sigmaSquared), "σ² of a sampler is from 1 to 2^62")
    self.sigmaSquared = sigmaSquared
    step = UInt64(ceilingOfSquareRoot(sigmaSquared))
  }

  /// `count` independent draws.
  public func draw(_ count: Int, random: inout some RandomSource) -> [Int64] {
    var result = [Int64](repeating: 0, count: count)
    add(to: &result, random: &random)
    return result
  }

  /// Adds an independent draw to every entry, modulo 2^64.
  public func add(to values: inout [Int64], random: inout some RandomSource) {
    values.withUnsafeMutableBufferPointer { values in
      RandomWords.withWords(from: &random, expected: 8 * values.count) { words in
        for index in values.indices { values[index] &+= draw(&words) }
      }
    }
  }

  private func draw(_ words: inout RandomWords) -> Int64 {
    let variance = UInt128(sigmaSquared)
    let denominator = UInt64(sigmaSquared) * 2
    while true {
      guard let block = Self.halfNormalInteger(&words) else { continue }
      let magnitude = block &* step &+ words.uniform(below: step)
      let exponent =
        UInt128(magnitude) * UInt128(magnitude) - UInt128(block) * UInt128(block) * variance
      guard words.exponentialCoin(exponent, over: denominator) else { continue }
      let negative = words.bit()
      if negative, magnitude == 0 { continue }
      let value = Int64(truncatingIfNeeded: magnitude)
      return negative ? 0 &- value : value
    }
  }

  /// k ≥ 0 with probability proportional to e^(−k²/2), or `nil` for a rejected trial: k successes of probability
  /// e^(−1/2), accepted with probability e^(−k(k−1)/2).
  @inline(__always)
  private static func halfNormalInteger(_ words: inout RandomWords) -> UInt64? {
    var block: UInt64 = 0
    while words.coinOfExponentialMinusHalf() { block += 1 }
    if block < 2 { return block }
    for _ in 0..<block * (block - 1) where !words.coinOfExponentialMinusHalf() { return nil }
    return block
  }

  static let maximumSigmaSquared: Int64 = 1 << 62
}
