import DifferentialPrivacy
import Foundation
import Testing

/// The theorem of Protocols/privacy-accounting.md, by numerical integration and by exact sums.
///
/// At η = 2 its error κ is 1e-34, which no Double can see; it is checked at smaller η, where κ is visible.
struct TheoremTests {
  /// The discrete Gaussian of variance parameter v at k.
  private func discrete(_ k: Double, _ v: Double) -> Double {
    let reach = Int(15 * v.squareRoot()) + 15
    let total = (-reach...reach).reduce(0.0) { $0 + exp(-Double($1 * $1) / (2 * v)) }
    return exp(-k * k / (2 * v)) / total
  }

  /// P(K = k) for Y = N(0, v − η²), K ~ N_Z(Y, η²), by trapezoids.
  private func smoothedThenRounded(_ k: Double, _ v: Double, _ eta: Double) -> Double {
    let rest = (v - eta * eta).squareRoot()
    let step = min(rest, eta) / 40
    var sum = 0.0
    let steps = Int(12 * rest / step)
    for index in -steps...steps {
      let y = Double(index) * step
      let nearest = Int(y.rounded())
      let reach = Int(12 * eta) + 12
      let normaliser = (nearest - reach...nearest + reach).reduce(0.0) {
        $0 + exp(-(Double($1) - y) * (Double($1) - y) / (2 * eta * eta))
      }
      sum += exp(-y * y / (2 * rest * rest) - (k - y) * (k - y) / (2 * eta * eta)) / normaliser
    }
    return sum * step / ((2 * Double.pi).squareRoot() * rest)
  }

  @Test(
    "in one dimension the discrete Gaussian is a post-processed continuous one, up to κ",
    arguments: [0.4, 0.5, 0.6, 0.8])
  func oneDimension(eta: Double) {
    let kappa = 5 * exp(-2 * Double.pi * Double.pi * eta * eta)
    var largest = 0.0
    for v in [1.0, 4.0, 20.0] {
      for k in 0...Int(5 * v.squareRoot()) {
        let ratio = log(smoothedThenRounded(Double(k), v, eta) / discrete(Double(k), v))
        largest = max(largest, abs(ratio))
      }
    }
    #expect(largest <= kappa + 1e-12)
    // And the bound is not idle: the error is really there.
    if eta <= 0.5 { #expect(largest > kappa / 500) }
  }

  @Test func inTwoDimensionsTheErrorsAddUp() {
    let eta = 0.45
    let v = 6.0
    let kappa = 5 * 2 * exp(-2 * Double.pi * Double.pi * eta * eta)
    let one = (0...8).map { smoothedThenRounded(Double($0), v, eta) }
    let exact = (0...8).map { discrete(Double($0), v) }
    for i in 0...8 {
      for j in 0...8 {
        #expect(abs(log(one[i] * one[j] / (exact[i] * exact[j]))) <= kappa)
      }
    }
  }

  @Test("a sum of shares is a discrete Gaussian, up to κ′", arguments: [0.5, 0.8, 2.0, 8.0])
  func shares(variance: Double) {
    let reach = Int(12 * (4 * variance).squareRoot()) + 12
    let one = (-reach...reach).map { discrete(Double($0), variance) }
    var sum = one
    for m in 2...4 {
      // Convolve; index 0 is −reach.
      var next = [Double](repeating: 0, count: 2 * reach + 1)
      for i in -reach...reach {
        for j in max(-reach, i - reach)...min(reach, i + reach) {
          next[i + reach] += sum[j + reach] * one[i - j + reach]
        }
      }
      sum = next
      let kappa = 5 * Double(m - 1) * exp(-2 * Double.pi * Double.pi * variance / 2)
      for k in 0...Int(4 * (Double(m) * variance).squareRoot()) {
        let ratio = log(sum[k + reach] / discrete(Double(k), Double(m) * variance))
        #expect(abs(ratio) <= kappa + 1e-10, "m \(m), k \(k)")
      }
    }
  }

  @Test("the exact curve of the integers stays below the accountant's, closely", arguments: [40, 64, 150])
  func curveInOneDimension(distance: Int) {
    let v = 4096.0
    for epsilon in [0.0, 0.1, 0.5, 1, 2, 4] {
      var delta = 0.0
      for k in -700...900 {
        let p = exp(-Double((k - distance) * (k - distance)) / (2 * v))
        let q = exp(-Double(k * k) / (2 * v))
        delta += max(0, p - exp(epsilon) * q)
      }
      delta /= (-700...700).reduce(0.0) { $0 + exp(-Double($1 * $1) / (2 * v)) }
      let mu = Double(distance) / (v - 4).squareRoot()
      let ours = exp(AnalyticGaussian.logDelta(epsilon: epsilon, mu: mu))
      #expect(delta <= ours * (1 + 1e-9))
      #expect(
        delta >= 0.9 * exp(AnalyticGaussian.logDelta(epsilon: epsilon, mu: Double(distance) / v.squareRoot()))
      )
    }
  }

  @Test("in two dimensions only the distance matters", arguments: [(64, 0), (0, 64), (45, 45), (-60, 25)])
  func curveInTwoDimensions(a: Int, b: Int) {
    let v = 4096.0
    let reach = 480
    let axis = (-2 * reach...2 * reach).map { exp(-Double($0 * $0) / (2 * v)) }
    let total = (-2 * reach...2 * reach).reduce(0.0) { $0 + axis[$1 + 2 * reach] }
    let epsilons = [0.0, 1, 3]
    var deltas = [Double](repeating: 0, count: 3)
    for i in -reach...reach {
      for j in -reach...reach {
        let q = axis[i + 2 * reach] * axis[j + 2 * reach]
        let p = axis[i - a + 2 * reach] * axis[j - b + 2 * reach]
        for (index, epsilon) in epsilons.enumerated() { deltas[index] += max(0, p - exp(epsilon) * q) }
      }
    }
    let mu = Double(a * a + b * b).squareRoot() / (v - 4).squareRoot()
    for (index, epsilon) in epsilons.enumerated() {
      let delta = deltas[index] / (total * total)
      let ours = exp(AnalyticGaussian.logDelta(epsilon: epsilon, mu: mu))
      #expect(delta <= ours * (1 + 1e-9))
      #expect(delta >= 0.98 * ours * (1 - 0.01))
    }
  }
}
