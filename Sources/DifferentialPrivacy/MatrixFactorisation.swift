internal import Glibc

/// Prefix sums A = B·C with noise C⁻¹Z: the squared L2 sensitivity of the strategy C, a lower-triangular Toeplitz matrix, for
/// contributions of norm 1 that a user makes at most k times, at least b steps apart.
public struct MatrixFactorisation: Hashable, Sendable {
  public let sensitivitySquared: Double
  /// Whether it is the worst value itself, and not a bound.
  public let isExact: Bool

  /// - Parameters:
  ///   - coefficients: the first column of C.
  ///   - steps: n.
  ///   - participations: k.
  ///   - separation: b, the distance of two participations of one user at least (1: in neighbouring steps).
  /// - Throws: `PrivacyParameterError` for a strategy without steps, participations or finite coefficients.
  public init(coefficients: [Double], steps: Int, participations: Int, separation: Int) throws(PrivacyParameterError) {
    guard steps >= 1, participations >= 1, separation >= 1, steps <= 1 << 24 else {
      throw PrivacyParameterError(
        "a factorisation of \(steps) steps, \(participations) participations, \(separation) apart; expected at least 1 of each")
    }
    guard let first = coefficients.first, first > 0, coefficients.allSatisfy(\.isFinite) else {
      throw PrivacyParameterError("a strategy whose first coefficient is not positive; expected a column that begins above 0")
    }
    let most = min(participations, (steps - 1) / separation + 1)
    let column = Array(coefficients.prefix(steps))
    let isMonotone = column.allSatisfy { $0 >= 0 } && zip(column, column.dropFirst()).allSatisfy { $0 >= $1 }
    if isMonotone || column.count <= separation {
      // Non-negative and falling: the worst pattern is the earliest (Kalinin, Lampert 2024, arXiv:2405.13763, theorem 2).
      // With at most b bands the columns are orthogonal, and the earliest are the longest (Choquette-Choo et al. 2023, section 4).
      var sum = [Double](repeating: 0, count: steps)
      for turn in 0..<most {
        let offset = turn * separation
        for (index, value) in column.enumerated() {
          guard offset + index < steps else { break }
          sum[offset + index] += value
        }
      }
      sensitivitySquared = sum.reduce(0) { $0 + $1 * $1 }
      isExact = true
    } else {
      // Triangle inequality over the columns that a user takes part in.
      var total = 0.0
      for turn in 0..<most {
        total += column.prefix(steps - turn * separation).reduce(0) { $0 + $1 * $1 }.squareRoot()
      }
      sensitivitySquared = total * total
      isExact = false
    }
  }

  /// The square-root factorisation with all but the first `bands` coefficients of C left out: c_j = C(2j, j)/4^j.
  public static func bandedSquareRoot(bands: Int, steps: Int, participations: Int, separation: Int)
    throws(PrivacyParameterError) -> MatrixFactorisation
  {
    guard bands >= 1 else { throw PrivacyParameterError("\(bands) bands; expected at least 1") }
    return try MatrixFactorisation(
      coefficients: squareRoot(min(bands, max(1, steps))), steps: steps, participations: participations,
      separation: separation)
  }

  /// The banded inverse square root: C⁻¹ keeps the first `bands` coefficients of the inverse square root, and C is its inverse
  /// (Kalinin, McKenna, Upadhyay, Lampert 2025, arXiv:2505.12128).
  public static func bandedInverseSquareRoot(bands: Int, steps: Int, participations: Int, separation: Int)
    throws(PrivacyParameterError) -> MatrixFactorisation
  {
    guard bands >= 1 else { throw PrivacyParameterError("\(bands) bands; expected at least 1") }
    // (1 − x)^(1/2) = Σ r_j x^j with r_0 = 1, r_j = r_(j−1)·(2j − 3)/(2j).
    var inverse = [1.0]
    for j in 1..<max(1, min(bands, steps)) where bands > 1 && steps > 1 {
      inverse.append(inverse[j - 1] * (2 * Double(j) - 3) / (2 * Double(j)))
    }
    var column = [1.0]
    for n in 1..<max(1, steps) where steps > 1 {
      var sum = 0.0
      for j in 1..<min(inverse.count, n + 1) where inverse.count > 1 { sum -= inverse[j] * column[n - j] }
      column.append(sum)
    }
    return try MatrixFactorisation(
      coefficients: column, steps: steps, participations: participations, separation: separation)
  }

  private static func squareRoot(_ count: Int) -> [Double] {
    var column = [1.0]
    for j in 1..<max(1, count) where count > 1 { column.append(column[j - 1] * (2 * Double(j) - 1) / (2 * Double(j))) }
    return column
  }
}
