import CryptoPrimitives
import DifferentialPrivacy
import FederatedLearning
import Recommender
import Testing

/// Evaluation releases: what users contribute to them, and what can be read from their noised sums.
@Suite struct EvaluationTests {
  @Test func `an evaluation release gives the sums of users, hits and gains`() throws {
    var world = RoundWorld(heldOut: true)
    world.draft.evaluationShare = 0.1
    let driver = try RoundDriver(world)
    driver.run()
    #expect(driver.coordinator.end == .completed)
    let last = try #require(driver.published.last)
    #expect(last.purpose == .evaluation)
    let all = try #require(last.evaluation).rows[0]
    #expect(all.users == 30 && all.usersDeviation == 0)
    #expect(driver.coordinator.model.version == 1)
    // By hand: the model scores by the sum; the user's own item is left out.
    let sum = try #require(driver.coordinator.model.tensors["sum"]).values
    var (hits, gain) = (0.0, 0.0)
    for partner in 0..<5 {
      for user in 0..<6 {
        let (own, target) = ((partner + user) % 12, (partner + user + 1) % 12)
        let rank = sum.indices.filter {
          $0 != own && (sum[$0] > sum[target] || (sum[$0] == sum[target] && $0 < target))
        }.count
        if rank < 10 {
          hits += 1
          gain += 1 / Self.log2(Double(rank + 2))
        }
      }
    }
    #expect(all.hitRate?.value == hits / 30)
    #expect(abs((all.gain?.value ?? 0) - gain / 30) < 1e-5)
  }

  @Test func `every user is counted in the group of its history's length, and nowhere else`() throws {
    let items = 60
    var world = RoundWorld(partners: 3, algorithm: EchoAlgorithm(itemCount: items), heldOut: true)
    let lengths = [[1, 9, 10], [49, 50, 59], [2, 30, 0]]
    world.shards = lengths.map { lengths in
      PartnerShard(
        interactions: Interactions(itemCount: items, histories: lengths.map { Array(0..<Int32($0)) }),
        heldOut: lengths.map { $0 == 2 ? -1 : Int32($0) })
    }
    world.draft.evaluationShare = 0.1
    let driver = try RoundDriver(world)
    driver.run()
    let rows = try #require(driver.published.last?.evaluation).rows
    // The user without a held-out item and the one without a history are in no group.
    #expect(rows.map(\.users) == [7, 2, 3, 2])
    #expect(rows.map { $0.group?.label } == [nil, "1–9", "10–49", "50 and more"])
    // The model scores items by how many users have them, so that the next item of a long history is first of those it has not.
    let released = driver.planFile.plan.releases[1]
    #expect(released.dimension == 9 && rows[3].hitRate?.value == 1)
  }

  @Test func `a user's message is three entries of nine, and its clip cuts none of it`() throws {
    var world = RoundWorld(noise: .central, epsilon: 4, heldOut: true)
    world.draft.evaluationShare = 0.4
    let release = try #require(try world.planFile().plan.releases.last)
    let encoding = try #require(release.encoding)
    #expect(release.dimension == 9 && encoding.maximumNonZeros == 3 && encoding.clipNorm == 3.0.squareRoot())
  }

  @Test(arguments: [NoiseMode.central, .distributed])
  func `ranges hold what the sums are without noise in 95 of 100 releases`(_ noise: NoiseMode) throws {
    for usersOverNoise in [7.0, 12, 60] { try check(noise, usersOverNoise) }
  }

  private func check(_ noise: NoiseMode, _ usersOverNoise: Double) throws {
    var world = RoundWorld(noise: noise, epsilon: 4, heldOut: true)
    world.draft.evaluationShare = 0.4
    let release = try #require(try world.planFile().plan.releases.last)
    let planned = try #require(release.noise)
    let survivors = 5
    let deviation = (planned.share.map { Double($0.variance) * Double(survivors) } ?? Double(planned.sigmaSquared)).squareRoot()
    // Users, hits and gains of three groups, large enough to be seen through the noise.
    let users = usersOverNoise * deviation / release.scale
    let sums = [1.0, 0.3, 0.2, 1, 0.4, 0.25, 1, 0.9, 0.3].map { $0 * users * release.scale }
    let truth = [(1.6 / 3, 0.25), (0.3, 0.2), (0.4, 0.25), (0.9, 0.3)]
    var random = KeyedRandomSource(insecureSeed: 17)
    func normal() -> Double { (0..<12).reduce(-6.0) { sum, _ in sum + Double(random.nextUInt64() >> 11) * 0x1p-53 } }
    var (inside, stated) = ([Int](repeating: 0, count: 4), [Int](repeating: 0, count: 4))
    let releases = 3000
    for _ in 0..<releases {
      let entries = sums.map { Int64(($0 + deviation * normal()).rounded()) }
      let rows = try #require(NoisedEvaluation(entries, of: release, survivors: survivors)).rows
      for (index, row) in rows.enumerated() {
        guard let hits = row.hitRate, let gain = row.gain else { continue }
        stated[index] += 2
        inside[index] += (hits.interval.contains(truth[index].0) ? 1 : 0) + (gain.interval.contains(truth[index].1) ? 1 : 0)
      }
    }
    // Rows near the least number of users are left out by the noise itself now and then.
    for (count, all) in zip(inside, stated) {
      #expect(all > releases && abs(Double(count) / Double(all) - 0.95) < 0.015, "\(usersOverNoise): \(inside) of \(stated)")
    }
  }

  @Test func `a group that drowns has no rates, and no rate leaves 0 to 1`() throws {
    var world = RoundWorld(noise: .central, epsilon: 4, heldOut: true)
    world.draft.evaluationShare = 0.4
    let plan = try world.planFile().plan
    let release = try #require(plan.releases.last)
    let unit = Int64(release.noiseDeviation * release.scale)
    let rows = try #require(
      NoisedEvaluation([5 * unit, unit, 0, -unit, unit, 0, 40 * unit, 41 * unit, -unit], of: release, survivors: 5)
    ).rows
    #expect(rows[1].hitRate == nil && rows[2].gain == nil && rows[2].users < 0)
    #expect(rows[3].hitRate?.value == 1 && rows[3].gain?.value == 0 && rows[3].gain?.interval.lowerBound == 0)
    #expect(NoisedEvaluation([1, 2, 3], of: release, survivors: 5) == nil)
    #expect(NoisedEvaluation(Array(repeating: 1, count: 9), of: plan.releases[0], survivors: 5) == nil)
  }

  /// log₂ by bisection: tests need no C library.
  static func log2(_ value: Double) -> Double {
    var (rest, result, bit) = (value, 0.0, 1.0)
    while rest >= 2 { (rest, result) = (rest / 2, result + 1) }
    for _ in 0..<52 {
      (rest, bit) = (rest * rest, bit / 2)
      if rest >= 2 { (rest, result) = (rest / 2, result + bit) }
    }
    return result
  }
}
