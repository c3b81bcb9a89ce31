internal import Glibc

/// What the noise of releases looks like when the exact sums are known: only a simulation can do that.
///
/// Canaries see a missing share of noise among ten as a change of σ by 5 %, which no audit of a few thousand guesses finds;
/// 100,000 coordinates of noise do.
public struct ResidualTest: Sendable {
  /// Released minus exact of each release, in grid units.
  public let residuals: [[Int64]]
  /// The variance that the plan promises for each release, in squared grid units.
  public let variances: [Double]

  /// - Throws: `PrivacyParameterError` when there is no release, or a release has no entries or no positive variance.
  public init(residuals: [[Int64]], variances: [Double]) throws(PrivacyParameterError) {
    guard !residuals.isEmpty, residuals.count == variances.count, residuals.allSatisfy({ !$0.isEmpty }) else {
      throw PrivacyParameterError(
        "\(residuals.count) releases with noise and \(variances.count) variances; expected one of each, and entries in it")
    }
    guard variances.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw PrivacyParameterError("a release without noise; expected a positive variance")
    }
    self.residuals = residuals
    self.variances = variances
  }

  /// Coordinates in all releases.
  public var coordinates: Int { residuals.reduce(0) { $0 + $1.count } }

  /// Σ residual²/variance, which has χ² with `coordinates` degrees of freedom when the noise is what the plan says.
  public var chiSquared: Double {
    zip(residuals, variances).reduce(0) { total, release in
      total + release.0.reduce(0) { $0 + Double($1) * Double($1) } / release.1
    }
  }

  /// The variance that was measured over the one that was promised.
  public var varianceRatio: Double { chiSquared / Double(coordinates) }

  /// How probable a χ² as far off is, to both sides.
  public var varianceP: Double {
    let degrees = Double(coordinates)
    let value = chiSquared
    return min(
      1,
      2
        * min(
          TailProbabilities.chiSquared(above: value, degrees: degrees),
          TailProbabilities.chiSquared(below: value, degrees: degrees)))
  }

  /// How probable so small a χ² is, if there is at least the promised noise.
  public var shortageP: Double { TailProbabilities.chiSquared(below: chiSquared, degrees: Double(coordinates)) }

  /// The two releases whose noise is most alike, coordinate by coordinate from the first; `nil` where no two
  /// releases have 30 coordinates.
  ///
  /// With a repeated stream of chance the correlation is 1: both are the same numbers, scaled.
  public var strongestCorrelation: (releases: (Int, Int), correlation: Double)? {
    var strongest: (releases: (Int, Int), correlation: Double, standardised: Double)?
    for first in residuals.indices {
      for second in residuals.indices where second > first {
        guard let (correlation, count) = correlation(first, second) else { continue }
        let standardised = abs(correlation) * Double(count).squareRoot()
        if standardised > strongest?.standardised ?? -1 { strongest = ((first, second), correlation, standardised) }
      }
    }
    return strongest.map { ($0.releases, $0.correlation) }
  }

  /// How probable so strong a correlation of any two releases is, when all draws are independent (Bonferroni over the pairs);
  /// 1 without pairs.
  public var correlationP: Double {
    var least = 1.0
    var pairs = 0.0
    for first in residuals.indices {
      for second in residuals.indices where second > first {
        guard let (correlation, count) = correlation(first, second) else { continue }
        pairs += 1
        least = min(least, TailProbabilities.normal(twoSided: correlation * Double(count).squareRoot()))
      }
    }
    return min(1, least * max(1, pairs))
  }

  /// Σ xy/√(Σ x²·Σ y²): the noise has mean 0 by promise, so that nothing is subtracted.
  ///
  /// - Returns: `nil` for too few coordinates for a normal distribution.
  private func correlation(_ first: Int, _ second: Int) -> (value: Double, count: Int)? {
    let count = min(residuals[first].count, residuals[second].count)
    guard count >= 30 else { return nil }
    var (product, left, right) = (0.0, 0.0, 0.0)
    for index in 0..<count {
      let (x, y) = (Double(residuals[first][index]), Double(residuals[second][index]))
      product += x * y
      left += x * x
      right += y * y
    }
    return (left > 0 && right > 0 ? product / (left * right).squareRoot() : 0, count)
  }
}
