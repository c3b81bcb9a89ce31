internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Testing

/// What it costs that divergences are judged at one order, which was fixed with the first plan (decision 0020).
@Suite struct OrderPriceTests {
  typealias Part = (rate: Double, z: Double, count: Int)
  static let delta = 1e-6
  /// 100 sampled rounds and five evaluations of everybody; ε = 4.99 by divergences.
  static let mixed: [Part] = [(0.05, 1, 100), (1, 6, 5)]
  /// One evaluation beside many rounds of small samples; ε = 2.4985.
  static let oneRelease: [Part] = [(0.01, 1, 1000), (1, 8, 1)]

  static func list(_ parts: [Part]) throws -> PrivacyLossSummary {
    try PrivacyLossSummary(parts.map { .repeated(event: try AdaptiveSwitchTests.release($0.z, rate: $0.rate), count: $0.count) })
  }

  static func order(_ parts: [Part], epsilon: Double) throws -> Double {
    RenyiAccountant().order(
      fittingMostOf: try parts.map { try list([($0.rate, $0.z, 1)]) }, beside: try list(parts), epsilon: epsilon, delta: delta)
  }

  @Test func `the order is the one that was worked out by hand`() throws {
    // By another program (numpy), from the definition.
    #expect(try Self.order(Self.mixed, epsilon: 4.99) == 4.7)
    #expect(try Self.order(Self.mixed, epsilon: 1.2 * 4.99) == 4.5)
    // Of one kind, between the order of more of it (4.8, or 2.8) and that of a Gaussian.
    #expect(try Self.order([(0.003, 0.7, 50)], epsilon: 4.324) == 5.1)
    #expect(try Self.order([(0.003, 0.5, 20)], epsilon: 7.995) == 3.0)
    // A Gaussian one: both are the same.
    #expect(try Self.order([(1, 1, 1)], epsilon: 5.868) == 5.4)
  }

  /// Caps in parts of a plan's own ε, and the part of the list that fits at the best order; by the same program.
  struct Partial: Sendable {
    let isMixed: Bool
    let part: Double
    let fits: Double
  }

  static let partial = [
    Partial(isMixed: true, part: 0.5, fits: 0.068), Partial(isMixed: true, part: 0.6, fits: 0.184),
    Partial(isMixed: true, part: 0.8, fits: 0.534), Partial(isMixed: false, part: 0.6, fits: 0.0906),
  ]

  @Test("under a cap below a plan's own, as much of the plan fits as at any order", arguments: partial)
  func parts(cap: Partial) throws {
    let parts = cap.isMixed ? Self.mixed : Self.oneRelease
    let epsilon = (cap.isMixed ? 4.99 : 2.4985) * cap.part
    let loss = try Self.list(parts)
    let fitting = { (order: Double) in
      (epsilon - AdaptiveSwitchTests.conversion(order, Self.delta)) / RenyiAccountant(orders: [order]).curve(of: loss.loss)[0]
    }
    let chosen = fitting(try Self.order(parts, epsilon: epsilon))
    #expect(chosen == RenyiAccountant.defaultOrders.map(fitting).max())
    #expect(abs(chosen - cap.fits) < 1e-3, "\(chosen)")
  }

  /// First plans of one kind, each with its own ε by loss distributions.
  static let firsts: [(Part, epsilon: Double)] = [
    ((1, 1, 1), 4.8913), ((0.01, 1, 1000), 2.1274), ((0.1, 2, 300), 4.713), ((0.03, 0.45, 5), 9.1593), ((0.01, 0.7, 50), 2.7394),
    ((0.01, 0.7, 20), 2.4093), ((0.003, 0.7, 50), 1.3159), ((0.003, 0.5, 20), 3.9974), ((0.003, 0.5, 5), 3.3177),
    ((0.001, 0.6, 100), 1.4447),
  ]

  /// The table behind decision 0020: run with `--filter OrderPriceTests` it prints every line.
  @Test func `the second plan needs no more than 19 percent more noise than at the best order for it`() throws {
    var worst = 1.0
    for (first, own) in Self.firsts {
      let all = try Self.list([first])
      for factor in [1.2, 1.5, 2, 3] {
        let epsilon = own * factor
        let order = try Self.order([first], epsilon: epsilon)
        for second in [first, (1, 1, 1), (0.3, 1, 1)] as [Part] {
          /// By how much its noise must be larger than `second` has, to fit.
          let needed = { (accountant: RenyiAccountant) throws -> Double? in
            let fits = { (scale: Double) throws -> Bool in
              var both = all
              try both.add(
                .repeated(event: try AdaptiveSwitchTests.release(second.z * scale, rate: second.rate), count: second.count))
              return accountant.upperEpsilon(both, delta: Self.delta) <= epsilon
            }
            guard try fits(30) else { return nil }
            var (low, high) = (0.2, 30.0)
            while high - low > 1e-3 * high {
              let middle = (low * high).squareRoot()
              if try fits(middle) { high = middle } else { low = middle }
            }
            return high
          }
          guard let least = try needed(RenyiAccountant()) else { continue }
          let price = (try needed(RenyiAccountant(orders: [order])) ?? .infinity) / least
          print("first \(first), cap \(factor) of its ε: second \(second) needs \(price) of its least noise, at order \(order)")
          worst = max(worst, price)
        }
      }
    }
    #expect(worst < 1.19 && worst > 1.15, "\(worst)")
  }
}
