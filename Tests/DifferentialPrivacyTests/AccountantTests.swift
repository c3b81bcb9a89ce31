import CryptoPrimitives
import DifferentialPrivacy
import Foundation
import Testing

struct AccountantTests {
  /// Noise whose z is exactly the one wanted, for add/remove.
  private func release(z: Double, adjacency: Adjacency = .addRemove, partners: Int = 1) throws
    -> GaussianRelease
  {
    let deltaSquared: Int64 = 1 << 36
    let sigmaSquared = Int64((z * z * Double(deltaSquared)).rounded(.up)) + 4
    return try GaussianRelease(
      sigmaSquared: sigmaSquared, deltaSquared: deltaSquared, dimension: 1000, adjacency: adjacency,
      partnersPerUser: partners)
  }

  @Test func adjacencyDecidesTheDistance() throws {
    let added = try Accounting.bound(for: [.gaussian(release: release(z: 1))], delta: 1e-5)
    let replaced = try Accounting.bound(
      for: [.gaussian(release: release(z: 1, adjacency: .replaceOne))], delta: 1e-5)
    let zeroed = try Accounting.bound(
      for: [.gaussian(release: release(z: 1, adjacency: .zeroOut))], delta: 1e-5)
    #expect(abs(added.epsilon - 4.37718) < 1e-4)
    #expect(abs(replaced.epsilon - 9.99726) < 1e-3)
    #expect(added.epsilon == zeroed.epsilon)
    #expect(added.accountant == "analytic-gaussian" && !added.theorem.isEmpty)
    #expect(added.lowerEpsilon <= added.epsilon && added.lowerEpsilon > added.epsilon * (1 - 1e-9))
    #expect(abs(added.mu - 1) < 1e-6 && abs(added.rho - 0.5) < 1e-6)
  }

  @Test func aUserAtSeveralPartnersIsFurtherAway() throws {
    let twice = try Accounting.bound(for: [.gaussian(release: release(z: 1, partners: 2))], delta: 1e-5)
    let replaced = try Accounting.bound(
      for: [.gaussian(release: release(z: 1, adjacency: .replaceOne))], delta: 1e-5)
    #expect(abs(twice.epsilon - replaced.epsilon) < 1e-9)
    // Sampled: rate 1 − (1−q)² with the whole shift.
    let rate = try SamplingRate(0.1)
    let sampled = try Accounting.bound(
      for: [.poissonSampled(rate: rate, release: release(z: 4, partners: 2))], delta: 1e-5)
    let crude = try Accounting.bound(
      for: [.poissonSampled(rate: SamplingRate(0.19), release: release(z: 2))], delta: 1e-5)
    #expect(abs(sampled.epsilon - crude.epsilon) < 1e-6)
  }

  @Test func budgetSharesComposeToOneGaussian() throws {
    let z = 1.7
    let events = try [0.1, 0.4, 0.5].map {
      PrivacyEvent.gaussian(release: try release(z: z / $0.squareRoot()))
    }
    let together = try Accounting.bound(for: events, delta: 1e-6)
    let alone = try Accounting.bound(for: [.gaussian(release: release(z: z))], delta: 1e-6)
    #expect(abs(together.epsilon - alone.epsilon) < 1e-8)
    let repeated = try Accounting.bound(
      for: [.repeated(event: .gaussian(release: release(z: z * 4)), count: 16)], delta: 1e-6)
    #expect(abs(repeated.epsilon - alone.epsilon) < 1e-8)
  }

  @Test("δ(ε) and ε(δ) are inverse", arguments: [0.05, 0.6, 1, 5, 40])
  func inverse(z: Double) throws {
    for events in [
      [PrivacyEvent.gaussian(release: try release(z: z))],
      [
        .repeated(
          event: .poissonSampled(rate: try SamplingRate(0.02), release: try release(z: z)), count: 300)
      ],
    ] {
      let loss = try PrivacyLossSummary(events)
      for delta in [1e-3, 1e-6, 1e-10] {
        let epsilon = Accounting.epsilon(for: loss, delta: delta)
        if epsilon == 0 { continue }
        let back = Accounting.delta(for: loss, epsilon: epsilon)
        #expect(abs(log(back / delta)) < 1e-4, "z \(z), δ \(delta), ε \(epsilon)")
        #expect(back <= delta * 1.0001)
      }
    }
  }

  @Test func theGaussianCurveIsTheIntegralOfThePositivePart() {
    // δ(ε) = ∫ (p − e^ε q)⁺ by trapezoids, an independent route.
    for mu in [0.05, 0.5, 1, 3] {
      for epsilon in [0.0, 0.2, 1, 4] {
        var sum = 0.0
        let step = 1e-4
        for index in -130_000...130_000 {
          let x = Double(index) * step
          let p = exp(-(x - mu) * (x - mu) / 2)
          sum += max(0, p - exp(epsilon) * exp(-x * x / 2))
        }
        let integral = sum * step / (2 * Double.pi).squareRoot()
        let ours = exp(AnalyticGaussian.logDelta(epsilon: epsilon, mu: mu))
        #expect(abs(ours - integral) < 1e-8 + 1e-6 * integral, "μ \(mu), ε \(epsilon)")
      }
    }
  }

  @Test func integerAndFractionalOrdersAgree() {
    for z in [0.5, 1.0, 3.0, 20] {
      for q in [1e-4, 0.01, 0.3, 0.9] {
        for order in [2.0, 3, 5, 11, 40] {
          let exact = RenyiDivergence.sampledGaussian(order: order, rate: q, noiseMultiplier: z)
          let near = RenyiDivergence.sampledGaussian(order: order + 1e-9, rate: q, noiseMultiplier: z)
          #expect(abs(near / exact - 1) < 1e-6, "z \(z), q \(q), order \(order)")
        }
        // (α − 1)R(α) is convex, R is not decreasing.
        let grid = (1...60).map { 1 + Double($0) / 7 }
        let values = grid.map { RenyiDivergence.sampledGaussian(order: $0, rate: q, noiseMultiplier: z) }
        for index in 1..<grid.count { #expect(values[index] >= values[index - 1] * (1 - 1e-10)) }
        let scaled = zip(grid, values).map { ($0 - 1) * $1 }
        for index in 1..<grid.count - 1 {
          #expect(scaled[index] <= (scaled[index - 1] + scaled[index + 1]) / 2 * (1 + 1e-9))
        }
      }
    }
  }

  @Test func samplingAtRateOneIsNoSampling() {
    for order in [1.5, 2, 7.3, 64] {
      let plain = RenyiDivergence.gaussian(order: order, noiseMultiplier: 1.3)
      let almost = RenyiDivergence.sampledGaussian(order: order, rate: 1 - 1e-12, noiseMultiplier: 1.3)
      #expect(abs(almost / plain - 1) < 1e-6)
      // At high orders the last 1e-12 of the mixture rules the tail.
      if order > 10 { continue }
      let replaced = RenyiDivergence.sampledGaussianReplace(
        order: order, rate: 1 - 1e-12, noiseMultiplier: 1.3)
      #expect(abs(replaced / RenyiDivergence.gaussian(order: order, noiseMultiplier: 0.65) - 1) < 1e-6)
    }
  }

  @Test func replacingCostsMoreThanAddingAndLessThanTwoUsers() throws {
    let rate = try SamplingRate(0.01)
    func epsilon(_ adjacency: Adjacency) throws -> PrivacyBound {
      try Accounting.bound(
        for: [
          .repeated(
            event: .poissonSampled(rate: rate, release: release(z: 1, adjacency: adjacency)), count: 1000)
        ], delta: 1e-6)
    }
    // Published PLD values: 2.1245 and 3.2142; Rényi accounting lies above them.
    let added = try epsilon(.addRemove)
    let replaced = try epsilon(.replaceOne)
    #expect(added.epsilon > 2.1245 && added.epsilon < 2.45)
    #expect(replaced.epsilon > 3.2142 && replaced.epsilon < 3.9)
    #expect(added.lowerEpsilon > 1 && added.lowerEpsilon <= 2.1246)
    #expect(replaced.lowerEpsilon > 1.5 && replaced.lowerEpsilon <= 3.2143)
  }

  @Test func sampledAndUnsampledReleasesComposeUnderRenyi() throws {
    let sampled = PrivacyEvent.repeated(
      event: .poissonSampled(rate: try SamplingRate(0.05), release: try release(z: 1.5)), count: 100)
    let plain = PrivacyEvent.gaussian(release: try release(z: 2))
    let both = try Accounting.bound(for: [sampled, plain], delta: 1e-6)
    #expect(both.accountant == "rdp")
    #expect(both.epsilon > (try Accounting.bound(for: [sampled], delta: 1e-6).epsilon))
    #expect(both.epsilon > (try Accounting.bound(for: [plain], delta: 1e-6).epsilon))
    #expect(both.lowerEpsilon >= (try Accounting.bound(for: [plain], delta: 1e-6).lowerEpsilon))
    #expect(both.lowerEpsilon < both.epsilon)
  }

  @Test("further releases of any of several kinds cost the worst mixture of them, at one order")
  func furtherReleasesOfAnyKind() throws {
    // q = 0.1, five rounds and one release of everybody; eight more of either.
    let sampled = PrivacyEvent.poissonSampled(rate: try SamplingRate(0.1), release: try release(z: 1.525834))
    let plain = PrivacyEvent.gaussian(release: try release(z: 9.626067))
    let planned = try PrivacyLossSummary([.repeated(event: sampled, count: 5), plain])
    let kinds = try [PrivacyLossSummary([sampled]), PrivacyLossSummary([plain])]
    let accountant = RenyiAccountant()
    let bound = accountant.upperEpsilon(planned, and: 8, ofAny: kinds, delta: 1e-6)
    let mixtures = try (0...8).map { count in
      var all = planned
      try all.add(.repeated(event: sampled, count: count))
      try all.add(.repeated(event: plain, count: 8 - count))
      return accountant.upperEpsilon(all, delta: 1e-6)
    }
    let worst = try #require(mixtures.max())
    #expect(worst <= bound && worst > 0.99 * bound, "\(bound), \(mixtures)")
    #expect(worst > 1.002 * max(mixtures[0], mixtures[8]))
    // The value is that of one order, at which every mixture is below it.
    let proves = accountant.orders.contains { order in
      let single = RenyiAccountant(orders: [order])
      return (0...8).allSatisfy { count in
        var all = planned
        try? all.add(.repeated(event: sampled, count: count))
        try? all.add(.repeated(event: plain, count: 8 - count))
        return single.upperEpsilon(all, delta: 1e-6) <= bound
      }
    }
    #expect(proves)
    // None more, or as many of one kind: the composition itself.
    #expect(accountant.upperEpsilon(planned, and: 0, ofAny: kinds, delta: 1e-6) == accountant.upperEpsilon(planned, delta: 1e-6))
    var more = planned
    try more.add(.repeated(event: sampled, count: 8))
    let one = accountant.upperEpsilon(planned, and: 8, ofAny: [kinds[0]], delta: 1e-6)
    #expect(abs(one / accountant.upperEpsilon(more, delta: 1e-6) - 1) < 1e-9)
    // What the theorem about integers does not cover, it does not answer.
    #expect(accountant.upperEpsilon(planned, and: 1 << 40, ofAny: kinds, delta: 1e-6) == .infinity)
  }

  @Test func eventsOfDifferentAdjacencyDoNotCompose() throws {
    let error = #expect(throws: PrivacyParameterError.self) {
      try Accounting.bound(
        for: [.gaussian(release: release(z: 1)), .gaussian(release: release(z: 1, adjacency: .replaceOne))],
        delta: 1e-6)
    }
    #expect(error?.description.contains("one adjacency") == true)
  }

  @Test func kappaOverAllReleasesMustStayNegligible() throws {
    let wide = try GaussianRelease(
      sigmaSquared: 4096, deltaSquared: 100, dimension: 1_000_000, adjacency: .addRemove)
    #expect(wide.kappa < 2.7e-28 && wide.kappa > 2.5e-28)
    let loss = try PrivacyLossSummary([.repeated(event: .gaussian(release: wide), count: 1000)])
    #expect(loss.kappa < 1e-20)
    #expect(throws: PrivacyParameterError.self) {
      try PrivacyLossSummary([.repeated(event: .gaussian(release: wide), count: 1 << 36)])
    }
  }

  @Test("bad δ is refused with a sentence", arguments: [0, 1, 1.5, -1e-6, .nan, .infinity] as [Double])
  func badDelta(delta: Double) throws {
    let error = #expect(throws: PrivacyParameterError.self) {
      try Accounting.bound(for: [.gaussian(release: release(z: 1))], delta: delta)
    }
    #expect(error?.description.contains("δ is") == true)
    #expect(throws: PrivacyParameterError.self) { try PrivacyBudget(epsilon: 1, delta: delta) }
  }

  @Test("bad ε is refused with a sentence", arguments: [0, -1, .nan, .infinity] as [Double])
  func badEpsilon(epsilon: Double) {
    let error = #expect(throws: PrivacyParameterError.self) {
      try PrivacyBudget(epsilon: epsilon, delta: 1e-6)
    }
    #expect(error?.description.contains("ε is") == true)
  }

  @Test func eventsSurviveJSONAndForgedOnesAreRefused() throws {
    let event = PrivacyEvent.composed(events: [
      .gaussian(release: try release(z: 1)),
      .repeated(
        event: .poissonSampled(rate: try SamplingRate(0.25), release: try release(z: 2, partners: 3)),
        count: 7),
    ])
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let json = try encoder.encode(event)
    #expect(try JSONDecoder().decode(PrivacyEvent.self, from: json) == event)
    let text = String(decoding: json, as: UTF8.self)
    #expect(text.contains("\"adjacency\":\"add-remove\""))
    for (good, bad) in [("0.25", "1.25"), ("add-remove", "none"), ("\"shares\":1", "\"shares\":0")] {
      let forged = text.replacingOccurrences(of: good, with: bad)
      #expect(forged != text)
      #expect(throws: (any Error).self) {
        try JSONDecoder().decode(PrivacyEvent.self, from: Data(forged.utf8))
      }
    }
  }

  @Test(
    "loss distributions meet the published values",
    arguments: [
      (1, 0.01, 1000, 1e-6, Adjacency.addRemove, 2.124523), (1, 0.01, 10_000, 1e-6, .addRemove, 6.907419),
      (1, 0.01, 1000, 1e-6, .replaceOne, 3.2142), (2, 0.01, 1000, 1e-6, .replaceOne, 1.3745),
      (0.8, 1e-3, 1000, 1e-6, .addRemove, 0.468), (1, 0.01, 1000, 1e-5, .zeroOut, 1.82824),
    ] as [(Double, Double, Int, Double, Adjacency, Double)])
  func lossDistributions(
    z: Double, q: Double, count: Int, delta: Double, adjacency: Adjacency, expected: Double
  ) throws {
    // The table's z is over one user's norm.
    let noise = try GaussianNoise(
      noiseMultiplier: z / adjacency.distanceFactor, deltaSquared: 1 << 36, dimension: 10,
      adjacency: adjacency)
    let event = PrivacyEvent.repeated(
      event: noise.event(adjacency: adjacency, rate: try SamplingRate(q)), count: count)
    let bound = try Accounting.bound(for: [event], delta: delta, parameters: .fixedByPlan)
    #expect(bound.accountant == "pld")
    #expect(abs(bound.epsilon / expected - 1) < 1e-3)
    #expect(bound.lowerEpsilon < bound.epsilon)
    #expect(bound.epsilon < (try Accounting.bound(for: [event], delta: delta).epsilon))
  }

  @Test(
    "a user with a coin at each of several partners is composed as a mixture, as dp-accounting 0.6.0 does it",
    // z relative to one contribution; MixtureOfGaussiansDpEvent, discretisation 2e-5.
    arguments: [
      (2, 0.01, 1, 100, 1e-6, 1.9707571977), (3, 0.1, 4, 50, 1e-5, 2.3117885902), (5, 0.02, 3, 500, 1e-6, 3.7537454348),
    ] as [(Int, Double, Double, Int, Double, Double)])
  func severalCoins(partners: Int, rate: Double, z: Double, count: Int, delta: Double, expected: Double) throws {
    for adjacency in [Adjacency.addRemove, .zeroOut] {
      let release = try GaussianRelease(
        sigmaSquared: Int64(z * z * 1e10) + 4, deltaSquared: 10_000_000_000, dimension: 10, adjacency: adjacency,
        partnersPerUser: partners)
      let event = PrivacyEvent.repeated(event: .poissonSampled(rate: try SamplingRate(rate), release: release), count: count)
      let bound = try Accounting.bound(for: [event], delta: delta, parameters: .fixedByPlan)
      #expect(abs(bound.epsilon / expected - 1) < 3e-3, "ε \(bound.epsilon)")
      #expect(bound.lowerEpsilon <= expected * (1 + 1e-6) && bound.lowerEpsilon > 0.99 * expected, "ε ≥ \(bound.lowerEpsilon)")
      // Divergences take the whole shift whenever any coin falls.
      #expect(bound.epsilon < 0.5 * (try Accounting.bound(for: [event], delta: delta).epsilon))
    }
  }

  @Test("an answer does not hang on the questions before it or beside it, to the last bit")
  func answersOfTheirOwn() async {
    // Compositions use memory and tables of one another: windows of 2^14 to 2^17 points, several kinds of release, both values.
    let questions: [(z: Double, rate: Double, count: Int)] = [
      (1, 0.01, 1000), (2, 0.1, 5000), (0.7, 0.03, 300), (1, 0.01, 10_000),
    ]
    let summaries = questions.map { question in
      var loss = PrivacyLoss()
      loss.add(noiseMultiplier: question.z, rate: question.rate, count: question.count, adjacency: .addRemove)
      loss.add(noiseMultiplier: 5, count: 2, adjacency: .addRemove)
      return PrivacyLossSummary(loss: loss)
    }
    func answer(_ index: Int) -> [UInt64] {
      let bracket = LossDistributionAccountant().bracket(summaries[index], delta: 1e-6)
      let delta = LossDistributionAccountant().upperDelta(summaries[index], epsilon: bracket.upper)
      return [bracket.lower, bracket.upper, delta].map(\.bitPattern)
    }
    let forwards = questions.indices.map(answer)
    let backwards = questions.indices.reversed().map(answer)
    #expect(forwards == backwards.reversed() && Set(forwards).count == questions.count)
    let beside = await withTaskGroup(of: (Int, [UInt64]).self) { group in
      for turn in 0..<12 { group.addTask { (turn % 4, answer(turn % 4)) } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(beside.count == 12 && beside.allSatisfy { $1 == forwards[$0] })
  }

  @Test("one coin is the mixture of one, and more partners never cost less")
  func moreCoins() throws {
    var last = 0.0
    for partners in 1...4 {
      var loss = PrivacyLoss()
      loss.add(
        noiseMultiplier: 2 / Double(partners), rate: GaussianRelease.anyPartnerRate(0.1, partners: partners), count: 20,
        adjacency: .addRemove, partners: partners, coinRate: 0.1)
      let epsilon = LossDistributionAccountant().upperEpsilon(PrivacyLossSummary(loss: loss), delta: 1e-6)
      #expect(epsilon > last)
      last = epsilon
    }
    // Weights are those of two coins.
    let weights = GaussianRelease.partnerCountProbabilities(0.1, partners: 2)
    #expect(abs(weights[0] - 0.81) < 1e-12 && abs(weights[1] - 0.18) < 1e-12 && abs(weights[2] - 0.01) < 1e-12)
  }

  @Test(
    "on full participation the loss distribution is the exact curve, from above",
    arguments: [0.5, 1, 4, 20] as [Double])
  func lossDistributionOfAGaussian(z: Double) {
    var loss = PrivacyLoss()
    loss.add(noiseMultiplier: z, count: 3, adjacency: .addRemove)
    let summary = PrivacyLossSummary(loss: loss)
    for delta in [1e-3, 1e-6, 1e-12] {
      let exact = AnalyticGaussianAccountant().upperEpsilon(summary, delta: delta)
      let grid = LossDistributionAccountant().upperEpsilon(summary, delta: delta)
      #expect(grid >= exact * (1 - 1e-9) && grid <= exact * (1 + 1e-4), "z \(z), δ \(delta)")
      let back = LossDistributionAccountant().upperDelta(summary, epsilon: exact)
      #expect(back >= delta * (1 - 1e-9) && back <= delta * 1.01)
    }
  }

  @Test func oneSampledReleaseMeetsItsClosedForm() {
    // One release: δ(ε) of (1−q)N(0)+qN(1) against N(0), in closed form for both directions.
    for (z, q) in [(0.7, 0.3), (1.0, 0.01), (3.0, 0.5)] {
      var loss = PrivacyLoss()
      loss.add(noiseMultiplier: z, rate: q, count: 1, adjacency: .addRemove)
      let cumulative = { (x: Double) in 0.5 * erfc(-x / 2.0.squareRoot()) }
      for epsilon in [0.05, 0.3] {
        // Removing: loss above ε right of x. δ = (1−q−e^ε)·P(X > x) + q·P(X > x − 1).
        let right = z * z * log((exp(epsilon) - 1 + q) / q) + 0.5
        let removing = (1 - q - exp(epsilon)) * cumulative(-right / z) + q * cumulative((1 - right) / z)
        var adding = 0.0
        if exp(-epsilon) > 1 - q {
          let left = z * z * log((exp(-epsilon) - 1 + q) / q) + 0.5
          adding =
            (1 - exp(epsilon) * (1 - q)) * cumulative(left / z)
            - exp(epsilon) * q * cumulative((left - 1) / z)
        }
        let exact = max(removing, adding)
        let ours = LossDistributionAccountant().upperDelta(PrivacyLossSummary(loss: loss), epsilon: epsilon)
        #expect(
          ours >= exact * (1 - 1e-9) && ours <= exact * 1.01,
          "z \(z), q \(q), ε \(epsilon): \(ours), \(exact)")
      }
    }
  }

  @Test func aPlanCalibratedByLossDistributionsRunsToItsEnd() throws {
    let cap = try PrivacyBudget(epsilon: 2, delta: 1e-6)
    let rate = try SamplingRate(0.05)
    let z = try Calibration.noiseMultiplier(
      for: cap, rate: rate, count: 12, adjacency: .addRemove, parameters: .fixedByPlan)
    #expect(
      z < (try Calibration.noiseMultiplier(for: cap, rate: rate, count: 12, adjacency: .addRemove)))
    let noise = try GaussianNoise(
      noiseMultiplier: z, deltaSquared: 1 << 30, dimension: 10, adjacency: .addRemove)
    let event = noise.event(adjacency: .addRemove, rate: rate)
    var filter = PrivacyFilter(cap: cap, parameters: .fixedByPlan)
    for _ in 0..<12 { try filter.spend(event) }
    #expect(!filter.canSpend(event))
    #expect(filter.epsilonSpent <= 2 && filter.epsilonSpent > 1.999)
  }
}
