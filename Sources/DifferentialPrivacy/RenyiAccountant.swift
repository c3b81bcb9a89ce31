internal import Glibc

/// Rényi differential privacy: adds divergences order by order, for Poisson-sampled releases mixed with others.
public struct RenyiAccountant: PrivacyAccountant {
  /// Orders α > 1.
  public let orders: [Double]

  public init(orders: [Double] = Self.defaultOrders) {
    precondition(orders.allSatisfy { $0 > 1.01 }, "Rényi orders are above 1.01")
    self.orders = orders
  }

  public var name: String { "rdp" }
  public var theorem: String {
    "Rényi composition of the sampled Gaussian (Mironov, Talwar, Zhang 2019), converted by Canonne, Kamath, Steinke 2020, proposition 12; discrete Gaussian as post-processing of the Gaussian of variance σ² − 4, up to κ; independent secret coins per user and release"
  }

  public func covers(_ loss: PrivacyLossSummary) -> Bool { true }

  public func upperEpsilon(_ loss: PrivacyLossSummary, delta: Double) -> Double {
    if loss.isEmpty { return 0 }
    let curve = curve(of: loss.loss)
    return Self.epsilon(orders: orders, divergences: curve, delta: delta * exp(-loss.kappa))
      * (1 + Self.numericalError) + 2 * loss.kappa
  }

  public func upperDelta(_ loss: PrivacyLossSummary, epsilon: Double) -> Double {
    if loss.isEmpty { return 0 }
    let curve = curve(of: loss.loss)
    let logDelta = Self.logDelta(
      orders: orders, divergences: curve,
      epsilon: max(0, epsilon * (1 - Self.numericalError) - 2 * loss.kappa))
    return min(1, exp(logDelta + loss.kappa))
  }

  /// The composed divergence at every order.
  package func curve(of loss: PrivacyLoss) -> [Double] {
    let adjacency = loss.adjacency ?? .addRemove
    var totals = orders.map { $0 / 2 * loss.fullParticipationMuSquared }
    for (term, count) in loss.sampledTerms {
      let curve = RenyiCurveCache.curve(RenyiCurveCache.Key(term: term, adjacency: adjacency, orders: orders))
      {
        orders.map { Self.divergence(of: term, order: $0, adjacency: adjacency) }
      }
      for index in totals.indices { totals[index] += Double(count) * curve[index] }
    }
    return totals
  }

  /// One release at one order.
  package static func divergence(of term: PrivacyLoss.Term, order: Double, adjacency: Adjacency) -> Double {
    switch adjacency {
    case .addRemove, .zeroOut:
      RenyiDivergence.sampledGaussian(order: order, rate: term.rate, noiseMultiplier: term.noiseMultiplier)
    case .replaceOne:
      // The term's z is over the distance 2Δ; the mixtures are shifted by Δ each.
      RenyiDivergence.sampledGaussianReplace(
        order: order, rate: term.rate, noiseMultiplier: 2 * term.noiseMultiplier)
    }
  }

  /// The best ε over the orders (Canonne, Kamath, Steinke 2020, proposition 12):
  /// ε = r + log(1 − 1/α) − log(δα)/(α − 1), and 0 where δ² + e^(−r) − 1 > 0.
  package static func epsilon(orders: [Double], divergences: [Double], delta: Double) -> Double {
    var best = Double.infinity
    for (order, divergence) in zip(orders, divergences) where divergence.isFinite {
      if delta * delta + expm1(-divergence) > 0 { return 0 }
      best = min(best, divergence + log1p(-1 / order) - log(delta * order) / (order - 1))
    }
    return max(0, best)
  }

  /// The best log δ over the orders; the same proposition solved for δ.
  package static func logDelta(orders: [Double], divergences: [Double], epsilon: Double) -> Double {
    var best = 0.0
    for (order, divergence) in zip(orders, divergences) where divergence.isFinite {
      best = min(best, 0.5 * log(-expm1(-divergence)))
      best = min(best, (order - 1) * (divergence + log1p(-1 / order) - epsilon) - log(order))
    }
    return best
  }

  /// 1.1 to 10.9 by tenths, all integers to 128, then by about a tenth to 2^14.
  public static let defaultOrders: [Double] = {
    var orders = (11...109).map { Double($0) / 10 }
    orders += (11...128).map(Double.init)
    var next = 144.0
    while next <= 16384 {
      orders.append(next)
      next = (next * 1.125).rounded()
    }
    return orders + [256, 512, 1024]
  }()

  /// Bound of the relative error of ε from rounding in Double.
  static let numericalError = 1e-11
}
