internal import Glibc

/// Rényi differential privacy: adds divergences order by order, for Poisson-sampled releases mixed with others.
public struct RenyiAccountant: PrivacyAccountant {
  /// Orders α > 1.
  public let orders: [Double]
  /// Whether divergences are those of dp-accounting 0.6.0, larger at fractional orders than they need be.
  private let isPublished: Bool

  public init(orders: [Double] = Self.defaultOrders) {
    precondition(orders.allSatisfy { $0 > 1.01 }, "Rényi orders are above 1.01")
    self.orders = orders
    isPublished = false
  }

  /// What dp-accounting 0.6.0 computes, for comparison with published tables only: its orders, and at fractional ones the series
  /// with absolute values. Never below the default accountant where that has the same orders.
  package static let published = RenyiAccountant(published: publishedOrders)

  package init(published orders: [Double]) {
    self.orders = orders
    isPublished = true
  }

  package static let publishedOrders: [Double] =
    (1..<100).map { 1 + Double($0) / 10 } + (11..<64).map(Double.init) + [128, 256, 512, 1024]

  public var name: String { "rdp" }
  public var theorem: String {
    "Rényi composition of the sampled Gaussian (Mironov, Talwar, Zhang 2019), converted by Canonne, Kamath, Steinke 2020, proposition 12; \(Accounting.passage); independent secret coins per user and release"
  }

  public func covers(_ loss: PrivacyLossSummary) -> Bool { loss.loss.kernels.keys.allSatisfy(\.hasDivergence) }

  public func upperEpsilon(_ loss: PrivacyLossSummary, delta: Double) -> Double {
    if loss.isEmpty { return 0 }
    if isPublished { return Self.epsilon(orders: orders, divergences: curve(of: loss.loss), delta: delta) }
    let target = delta * exp(-loss.kappa)
    let best = least { order in
      let divergence = [divergence(of: loss.loss, order: order)]
      return Self.epsilon(orders: [order], divergences: divergence, delta: target)
    }.value
    return best * (1 + Self.numericalError) + 2 * loss.kappa
  }

  public func upperDelta(_ loss: PrivacyLossSummary, epsilon: Double) -> Double {
    if loss.isEmpty { return 0 }
    let target = max(0, epsilon * (1 - Self.numericalError) - 2 * loss.kappa)
    let best = least { order in
      let divergence = [divergence(of: loss.loss, order: order)]
      return Self.logDelta(orders: [order], divergences: divergence, epsilon: target)
    }.value
    return min(1, exp(best + loss.kappa))
  }

  /// The least ε it can prove at δ for releases and so many further ones, each of any of several kinds, chosen while results are seen.
  ///
  /// The least over orders α of R(α) + n·max_k R_k(α) + c(α), c being what conversion adds: order by order the kind with the largest
  /// divergence. Let α* be the order where it is least.
  ///
  /// *It is enough.* At α* no choice of n kinds has a larger divergence. So one order, fixed before anything is released, proves the
  /// value for every choice, one that hangs on results too (Feldman, Zrnic 2021); and what `upperEpsilon` says of any choice is a least
  /// value over orders of which α* is one. The largest ε of the kinds, n times one of them each, would not be enough: where their
  /// best orders differ, a mixture may need more than all of them (0.3 % at q = 0.1, 5 rounds and n = 8).
  ///
  /// *It is no more than that.* (α − 1)·(R(α) + Σ w_k·R_k(α) + c(α)) is convex in α: divergences are (van Erven, Harremoës 2014,
  /// corollary 2), and the second derivative of (α − 1)·c(α) is 1/(α − 1) − 1/α. Its quotient by α − 1 is therefore quasi-convex in α,
  /// and it is linear in w, so that its least value and its largest change places (Sion 1958): over all orders, the result is the ε of
  /// the worst mixture w, in parts of an attempt.
  ///
  /// - Returns: infinity where κ of all of them is too large for the theorem about integers.
  package func upperEpsilon(
    _ loss: PrivacyLossSummary, and count: Int, ofAny kinds: [PrivacyLossSummary], delta: Double
  ) -> Double {
    precondition(!isPublished && count >= 0, "attempts are counted, by divergences of our own")
    let kappa = loss.kappa + Double(count) * (kinds.map(\.kappa).max() ?? 0)
    guard kappa < PrivacyLoss.kappaLimit else { return .infinity }
    let best = least { order in
      let dearest = kinds.map { divergence(of: $0.loss, order: order) }.max() ?? 0
      let all = divergence(of: loss.loss, order: order) + Double(count) * dearest
      return Self.epsilon(orders: [order], divergences: [all], delta: delta * exp(-kappa))
    }.value
    return best * (1 + Self.numericalError) + 2 * kappa
  }

  /// The order at which to judge a list, and what is chosen after it, against a cap.
  ///
  /// It depends on what was signed and on nothing that comes to pass, so that a bound at this order holds for everything that is chosen
  /// while results are seen (Feldman, Zrnic 2021); of a least value over orders that is not known. Let b(α) = ε − c(α) be what divergences
  /// may come to, R of the list.
  ///
  /// - Where the list fits at some order and is of several kinds: the largest (b − R) / max_k R_k, at which most further releases fit, each
  ///   of them the kind that diverges most there. Where `upperEpsilon(_:and:ofAny:delta:)` says that n further releases fit, n is not above
  ///   the largest quotient, and they fit at this order too.
  /// - Where it fits and is of one kind: it may be followed by more of it or by Gaussian releases, of which there fit (b − R) / R_1 and so
  ///   much of μ² as is in proportion to (b − R) / α. Each part of its largest value; the order where the smaller of both parts is largest.
  /// - Where it fits nowhere: the largest b / R, at which most of the list does.
  package func order(
    fittingMostOf kinds: [PrivacyLossSummary], beside list: PrivacyLossSummary, epsilon: Double, delta: Double
  ) -> Double {
    precondition(!isPublished && !kinds.isEmpty, "further releases are of some kind, by divergences of our own")
    let candidates = orders.compactMap { order -> (order: Double, budget: Double, all: Double, dearest: Double)? in
      let dearest = kinds.map { divergence(of: $0.loss, order: order) }.max() ?? 0
      let all = divergence(of: list.loss, order: order)
      guard all.isFinite, dearest.isFinite, dearest > 0 else { return nil }
      return (order, epsilon - log1p(-1 / order) + log(delta * order) / (order - 1), all, dearest)
    }
    let largest = { (value: ((order: Double, budget: Double, all: Double, dearest: Double)) -> Double) in
      candidates.max { value($0) < value($1) }.map { (order: $0.order, value: value($0)) }
    }
    let more = largest { ($0.budget - $0.all) / $0.dearest }
    guard let more, more.value > 0 else { return largest { $0.budget / $0.all }?.order ?? orders[0] }
    guard kinds.count == 1, let gaussian = largest({ ($0.budget - $0.all) / $0.order }) else { return more.order }
    return largest { ($0.budget - $0.all) * min(1 / $0.dearest / more.value, 1 / $0.order / gaussian.value) }?.order ?? more.order
  }

  /// The least value over the orders, looked for first on a coarse part of them and then between the coarse neighbours
  /// of the best. The value at any order is a bound, so that a missed minimum costs tightness only.
  private func least(_ value: (Double) -> Double) -> (value: Double, order: Double) {
    let coarse = orders.filter { $0 == orders.first || Self.coarseOrders.contains($0) || orders.count < 32 }
    guard let start = coarse.first else { return (.infinity, 2) }
    var best = (value: value(start), order: start)
    var position = 0
    for (index, order) in coarse.enumerated().dropFirst() {
      let candidate = value(order)
      if candidate < best.value {
        best = (candidate, order)
        position = index
      }
    }
    let lower = position > 0 ? coarse[position - 1] : 1
    let upper = position + 1 < coarse.count ? coarse[position + 1] : .infinity
    for order in orders where order > lower && order < upper && order != coarse[position] {
      let candidate = value(order)
      if candidate < best.value { best = (candidate, order) }
    }
    return best
  }

  /// The composed divergence at every order.
  package func curve(of loss: PrivacyLoss) -> [Double] { orders.map { divergence(of: loss, order: $0) } }

  /// The composed divergence at one order.
  func curve(of loss: PrivacyLoss, at order: Double) -> Double { divergence(of: loss, order: order) }

  private func divergence(of loss: PrivacyLoss, order: Double) -> Double {
    var total = order / 2 * loss.fullParticipationMuSquared
    for (term, count) in loss.sampledTerms {
      let adjacency = loss.adjacency ?? .addRemove
      let key = RenyiDivergenceCache.Key(term: term, adjacency: adjacency, order: order, isPublished: isPublished)
      total +=
        Double(count)
        * RenyiDivergenceCache.divergence(key) {
          isPublished && adjacency != .replaceOne
            ? RenyiDivergence.publishedSeries(order: order, rate: term.rate, noiseMultiplier: term.noiseMultiplier)
            : Self.divergence(of: term, order: order, adjacency: adjacency)
        }
    }
    for (kernel, count) in loss.kernels {
      total += Double(count) * kernel.divergence(order: order, accountant: self)
    }
    return total
  }

  /// One release at one order.
  package static func divergence(of term: PrivacyLoss.Term, order: Double, adjacency: Adjacency) -> Double {
    switch adjacency {
    case .addRemove, .zeroOut:
      RenyiDivergence.sampledGaussian(order: order, rate: term.rate, noiseMultiplier: term.noiseMultiplier)
    case .replaceOne:
      // The term's z is over the distance 2Δ; the mixtures are shifted by Δ each. Orders that cost more than they
      // can gain are left out.
      order <= 256
        ? RenyiDivergence.sampledGaussianReplace(
          order: order, rate: term.rate, noiseMultiplier: 2 * term.noiseMultiplier)
        : .infinity
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

  /// 1.1 to 10.9 by tenths, all integers to 128, then by about a quarter to 2^13.
  public static let defaultOrders: [Double] = {
    var orders = (11...109).map { Double($0) / 10 }
    orders += (11...128).map(Double.init)
    return orders + [144, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 1024, 1536, 2048, 4096, 8192]
  }()

  private static let coarseOrders: Set<Double> = [
    1.2, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 512, 1024, 2048,
    8192,
  ]

  /// Bound of the relative error of ε from rounding in Double.
  static let numericalError = 1e-11
}
