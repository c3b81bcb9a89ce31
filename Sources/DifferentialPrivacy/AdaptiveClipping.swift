internal import Glibc

/// Clipping to a quantile that is learnt from noised counts (Andrew, Thakkar, McMahan, Ramaswamy 2021, arXiv:1905.03871, section 3.1
/// and theorem 1): the budget of one round is split between the update and the count of users below the clip.
public enum AdaptiveClipping {
  /// The noise multiplier of the updates, z_Δ = (z⁻² − (2σ_b)⁻²)^(−1/2), so that both releases together cost z. Account once, with z.
  ///
  /// - Parameters:
  ///   - total: z of the whole round.
  ///   - countDeviation: σ_b, the standard deviation of the noise on the sum of (bit − 1/2).
  /// - Throws: `PrivacyParameterError` unless z < 2σ_b.
  public static func updateNoiseMultiplier(total z: Double, countDeviation: Double) throws(PrivacyParameterError) -> Double {
    guard z > 0, countDeviation > 0, z.isFinite, countDeviation.isFinite else {
      throw PrivacyParameterError("adaptive clipping with z = \(z) and σ_b = \(countDeviation); expected positive numbers")
    }
    guard z < 2 * countDeviation else {
      throw PrivacyParameterError(
        "the noise on the clipping count is \(countDeviation), which alone costs more than z = \(z) allows; expected more than z/2"
      )
    }
    return 1 / (1 / (z * z) - 1 / (4 * countDeviation * countDeviation)).squareRoot()
  }
}
