import DifferentialPrivacy
import Foundation
import Testing

/// What one accountant says is at least must never be above what another says is at most.
struct OrderTests {
  private struct Question: CustomStringConvertible {
    let z, rate: Double
    let count: Int
    let delta: Double
    let partners: Int
    let adjacency: Adjacency

    /// The deviation z is over all that a user can move.
    var summary: PrivacyLossSummary {
      var loss = PrivacyLoss()
      if rate < 1 {
        loss.add(
          noiseMultiplier: z, rate: GaussianRelease.anyPartnerRate(rate, partners: partners), count: count, adjacency: adjacency,
          partners: partners, coinRate: rate)
      } else {
        loss.add(noiseMultiplier: z, count: count, adjacency: adjacency)
      }
      return PrivacyLossSummary(loss: loss)
    }

    var description: String { "z \(z), q \(rate), m \(partners), \(count) times, δ \(delta), \(adjacency)" }
  }

  private func check(_ question: Question, asksBest: Bool = true) throws {
    let summary = question.summary
    let accountants: [any PrivacyAccountant] = [
      AnalyticGaussianAccountant(), LossDistributionAccountant(), RenyiAccountant(),
    ]
    var lower = (value: 0.0, name: "")
    var upper = (value: Double.infinity, name: "")
    for accountant in accountants where accountant.covers(summary) {
      let bracket = accountant.bracket(summary, delta: question.delta)
      #expect(!(bracket.lower > bracket.upper), "\(accountant.name), \(question)")
      if bracket.lower > lower.value { lower = (bracket.lower, accountant.name) }
      if bracket.upper < upper.value { upper = (bracket.upper, accountant.name) }
      #expect(!bracket.lower.isNaN && !bracket.upper.isNaN, "\(accountant.name), \(question)")
    }
    #expect(
      lower.value <= upper.value,
      "\(lower.name) proves ε ≥ \(lower.value), \(upper.name) ε ≤ \(upper.value): \(question)")
    guard asksBest else { return }
    let best = try Accounting.best(for: summary, delta: question.delta)
    #expect(best.epsilon >= PrivacyLowerBound.epsilon(summary, delta: question.delta), "\(question)")
  }

  @Test("every lower value is below every upper value, for rare and frequent samples, few and very many rounds", arguments: 1...4)
  func order(partners: Int) throws {
    var random = SplitMix(state: UInt64(partners))
    for index in 0..<14 {
      let rate = index % 6 == 0 ? 1 : random.power(-7, -0.2)
      // Half of the questions are about where the composition is neither nothing nor everything.
      let z = random.power(-0.4, 2.5)
      var count = Int(pow(2, 40 * random.unit()))
      if index.isMultiple(of: 2) {
        let one = rate * rate * expm1(min(1 / (z * z), 50))
        count = Int(min(0x1p40, max(1, random.power(-3, 1.5) / one)))
      }
      try check(
        Question(
          z: z, rate: rate, count: count, delta: random.power(-14, -3), partners: partners,
          adjacency: index.isMultiple(of: 3) ? .replaceOne : .addRemove), asksBest: index.isMultiple(of: 4))
    }
  }

  @Test(
    "rare samples still cost what an attack proves",
    // In each of them δ(0) is above δ, and the divergence of a release is near the rounding of a moment.
    arguments: [
      (10, 1e-6, 10, 1e-9), (20, 1e-7, 100, 1e-10), (9.466, 2.45e-7, 11_900_000_000, 2.3e-14),
      (82.81, 1.12e-5, 25_178_107_760, 1.4e-7), (92.39, 9.13e-6, 220_058, 2.9e-6), (30, 1e-7, 1 << 40, 1e-8),
    ] as [(Double, Double, Int, Double)])
  func rareSamples(z: Double, rate: Double, count: Int, delta: Double) throws {
    for adjacency in [Adjacency.addRemove, .replaceOne] {
      let question = Question(z: z, rate: rate, count: count, delta: delta, partners: 1, adjacency: adjacency)
      try check(question)
      // δ(0) of one release alone, q·TV, is a part of all of them.
      let alone = rate * erf(1 / (z * 8.0.squareRoot()))
      if alone > 2 * delta { #expect(try Accounting.best(for: question.summary, delta: delta).epsilon > 0, "\(question)") }
    }
  }

  @Test(
    "losses beyond what a Double's exponential holds are not taken for small ones",
    arguments: [(0.621, 515, 4.3e-8), (0.8, 1000, 1e-6), (0.7, 700, 1e-6), (0.02, 1, 1e-9), (0.05, 4, 1e-5)]
      as [(Double, Int, Double)])
  func greatLosses(z: Double, count: Int, delta: Double) throws {
    let summary = Question(z: z, rate: 1, count: count, delta: delta, partners: 1, adjacency: .addRemove).summary
    let exact = AnalyticGaussianAccountant().bracket(summary, delta: delta)
    let grid = LossDistributionAccountant().bracket(summary, delta: delta)
    #expect(exact.upper > 400)
    #expect(grid.upper >= exact.lower, "ε ≤ \(grid.upper), exact \(exact.lower)")
    #expect(grid.lower <= exact.upper, "ε ≥ \(grid.lower), exact \(exact.upper)")
  }

  @Test("probabilities with few digits are no finite losses", arguments: [0.0259, 0.02594, 0.026, 0.0265, 0.0262])
  func deniedDigits(sigma: Double) {
    // e^(−1/(2σ²)) is a number of few binary digits: the other outcome of the two that matter, seen from the neighbour.
    var loss = PrivacyLoss()
    loss.add(.discreteGaussian(sigma: sigma, distance: 1, rate: 1), count: 1, adjacency: .addRemove)
    let bracket = LossDistributionAccountant().bracket(PrivacyLossSummary(loss: loss), delta: 1e-5)
    let truth = 1 / (2 * sigma * sigma)
    #expect(bracket.upper >= truth * (1 - 1e-7), "ε ≤ \(bracket.upper), true \(truth)")
    #expect(bracket.lower <= truth * (1 + 1e-7), "ε ≥ \(bracket.lower), true \(truth)")
    // δ(ε) = 1 − e^(ε − truth) of an outcome that happens nearly always: an infinite loss counts whole.
    let delta = LossDistributionAccountant().upperDelta(PrivacyLossSummary(loss: loss), epsilon: truth - 1)
    #expect(delta >= -expm1(-1) * (1 - 1e-9) && delta <= 1, "δ ≤ \(delta)")
  }

  @Test(
    "nor of a sampled release, whose losses stand on no grid of their own",
    // e^(−1/(2σ²)) is 1.1 to 2.4 times the least number above 0: the quotient with it is off by up to a half.
    arguments: [1.1, 1.3, 1.45, 1.55, 1.7, 1.9, 2.1, 2.4])
  func deniedDigitsSampled(units: Double) {
    let exponent = 1074 * log(2.0) - log(units)
    let sigma = (1 / (2 * exponent)).squareRoot()
    let delta = 1e-5
    var loss = PrivacyLoss()
    loss.add(.discreteGaussian(sigma: sigma, distance: 1, rate: 0.5), count: 1, adjacency: .addRemove)
    let bracket = LossDistributionAccountant().bracket(PrivacyLossSummary(loss: loss), delta: delta)
    // With probability a half the user moves the outcome to where its neighbour is with e^(−exponent): δ(ε) = 1/2 − e^(ε − exponent).
    let truth = exponent + log(0.5 - delta)
    #expect(bracket.upper >= truth * (1 - 1e-9), "ε ≤ \(bracket.upper), true \(truth)")
    #expect(bracket.lower <= truth * (1 + 1e-9), "ε ≥ \(bracket.lower), true \(truth)")
  }

  @Test("an attack on more coins than can be counted in a moment is not tried, and claims nothing")
  func coinsBeyondCounting() {
    for (count, isTried) in [(1 << 34, true), (1 << 40, false)] {
      // 12 deviations of 2^34 fair coins are 0.8 million to either side, of 2^40 ones 6.3 million.
      let question = Question(
        z: Double(count).squareRoot(), rate: 0.5, count: count, delta: 1e-6, partners: 1, adjacency: .addRemove)
      let lower = PrivacyLowerBound.epsilon(question.summary, delta: 1e-6)
      #expect(isTried ? lower > 1 : lower == 0, "2^40 coins: ε ≥ \(lower)")
    }
  }

  @Test("what is below stands for users that can be: one release, by the integral of its definition", arguments: 1...4)
  func onePair(partners m: Int) throws {
    for (z, rate, delta) in [(1.0, 0.1, 1e-5), (0.8, 0.3, 1e-6), (2.0, 0.05, 1e-4)] {
      for adjacency in [Adjacency.addRemove, .replaceOne] {
        // z over one contribution. Add-remove: the mixture against none, both ways. Replace-one: the other user's point the other way.
        let weights = GaussianRelease.partnerCountProbabilities(rate, partners: m)
        let width = 0.005 * (Double(m) + 9 * z)
        let values = (-1...1).map { sign in
          (-2400...2400).map { step -> Double in
            let x = Double(step) * width
            return weights.indices.reduce(0.0) { sum, j in
              let distance = x - Double(sign * j)
              return sum + weights[j] * exp(-distance * distance / (2 * z * z))
            }
          }
        }
        let (mirrored, none, shifted) = (values[0], values[1], values[2])
        let scale = width / (z * (2 * Double.pi).squareRoot())
        let directions = adjacency == .replaceOne ? [(shifted, mirrored)] : [(shifted, none), (none, shifted)]
        let truth =
          directions.map { p, q in
            var (low, high) = (0.0, 60.0)
            for _ in 0..<40 {
              let middle = (low + high) / 2
              let grown = exp(middle)
              var sum = 0.0
              for index in p.indices { sum += max(0, p[index] - grown * q[index]) }
              if sum * scale > delta { low = middle } else { high = middle }
            }
            return high
          }.max() ?? 0
        let question = Question(
          z: z / Double(m) / adjacency.distanceFactor, rate: rate, count: 1, delta: delta, partners: m, adjacency: adjacency)
        // Beside something that costs nothing, the lower value is a composition of pairs; the crude one would be no pair of users.
        var beside = question.summary.loss
        beside.add(.laplace(scale: 1e7, rate: 1), count: 1, adjacency: adjacency)
        let composed = PrivacyLowerBound.epsilon(PrivacyLossSummary(loss: beside), delta: delta)
        #expect(composed <= truth * 1.001, "composed: \(composed), true \(truth), \(question)")
        if m == 1 || adjacency == .addRemove { #expect(composed >= 0.9 * truth, "composed: \(composed), true \(truth)") }
        for accountant in [LossDistributionAccountant(), RenyiAccountant()] as [any PrivacyAccountant] {
          let bracket = accountant.bracket(question.summary, delta: delta)
          #expect(
            bracket.lower <= truth * 1.001 && bracket.upper >= truth * 0.999,
            "\(accountant.name): \(bracket), true \(truth), \(question)")
          #expect(bracket.lower >= 0.8 * truth, "\(accountant.name): \(bracket), true \(truth), \(question)")
        }
      }
    }
  }
}

private struct SplitMix {
  var state: UInt64

  mutating func unit() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
  }

  /// 10 to a uniform power.
  mutating func power(_ low: Double, _ high: Double) -> Double { pow(10, low + (high - low) * unit()) }
}
