import DifferentialPrivacy
import Foundation
import Testing

struct FilterTests {
  private func noise(z: Double, dimension: Int = 100) throws -> GaussianNoise {
    try GaussianNoise(noiseMultiplier: z, deltaSquared: 1 << 30, dimension: dimension, adjacency: .addRemove)
  }

  @Test(
    "an exactly calibrated plan runs to its end and not one release further",
    arguments: [1, 2, 4, 8] as [Double])
  func exactPlan(epsilon: Double) throws {
    let cap = try PrivacyBudget(epsilon: epsilon, delta: 1e-6)
    let multipliers = try Calibration.noiseMultipliers(
      for: cap, shares: [0.1, 0.405, 0.12375, 0.12375, 0.12375, 0.12375])
    var filter = PrivacyFilter(cap: cap)
    for z in multipliers {
      let event = try noise(z: z).event(adjacency: .addRemove)
      #expect(filter.canSpend(event))
      try filter.spend(event)
    }
    #expect(filter.epsilonSpent <= epsilon && filter.epsilonSpent > epsilon * (1 - 1e-6))
    let more = try noise(z: 1000).event(adjacency: .addRemove)
    #expect(!filter.canSpend(more))
    let spent = filter.epsilonSpent
    #expect(throws: BudgetRefusal.self) { try filter.spend(more) }
    #expect(filter.epsilonSpent == spent && filter.events.count == 6)
  }

  @Test func aSampledPlanStopsAtItsLastRelease() throws {
    let cap = try PrivacyBudget(epsilon: 2, delta: 1e-6)
    let rate = try SamplingRate(0.05)
    let z = try Calibration.noiseMultiplier(for: cap, rate: rate, count: 40, adjacency: .addRemove)
    let event = try noise(z: z).event(adjacency: .addRemove, rate: rate)
    var filter = PrivacyFilter(cap: cap)
    var released = 0
    while filter.canSpend(event) {
      try filter.spend(event)
      released += 1
    }
    #expect(released == 40)
    do {
      try filter.spend(event)
      Issue.record("the 41st release must be refused")
    } catch {
      guard case .exhausted(let exhausted) = error else { throw error }
      #expect(exhausted.epsilonNeeded > 2 && exhausted.epsilonSpent <= 2)
      #expect(error.description.contains("cap"))
    }
  }

  @Test func aFilterResumesFromItsEvents() throws {
    let cap = try PrivacyBudget(epsilon: 1, delta: 1e-6)
    let event = try noise(z: 10).event(adjacency: .addRemove)
    var filter = PrivacyFilter(cap: cap)
    try filter.spend(event)
    try filter.spend(event)
    let resumed = try PrivacyFilter(cap: cap, resuming: filter.events)
    #expect(resumed.epsilonSpent == filter.epsilonSpent)
    let other = try noise(z: 100).event(adjacency: .replaceOne)
    #expect(!resumed.canSpend(other))
  }

  @Test(
    "calibrated z meet the published values",
    arguments: [(1, 4.2247), (2, 2.2305), (4, 1.1935), (8, 0.6529)] as [(Double, Double)])
  func publishedMultipliers(epsilon: Double, z: Double) throws {
    let ours = try Calibration.noiseMultiplier(for: PrivacyBudget(epsilon: epsilon, delta: 1e-6))
    #expect(abs(ours - z) < 6e-5)
  }

  @Test func calibrationIsTightForSampledPlansAndBesideOthers() throws {
    let cap = try PrivacyBudget(epsilon: 3, delta: 1e-6)
    let beside = try PrivacyLossSummary([noise(z: 3).event(adjacency: .addRemove)])
    let rate = try SamplingRate(0.02)
    let z = try Calibration.noiseMultiplier(
      for: cap, rate: rate, count: 200, adjacency: .addRemove, partnersPerUser: 2, beside: beside)
    let noise = try GaussianNoise(
      noiseMultiplier: z, deltaSquared: 1 << 30, dimension: 10, adjacency: .addRemove, partnersPerUser: 2)
    var loss = beside
    try loss.add(
      .repeated(event: noise.event(adjacency: .addRemove, partnersPerUser: 2, rate: rate), count: 200))
    let epsilon = Accounting.epsilon(for: loss, delta: 1e-6)
    #expect(epsilon <= 3 && epsilon > 2.9999)
  }

  @Test func distributedNoiseChargesTheCoalitionMoreThanOutsiders() throws {
    // privacy.md §3: with c = 0 and n = 3, a plan for ε 4.89 would really be 6.17.
    let cap = try PrivacyBudget(epsilon: 4.89, delta: 1e-6)
    let z = try Calibration.noiseMultiplier(for: cap)
    let wrong = try Accounting.bound(
      for: [noise(z: z * (2.0 / 3).squareRoot()).event(adjacency: .addRemove)], delta: 1e-6)
    #expect(abs(wrong.epsilon - 6.17) < 0.01)
    let shared = try GaussianNoise(
      noiseMultiplier: z, deltaSquared: 1 << 30, dimension: 10, adjacency: .addRemove, minimumContributors: 3,
      colluders: 1)
    let coalition = try Accounting.bound(for: [shared.event(adjacency: .addRemove)], delta: 1e-6)
    let outsiders = try Accounting.bound(
      for: [shared.event(adjacency: .addRemove, against: .outsiders)], delta: 1e-6)
    #expect(coalition.epsilon <= 4.89 && coalition.epsilon > 4.8899)
    #expect(outsiders.epsilon < coalition.epsilon)
  }
}
