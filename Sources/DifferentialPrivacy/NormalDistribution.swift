internal import Glibc

/// The normal distribution far into its tails.
enum NormalDistribution {
  /// Φ(x)
  static func cumulative(_ x: Double) -> Double { 0.5 * erfc(-x * 0.5.squareRoot()) }

  /// log Φ(x), accurate for x down to −1e150.
  static func logCumulative(_ x: Double) -> Double {
    if x > 6 { return log1p(-0.5 * erfc(x * 0.5.squareRoot())) }
    if x > -5 { return log(cumulative(x)) }
    return logDensity(x) + log(millsRatio(-x))
  }

  /// log φ(x)
  static func logDensity(_ x: Double) -> Double { -0.5 * x * x - 0.9189385332046727 }

  /// (1 − Φ(x))/φ(x) for x ≥ 0; decreasing, about 1/x.
  static func millsRatio(_ x: Double) -> Double {
    if x < 5 { return cumulative(-x) / exp(logDensity(x)) }
    // Laplace's continued fraction 1/(x + 1/(x + 2/(x + …))), from its tail.
    var value = x
    var depth = 120.0
    while depth >= 1 {
      value = x + depth / value
      depth -= 1
    }
    return 1 / value
  }
}

/// log(e^a + e^b)
func logAddExp(_ a: Double, _ b: Double) -> Double {
  let high = max(a, b)
  if high == -.infinity { return high }
  return high + log1p(exp(min(a, b) - high))
}

/// The boundary in `lower...upper` (positive) up to which `holds` is false and from which on it is true, by bisection of
/// the logarithm; the returned value satisfies `holds`.
///
/// - Precondition: `holds(upper)`.
func leastWhere(from lower: Double, to upper: Double, _ holds: (Double) -> Bool) -> (
  below: Double, at: Double
) {
  var low = lower
  var high = upper
  while true {
    let middle = (low * high).squareRoot()
    guard middle > low, middle < high, high / low > 1 + 1e-15 else { return (low, high) }
    if holds(middle) { high = middle } else { low = middle }
  }
}
