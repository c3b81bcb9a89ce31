internal import Glibc

/// How many runs a hyperparameter search makes, drawn at random and kept secret; only the best run is released (Papernot, Steinke
/// 2022, arXiv:2110.03620).
public struct RepetitionLaw: Hashable, Sendable {
  public enum Shape: Hashable, Sendable {
    /// Truncated negative binomial with η ≥ 0; 0 is the logarithmic law, 1 the geometric one.
    case truncatedNegativeBinomial(Double)
    /// Possibly no run at all.
    case poisson
  }

  public let shape: Shape
  /// Expected number of runs, at least 1.
  public let mean: Double

  /// - Throws: `PrivacyParameterError` unless η ≥ 0 and the mean is at least 1.
  public init(shape: Shape, mean: Double) throws(PrivacyParameterError) {
    guard mean.isFinite, mean >= 1 else {
      throw PrivacyParameterError("a search makes \(mean) runs on average; expected at least 1")
    }
    if case .truncatedNegativeBinomial(let eta) = shape, !(eta.isFinite && eta >= 0) {
      throw PrivacyParameterError("the shape of the number of runs is \(eta); expected 0 (logarithmic), 1 (geometric) or more")
    }
    self.shape = shape
    self.mean = mean
  }

  /// R(order) of the whole search, from the divergences of one run at the accountant's orders.
  func divergence(order: Double, of runs: PrivacyLoss, accountant: RenyiAccountant) -> Double {
    let orders = accountant.orders
    let single = accountant.curve(of: runs)
    switch shape {
    case .poisson:
      // Theorem 6: R(λ) + m·δ̂ + log(m)/(λ − 1), where one run is (ε̂, δ̂) with ε̂ = log(1 + 1/(λ − 1)).
      let own = accountant.curve(of: runs, at: order)
      let logDelta = RenyiAccountant.logDelta(orders: orders, divergences: single, epsilon: log1p(1 / (order - 1)))
      return own + mean * exp(logDelta) + log(mean) / (order - 1)
    case .truncatedNegativeBinomial(let eta):
      // Theorem 2: R(λ) + (1 + η)·((1 − 1/λ̂)·R(λ̂) − log(γ)/λ̂) + log(m)/(λ − 1), for every λ̂.
      let logGamma = log(gamma(eta))
      var constant = Double.infinity
      for (other, value) in zip(orders, single) { constant = min(constant, (1 - 1 / other) * value - logGamma / other) }
      // R does not fall with the order: what is proven at a higher one holds here.
      var best = accountant.curve(of: runs, at: order) + log(mean) / (order - 1)
      for (other, value) in zip(orders, single) where other > order { best = min(best, value + log(mean) / (other - 1)) }
      return best + (1 + eta) * constant
    }
  }

  /// γ in (0, 1] with the given mean, rounded down (the same, definition 1).
  private func gamma(_ eta: Double) -> Double {
    if eta == 1 { return 1 / mean }
    var low = 0.0
    var high = min(1, 2 * (eta + 1) / mean)
    while high > low * (1 + 1e-12), high > 1e-300 {
      let middle = (low + high) / 2
      guard middle > low, middle < high else { break }
      if Self.mean(gamma: middle, eta: eta) < mean { high = middle } else { low = middle }
    }
    return max(low, 1e-300)
  }

  private static func mean(gamma: Double, eta: Double) -> Double {
    let logGamma = log(gamma)
    // log(γ)/(γ − 1), and (γ^η − 1)/(η·log γ); both 1 at γ = 1.
    let slope = logGamma == 0 ? 1 : logGamma / (gamma - 1)
    let power = eta * logGamma
    return 1 / (gamma * slope * (power == 0 ? 1 : expm1(power) / power))
  }
}
