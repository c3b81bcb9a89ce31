internal import Glibc

/// How many marked ones are among `draws` taken without replacement from `population`, of which `marked` are marked.
///
/// Probabilities are natural logarithms. Every tail is the sum of its terms, from the largest one outwards; nothing is
/// approximated by another distribution and nothing is simulated.
package struct Hypergeometric: Sendable {
  package let population: Int
  package let marked: Int
  package let draws: Int

  package init(population: Int, marked: Int, draws: Int) {
    precondition(
      population >= 0 && (0...population).contains(marked) && (0...population).contains(draws),
      "\(draws) draws from \(population), \(marked) of them marked")
    self.population = population
    self.marked = marked
    self.draws = draws
  }

  /// Values that have a probability above 0.
  package var support: ClosedRange<Int> { max(0, draws + marked - population)...min(draws, marked) }

  /// ln P[X = x].
  package func logMass(_ x: Int) -> Double {
    guard support.contains(x) else { return -.infinity }
    return Combinatorics.logBinomial(marked, x) + Combinatorics.logBinomial(population - marked, draws - x)
      - Combinatorics.logBinomial(population, draws)
  }

  /// ln P[X ≥ x].
  package func logUpperTail(from x: Int) -> Double {
    if x <= support.lowerBound { return 0 }
    if x > support.upperBound { return -.infinity }
    return min(0, logSum(x...support.upperBound))
  }

  /// ln P[X ≤ x].
  package func logLowerTail(to x: Int) -> Double {
    if x >= support.upperBound { return 0 }
    if x < support.lowerBound { return -.infinity }
    return min(0, logSum(support.lowerBound...x))
  }

  /// The smallest x with P[X > x] ≤ e^`logProbability`.
  package func upperQuantile(logProbability: Double) -> Int {
    var low = support.lowerBound
    var high = support.upperBound
    while low < high {
      let middle = (low + high) / 2
      if logUpperTail(from: middle + 1) <= logProbability { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The largest x with P[X < x] ≤ e^`logProbability`.
  package func lowerQuantile(logProbability: Double) -> Int {
    var low = support.lowerBound
    var high = support.upperBound
    while low < high {
      let middle = (low + high + 1) / 2
      if logLowerTail(to: middle - 1) <= logProbability { low = middle } else { high = middle - 1 }
    }
    return low
  }

  /// ln Σ P[X = x] over a range inside the support: from the largest term outwards by the ratio of neighbours, until
  /// what is left is below the last digit of the sum. The terms fall on both sides of the mode.
  private func logSum(_ range: ClosedRange<Int>) -> Double {
    let mode = (draws + 1) * (marked + 1) / (population + 2)
    let peak = min(max(mode, range.lowerBound), range.upperBound)
    var sum = 1.0
    var term = 1.0
    var x = peak
    while x < range.upperBound, term > sum * 0x1p-80 {
      term *= ratio(x)
      x += 1
      sum += term
    }
    term = 1
    x = peak
    while x > range.lowerBound, term > sum * 0x1p-80 {
      x -= 1
      term /= ratio(x)
      sum += term
    }
    return logMass(peak) + log(sum)
  }

  /// P[X = x + 1] / P[X = x].
  private func ratio(_ x: Int) -> Double {
    Double(marked - x) * Double(draws - x) / (Double(x + 1) * Double(population - marked - draws + x + 1))
  }
}

/// Logarithms of factorials and binomial coefficients.
package enum Combinatorics {
  /// ln n!, exact sums for small n, Stirling's series (DLMF 5.11.1) to the term in n^−7 from 64 on: error below 10^−15 of the value.
  package static func logFactorial(_ n: Int) -> Double {
    if n < 64 { return small[n] }
    let x = Double(n)
    let inverse = 1 / x
    let square = inverse * inverse
    let series = inverse * (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260 - square / 1680)))
    return (x + 0.5) * log(x) - x + 0.5 * log(2 * Double.pi) + series
  }

  /// ln of n over k; −∞ outside 0...n.
  package static func logBinomial(_ n: Int, _ k: Int) -> Double {
    if k < 0 || k > n { return -.infinity }
    return logFactorial(n) - logFactorial(k) - logFactorial(n - k)
  }

  /// ln(e^a + e^b).
  package static func logAdd(_ a: Double, _ b: Double) -> Double {
    let (low, high) = a < b ? (a, b) : (b, a)
    return low == -.infinity ? high : high + log1p(exp(low - high))
  }

  private static let small: [Double] = (0..<64).reduce(into: []) { sums, n in
    sums.append(n == 0 ? 0 : sums[n - 1] + log(Double(n)))
  }
}
