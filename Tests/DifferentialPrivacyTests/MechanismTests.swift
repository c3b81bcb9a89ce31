import DifferentialPrivacy
import Foundation
import Testing

/// What every mechanism must obey, whatever its numbers.
struct MechanismTests {
  @Test("The Skellam bound is taken at integer orders; between them it is the line of a convex function, above the sum itself")
  func skellamBetweenIntegers() throws {
    for (variance, distance) in [(2.0, 1), (30, 3)] {
      let loss = try PrivacyLossSummary(
        .release(.skellam(variance: variance, l1: Double(distance), l2: Double(distance)), sampling: .everyone),
        adjacency: .addRemove
      ).loss
      func divergence(_ order: Double) -> Double { RenyiAccountant(orders: [order]).curve(of: loss)[0] }
      for order in [1.25, 1.5, 2.5, 7.3, 20.9] {
        let (low, weight) = (order.rounded(.down), order - order.rounded(.down))
        let below = low == 1 ? 0 : (low - 1) * divergence(low)
        let line = (1 - weight) * below + weight * low * divergence(low + 1)
        #expect(abs((order - 1) * divergence(order) / line - 1) < 1e-12)
        #expect(divergence(order) >= SkellamNoise.exactRenyi(order: order, variance: variance, distance: distance) * (1 - 1e-9))
      }
    }
  }

  private func bound(
    _ mechanism: Mechanism, _ sampling: CohortSampling = .everyone, count: Int = 1, delta: Double = 1e-5,
    adjacency: Adjacency = .addRemove
  ) throws -> PrivacyBound {
    let loss = try PrivacyLossSummary(
      .repeated(.release(mechanism, sampling: sampling), count: count), adjacency: adjacency)
    return try Accounting.best(for: loss, delta: delta)
  }

  static let sampledMechanisms: [(Mechanism, CohortSampling, Int, Adjacency)] = [
    (.gaussian(noiseMultiplier: 0.7), .poisson(rate: 0.02), 300, .addRemove),
    (.gaussian(noiseMultiplier: 1.3), .poisson(rate: 0.3), 40, .replaceOne),
    (.gaussian(noiseMultiplier: 1), .poisson(rate: 1e-4), 5000, .addRemove),
    (.gaussian(noiseMultiplier: 2), .truncatedPoisson(rate: 0.1, users: 10_000, cap: 1050), 50, .addRemove),
    (.gaussian(noiseMultiplier: 2), .fixedSize(fraction: 0.05), 100, .replaceOne),
    (.laplace(scale: 4), .everyone, 30, .addRemove), (.laplace(scale: 2), .poisson(rate: 0.1), 30, .zeroOut),
    (.discreteLaplace(decay: 0.2, sensitivity: 3), .everyone, 10, .addRemove),
    (.discreteGaussian(sigma: 2, sensitivity: 1), .everyone, 10, .replaceOne),
    (.discreteGaussian(sigma: 3, sensitivity: 2), .poisson(rate: 0.2), 20, .addRemove),
    (.skellam(variance: 30, l1: 2, l2: 2), .everyone, 10, .addRemove),
    (.skellam(variance: 1e6, l1: 900, l2: 60), .poisson(rate: 0.1), 10, .addRemove),
    (.distributedDiscreteGaussian(shares: 50, shareSigma: 2, dimension: 256, l1: 160, l2: 10), .everyone, 5, .addRemove),
    (.randomizedResponse(noise: 0.6, buckets: 7), .everyone, 15, .zeroOut),
    (.concentrated(rho: 0.02, xi: 0), .everyone, 10, .addRemove),
  ]

  @Test("The lower value is never above the upper one, and Rényi never below the lower", arguments: sampledMechanisms.indices)
  func brackets(index: Int) throws {
    let (mechanism, sampling, count, adjacency) = Self.sampledMechanisms[index]
    let loss = try PrivacyLossSummary(
      .repeated(.release(mechanism, sampling: sampling), count: count), adjacency: adjacency)
    for delta in [1e-3, 1e-6, 1e-9] {
      let best = try Accounting.best(for: loss, delta: delta)
      #expect(best.epsilon.isFinite && best.epsilon > 0)
      #expect(best.lowerEpsilon <= best.epsilon)
      #expect(!best.theorem.isEmpty && best.adjacency == adjacency)
      for accountant in [LossDistributionAccountant(), RenyiAccountant()] as [any PrivacyAccountant] where accountant.covers(loss)
      {
        #expect(accountant.upperEpsilon(loss, delta: delta) >= best.lowerEpsilon * (1 - 1e-9), "\(mechanism) \(accountant.name)")
        #expect(accountant.upperEpsilon(loss, delta: delta) >= best.epsilon * (1 - 1e-3), "\(mechanism) \(accountant.name)")
      }
    }
  }

  @Test("More rounds, a larger rate and less noise cost more", arguments: [Adjacency.addRemove, .replaceOne])
  func monotone(adjacency: Adjacency) throws {
    func epsilon(_ z: Double, _ q: Double, _ count: Int) throws -> Double {
      try bound(.gaussian(noiseMultiplier: z), .poisson(rate: q), count: count, adjacency: adjacency).epsilon
    }
    // A tenth apart each, well above what a grid can do.
    let rounds = try [100, 110, 200, 2000].map { try epsilon(1.1, 0.02, $0) }
    let rates = try [1e-3, 1.1e-3, 0.01, 0.1, 0.5].map { try epsilon(1.1, $0, 100) }
    let noises = try [0.6, 0.66, 1, 2, 10].map { try epsilon($0, 0.02, 100) }
    #expect(rounds == rounds.sorted() && rates == rates.sorted() && noises == noises.sorted(by: >))
    #expect(Set(rounds + rates + noises).count >= rounds.count + rates.count + noises.count - 2)
  }

  @Test func releasesComposedOneByOneCostWhatTheyCostTogether() throws {
    let sampled = MechanismEvent.release(.gaussian(noiseMultiplier: 1), sampling: .poisson(rate: 0.05))
    let laplace = MechanismEvent.release(.laplace(scale: 10), sampling: .everyone)
    let together = MechanismEvent.composed([.repeated(sampled, count: 60), .repeated(laplace, count: 4)])
    let pieces = MechanismEvent.composed([
      .repeated(.composed([.repeated(sampled, count: 10), laplace]), count: 4), .repeated(sampled, count: 20),
    ])
    let one = try PrivacyLossSummary(together, adjacency: .addRemove)
    let other = try PrivacyLossSummary(pieces, adjacency: .addRemove)
    #expect(one == other)
    // And a composition of two kinds that are really one: a rate of 0.05 in two places of the grid.
    let nearly = MechanismEvent.composed([
      .repeated(sampled, count: 30),
      .repeated(.release(.gaussian(noiseMultiplier: 1), sampling: .poisson(rate: 0.05 * (1 + 1e-12))), count: 30),
      .repeated(laplace, count: 4),
    ])
    let epsilon = try Accounting.best(for: one, delta: 1e-6)
    let split = try Accounting.best(for: PrivacyLossSummary(nearly, adjacency: .addRemove), delta: 1e-6)
    #expect(abs(split.epsilon / epsilon.epsilon - 1) < 5e-4)
    #expect(split.lowerEpsilon <= epsilon.epsilon && epsilon.lowerEpsilon <= split.epsilon)
  }

  @Test func bothDirectionsCountWhereTheyDiffer() throws {
    // At a large δ adding costs more than removing; the answer is the larger one, at every δ.
    for delta in [1e-1, 1e-2, 1e-4] {
      let epsilon = try bound(.gaussian(noiseMultiplier: 0.5), .poisson(rate: 0.7), delta: delta).epsilon
      let cumulative = { (x: Double) in 0.5 * erfc(-x / 2.0.squareRoot()) }
      // The curve of the adding direction in closed form, at our ε: not above δ.
      let (z, q) = (0.5, 0.7)
      var adding = 0.0
      if exp(-epsilon) > 1 - q {
        let left = z * z * log((exp(-epsilon) - 1 + q) / q) + 0.5
        adding =
          (1 - exp(epsilon) * (1 - q)) * cumulative(left / z) - exp(epsilon) * q * cumulative((left - 1) / z)
      }
      let right = z * z * log((exp(epsilon) - 1 + q) / q) + 0.5
      let removing = (1 - q - exp(epsilon)) * cumulative(-right / z) + q * cumulative((1 - right) / z)
      #expect(max(adding, removing) <= delta * (1 + 1e-6) && max(adding, removing) > delta * 0.99)
    }
  }

  @Test func symmetricMechanismsCostTheSameBothWays() throws {
    let added = try bound(.laplace(scale: 3), count: 7).epsilon
    let zeroed = try bound(.laplace(scale: 3), count: 7, adjacency: .zeroOut).epsilon
    let replaced = try bound(.laplace(scale: 6), count: 7, adjacency: .replaceOne).epsilon
    #expect(added == zeroed && abs(replaced / added - 1) < 1e-9)
    let answer = try bound(.randomizedResponse(noise: 0.5, buckets: 4), adjacency: .replaceOne)
    #expect(abs(answer.epsilon - log(5.0)) < 1e-3)
  }

  @Test func purePrivacyIsNeverExceeded() throws {
    #expect(try bound(.laplace(scale: 0.5), delta: 1e-12).epsilon <= 2 * (1 + 1e-6))
    #expect(try bound(.laplace(scale: 10), count: 3, delta: 1e-12).epsilon <= 0.3 * (1 + 1e-6))
    #expect(try bound(.discreteLaplace(decay: 0.3, sensitivity: 2), count: 3, delta: 1e-12).epsilon <= 1.8 * (1 + 1e-6))
  }

  @Test(
    "values of others",
    arguments: [
      // dp-accounting 0.6.0 with a grid of 2e-6; the grid of 1e-4 says 0.0651.
      (
        "SelfComposedDpEvent(event=PoissonSampledDpEvent(sampling_probability=0.0001, event=GaussianDpEvent(noise_multiplier=1.0)), count=10000)",
        1e-8, 0.06230439490188975, 1e-3
      ),
      // The Gboard model of 2022 with ρ = 0.81, as a Gaussian.
      ("GaussianDpEvent(noise_multiplier=0.7856742013183862)", 1e-10, 8.549, 1e-4),
      // prv-accountant at T = 10,000: 6.907386 ± 0.0103.
      (
        "SelfComposedDpEvent(event=PoissonSampledDpEvent(sampling_probability=0.01, event=GaussianDpEvent(noise_multiplier=1.0)), count=10000)",
        1e-6, 6.907386, 2e-4
      ),
    ])
  func published(event: String, delta: Double, epsilon: Double, tolerance: Double) throws {
    let loss = try PrivacyLossSummary(EventText.event(event), adjacency: .addRemove)
    let ours = try Accounting.best(for: loss, delta: delta)
    #expect(abs(ours.epsilon / epsilon - 1) < tolerance, "\(ours.epsilon)")
    #expect(ours.lowerEpsilon > epsilon * (1 - 2e-3) && ours.lowerEpsilon <= ours.epsilon)
  }

  @Test func moreRunsOfASearchCostMoreAndOneRunIsTheCheapest() throws {
    let run = MechanismEvent.repeated(
      .release(.gaussian(noiseMultiplier: 1), sampling: .poisson(rate: 0.01)), count: 1000)
    let single = try Accounting.best(for: PrivacyLossSummary(run, adjacency: .addRemove), delta: 1e-6).epsilon
    for shape in [
      RepetitionLaw.Shape.truncatedNegativeBinomial(0), .truncatedNegativeBinomial(1), .truncatedNegativeBinomial(2.5), .poisson,
    ] {
      let costs = try [2.0, 10, 100].map { mean in
        let event = MechanismEvent.best(of: run, law: try RepetitionLaw(shape: shape, mean: mean))
        return try Accounting.best(for: PrivacyLossSummary(event, adjacency: .addRemove), delta: 1e-6).epsilon
      }
      #expect(costs == costs.sorted() && costs[0] > single, "\(shape): \(costs)")
    }
  }

  @Test func aRényiCurveOfAGaussianCostsWhatTheGaussianCosts() throws {
    let points = RenyiAccountant.defaultOrders.map { RenyiPoint(order: $0, divergence: $0 / 8) }
    let curve = try bound(.renyiCurve(points)).epsilon
    let rdp = try Accounting.bound(
      for: PrivacyLossSummary(.release(.gaussian(noiseMultiplier: 2), sampling: .everyone), adjacency: .addRemove),
      delta: 1e-5, by: RenyiAccountant()
    ).epsilon
    let concentrated = try bound(.concentrated(rho: 0.125, xi: 0)).epsilon
    #expect(abs(curve / rdp - 1) < 1e-9 && abs(concentrated / rdp - 1) < 1e-9)
    // Few orders are valid, and looser.
    let few = try bound(.renyiCurve([RenyiPoint(order: 4, divergence: 0.5), RenyiPoint(order: 32, divergence: 4)])).epsilon
    #expect(few > curve && few.isFinite)
  }

  @Test func treesAndFactorisationsAreGaussian() throws {
    let tree = try TreeAggregation(stepsPerTree: 16, trees: 4)
    #expect(tree.sensitivitySquared == 20 && tree.isExact)
    let ours = try bound(.tree(noiseMultiplier: 4, tree), adjacency: .zeroOut)
    let gaussian = try bound(.gaussian(noiseMultiplier: 4 / 20.0.squareRoot()), adjacency: .zeroOut)
    #expect(abs(ours.epsilon / gaussian.epsilon - 1) < 1e-12 && ours.accountant == "analytic-gaussian")
    // Too much work for the exact pattern: a bound, and not below what a smaller tree has.
    let large = try TreeAggregation(steps: 1 << 16, participations: 20, between: 2000)
    let small = try TreeAggregation(steps: 64, participations: 4, between: 15)
    #expect(!large.isExact && large.sensitivitySquared > small.sensitivitySquared)
    let rising = try MatrixFactorisation(coefficients: [1, 2, 3], steps: 9, participations: 3, separation: 1)
    #expect(!rising.isExact && rising.sensitivitySquared >= 14 * 3)
  }

  @Test func adaptiveClippingSplitsOneBudget() throws {
    let update = try AdaptiveClipping.updateNoiseMultiplier(total: 0.8, countDeviation: 1)
    #expect(abs(update - 0.8728715609439696) < 1e-12)
    // Both releases together are the one that is accounted.
    let both = try Accounting.best(
      for: PrivacyLossSummary(
        .composed([
          .release(.gaussian(noiseMultiplier: update), sampling: .everyone),
          .release(.gaussian(noiseMultiplier: 2), sampling: .everyone),
        ]), adjacency: .addRemove), delta: 1e-5)
    #expect(abs(both.epsilon / (try bound(.gaussian(noiseMultiplier: 0.8)).epsilon) - 1) < 1e-9)
    #expect(throws: PrivacyParameterError.self) { try AdaptiveClipping.updateNoiseMultiplier(total: 2, countDeviation: 1) }
  }

  @Test(
    "events that are not covered are refused by name",
    arguments: [
      ("ShuffledDpEvent(event=GaussianDpEvent(noise_multiplier=1.0))", "ShuffledDpEvent is not covered"),
      ("ComposedDpEvent(events=[GaussianDpEvent(noise_multiplier=1.0), NonPrivateDpEvent()])", "NonPrivateDpEvent"),
      ("GaussianDpEvent(noise_multiplier=0.0)", "expected a positive number"),
      ("GaussianDpEvent(noise_multiplier=1.0", "not closed"), ("GaussianDpEvent()", "without noise_multiplier"),
      ("PoissonSampledDpEvent(sampling_probability=1.5, event=GaussianDpEvent(noise_multiplier=1.0))", "sampling rate"),
      ("PoissonSampledDpEvent(sampling_probability=0.1, event=ZCDpEvent(rho=1.0))", "sampled a zCDP mechanism"),
      ("SelfComposedDpEvent(event=GaussianDpEvent(noise_multiplier=1.0), count=-1)", "expected 0 or more"), ("7", "expected"),
    ])
  func refusals(text: String, sentence: String) throws {
    let error = #expect(throws: PrivacyParameterError.self) {
      try PrivacyLossSummary(EventText.event(text), adjacency: .addRemove)
    }
    #expect(error?.description.contains(sentence) == true, "\(error?.description ?? "")")
  }

  @Test func adjacenciesThatDoNotFitAreRefused() throws {
    for (mechanism, sampling, adjacency) in [
      (Mechanism.gaussian(noiseMultiplier: 1), CohortSampling.fixedSize(fraction: 0.1), Adjacency.addRemove),
      (.randomizedResponse(noise: 0.5, buckets: 3), .everyone, .addRemove),
      (.tree(noiseMultiplier: 1, try TreeAggregation(stepsPerTree: 4, trees: 1)), .everyone, .addRemove),
      (.laplace(scale: 1), .poisson(rate: 0.1), .replaceOne), (.laplace(scale: 1), .fixedSize(fraction: 0.1), .replaceOne),
    ] {
      #expect(throws: PrivacyParameterError.self) {
        try PrivacyLossSummary(.release(mechanism, sampling: sampling), adjacency: adjacency)
      }
    }
  }

  @Test func everyParameterCanBeCalibrated() throws {
    let budget = try PrivacyBudget(epsilon: 2, delta: 1e-6)
    func event(_ z: Double, _ q: Double, _ count: Int) -> MechanismEvent {
      .repeated(.release(.gaussian(noiseMultiplier: z), sampling: .poisson(rate: q)), count: count)
    }
    func epsilon(_ event: MechanismEvent) throws -> Double {
      try Accounting.best(for: PrivacyLossSummary(event, adjacency: .addRemove), delta: 1e-6).epsilon
    }
    let z = try Calibration.noise(for: budget, adjacency: .addRemove) { event($0, 0.01, 1000) }
    #expect(abs(z - 1.0291) < 2e-3 || z > 1)
    #expect(try epsilon(event(z, 0.01, 1000)) <= 2 && epsilon(event(z * 0.999, 0.01, 1000)) > 1.995)
    let q = try Calibration.rate(for: budget, adjacency: .addRemove) { event(1, $0, 1000) }
    #expect(try epsilon(event(1, q, 1000)) <= 2 && epsilon(event(1, q * 1.002, 1000)) > 2)
    let rounds = try Calibration.rounds(for: budget, adjacency: .addRemove) { event(1, 0.01, $0) }
    #expect(try epsilon(event(1, 0.01, rounds)) <= 2 && epsilon(event(1, 0.01, rounds + rounds / 100)) > 2)
    let delta = try Calibration.delta(epsilon: 2, adjacency: .addRemove, event(1, 0.01, 1000))
    #expect(delta > 1e-6 && delta < 1e-5)
    #expect(throws: PrivacyParameterError.self) {
      try Calibration.rounds(for: budget, adjacency: .addRemove) { event(0.2, 1, $0) }
    }
  }
}
