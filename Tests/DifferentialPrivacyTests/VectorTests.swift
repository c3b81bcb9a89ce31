import DifferentialPrivacy
import Foundation
import Testing

/// Replays Protocols/vectors/privacy, which Protocols/reference/privacy.py made without knowing this code.
struct VectorTests {
  private static let folder = Files.root.appendingPathComponent("Protocols/vectors/privacy")

  private func load<Content: Decodable>(_ name: String, as type: Content.Type) throws -> Content {
    try JSONDecoder().decode(type, from: Data(contentsOf: Self.folder.appendingPathComponent(name + ".json")))
  }

  private struct Cases<Case: Decodable>: Decodable { let cases: [Case] }

  private struct Epsilon: Decodable {
    let delta: Double
    let epsilon: Double
  }

  @Test func sensitivitiesAreThoseOfTheReference() throws {
    struct Case: Decodable {
      let dimension: Int
      let maximumNonZeros: Int
      let clipNorm: Double
      let scale: Double
      let deltaSquared: Int64
    }
    let cases = try load("good_delta_squared", as: Cases<Case>.self).cases
    #expect(!cases.isEmpty)
    for one in cases {
      let parameters = try EncodingParameters(
        dimension: one.dimension, maximumNonZeros: one.maximumNonZeros, clipNorm: one.clipNorm,
        scale: one.scale)
      #expect(parameters.deltaSquared == one.deltaSquared)
    }
  }

  @Test func variancesAreThoseOfTheReference() throws {
    struct Case: Decodable {
      let noiseMultiplier: Double
      let deltaSquared: Int64
      let adjacency: Adjacency
      let partnersPerUser: Int
      let sigmaSquared: Int64
    }
    struct Share: Decodable {
      let totalVariance: Int64
      let minimumContributors: Int
      let colluders: Int
      let variance: Int64
    }
    struct Content: Decodable {
      let cases: [Case]
      let shares: [Share]
    }
    let content = try load("good_noise", as: Content.self)
    #expect(!content.cases.isEmpty && !content.shares.isEmpty)
    for one in content.cases {
      let noise = try GaussianNoise(
        noiseMultiplier: one.noiseMultiplier, deltaSquared: one.deltaSquared, dimension: 1,
        adjacency: one.adjacency,
        partnersPerUser: one.partnersPerUser)
      #expect(noise.sigmaSquared == one.sigmaSquared)
    }
    for one in content.shares {
      let share = try NoiseShare(
        totalVariance: one.totalVariance, minimumContributors: one.minimumContributors,
        colluders: one.colluders)
      #expect(share.variance == one.variance)
    }
  }

  struct Ring: Decodable {
    struct Release: Decodable {
      let maximumUsers: Int
      let deltaSquared: Int64
      let variance: Int64
      let dimension: Int
      let count: Int

      var load: ModulusPlan.Load {
        get throws {
          ModulusPlan.Load(
            deltaSquared: deltaSquared,
            noise: try GaussianNoise(central: variance, deltaSquared: deltaSquared, dimension: dimension),
            maximumUsers: maximumUsers, count: count)
        }
      }
    }
    let releases: [Release]
    let bits: Int
    let wrapProbabilityLog2: Double?
  }

  @Test func ringsAreAsWideAsThoseOfTheReference() throws {
    let cases = try load("good_modulus", as: Cases<Ring>.self).cases
    #expect(!cases.isEmpty)
    for one in cases {
      let plan = try ModulusPlan(for: one.releases.map { try $0.load })
      #expect(plan.bits == one.bits)
      let expected = try #require(one.wrapProbabilityLog2)
      #expect(abs(plan.wrapProbabilityLog2 - expected) <= 1e-9 * abs(expected))
    }
  }

  @Test func exactGaussianEpsilonsAreThoseOfTheReference() throws {
    struct Case: Decodable {
      let events: [PrivacyEvent]
      let mu: Double
      let rho: Double
      let epsilons: [Epsilon]
    }
    struct Calibrated: Decodable {
      let epsilon: Double
      let delta: Double
      let noiseMultiplier: Double
    }
    struct Content: Decodable {
      let cases: [Case]
      let calibrated: [Calibrated]
    }
    let content = try load("good_gaussian", as: Content.self)
    #expect(!content.cases.isEmpty && !content.calibrated.isEmpty)
    for one in content.cases {
      for expected in one.epsilons {
        let bound = try Accounting.bound(for: one.events, delta: expected.delta)
        #expect(abs(bound.epsilon - expected.epsilon) <= 1e-9 * expected.epsilon + 1e-12)
        #expect(bound.lowerEpsilon <= expected.epsilon * (1 + 1e-13) && expected.epsilon <= bound.epsilon)
        #expect(abs(bound.mu - one.mu) <= 1e-12 * one.mu && abs(bound.rho - one.rho) <= 1e-12 * one.rho)
      }
    }
    for one in content.calibrated {
      let z = try Calibration.noiseMultiplier(for: PrivacyBudget(epsilon: one.epsilon, delta: one.delta))
      #expect(z >= one.noiseMultiplier && z <= one.noiseMultiplier * (1 + 1e-9))
    }
  }

  @Test func renyiDivergencesAreTheIntegralsOfTheReference() throws {
    struct Case: Decodable {
      let adjacency: Adjacency
      let order: Double
      let rate: Double
      let noiseMultiplierOverOneUser: Double
      let divergence: Double
    }
    let cases = try load("good_renyi", as: Cases<Case>.self).cases
    #expect(!cases.isEmpty)
    for one in cases {
      let z = one.noiseMultiplierOverOneUser
      let ours =
        one.adjacency == .replaceOne
        ? RenyiDivergence.sampledGaussianReplace(order: one.order, rate: one.rate, noiseMultiplier: z)
        : RenyiDivergence.sampledGaussian(order: one.order, rate: one.rate, noiseMultiplier: z)
      #expect(
        abs(ours - one.divergence) <= 1e-10 * one.divergence,
        "\(one.adjacency), order \(one.order), q \(one.rate), z \(z): \(ours), expected \(one.divergence)")
    }
  }

  @Test func sampledCompositionsAreThoseOfTheReference() throws {
    struct Case: Decodable {
      let events: [PrivacyEvent]
      let orders: [Double]
      let divergences: [Double]
      let epsilons: [Epsilon]
    }
    let cases = try load("good_sampled", as: Cases<Case>.self).cases
    #expect(!cases.isEmpty)
    for one in cases {
      let accountant = RenyiAccountant(orders: one.orders)
      let summary = try PrivacyLossSummary(one.events)
      for (ours, expected) in zip(accountant.curve(of: summary.loss), one.divergences) {
        #expect(abs(ours - expected) <= 1e-9 * expected)
      }
      for expected in one.epsilons {
        let ours = accountant.upperEpsilon(summary, delta: expected.delta)
        #expect(abs(ours - expected.epsilon) <= 1e-9 * expected.epsilon)
        // All orders together are at least as tight, and never below what an attack proves.
        let best = try Accounting.bound(for: one.events, delta: expected.delta)
        #expect(best.epsilon <= ours * (1 + 1e-9) && best.lowerEpsilon <= best.epsilon)
        #expect(best.lowerEpsilon > 0)
      }
    }
  }

  @Test func badVectorsAreRefused() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
      .filter { $0.hasPrefix("bad_") && $0.hasSuffix(".json") }.sorted()
    #expect(names.count >= 20)
    for name in names {
      let object = try Files.json(Self.folder.appendingPathComponent(name))
      let kind = try #require(object["kind"] as? String)
      let value = try JSONSerialization.data(withJSONObject: try #require(object["value"]))
      let decoder = JSONDecoder()
      #expect(throws: (any Error).self, "\(name)") {
        switch kind {
        case "budget": _ = try decoder.decode(PrivacyBudget.self, from: value)
        case "event": _ = try decoder.decode(PrivacyEvent.self, from: value)
        case "events": _ = try PrivacyLossSummary(decoder.decode([PrivacyEvent].self, from: value))
        case "share": _ = try decoder.decode(NoiseShare.self, from: value)
        case "encoding": _ = try decoder.decode(EncodingParameters.self, from: value)
        case "modulus":
          let ring = try decoder.decode(Ring.self, from: value)
          _ = try ModulusPlan(bits: ring.bits, for: ring.releases.map { try $0.load })
        default: Issue.record("\(name): unknown kind \(kind)")
        }
      }
    }
  }

  /// A bad event must be refused for what its name says: the same event, mended, is taken.
  @Test func theMendedEventIsTaken() throws {
    let json = """
      {"repeated": {"event": {"poissonSampled": {"rate": 0.5, "release": {"sigmaSquared": 40004, "shares": 1,
      "deltaSquared": 10000, "dimension": 1000, "adjacency": "add-remove", "partnersPerUser": 1}}}, "count": 3}}
      """
    let event = try JSONDecoder().decode(PrivacyEvent.self, from: Data(json.utf8))
    #expect(try PrivacyLossSummary([event]).isFullParticipation == false)
  }
}
