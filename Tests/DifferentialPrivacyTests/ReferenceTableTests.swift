import DifferentialPrivacy
import Foundation
import Testing

/// The published values of Google's dp-accounting and of prv-accountant, row by row, and an independent reference of our own.
struct ReferenceTableTests {
  @Test func everyPublishedRowHolds() throws {
    guard let file = Files.shared("reference/dp_public.json") else { return }
    let table = try JSONDecoder().decode(ReferenceTable.self, from: Data(contentsOf: file))
    #expect(table.rows.count > 1000)
    var kinds: [String: (count: Int, above: Double)] = [:]
    for row in table.rows {
      let answer = row.answer()
      guard answer.verdict == .pass else {
        Issue.record("row \(row.id) (\(row.mechanism), \(row.sampling ?? ""), \(row.accountant)): \(answer.why ?? "")")
        continue
      }
      // How far above the published value; what lies below it is proven by its own lower value.
      var above = 0.0
      if let value = answer.value, let error = answer.relativeError, error.isFinite {
        above = row.mechanism == "calibrate_noise" || value >= row.epsilon ?? 0 ? error : 0
      }
      let kind = "\(row.mechanism)/\(row.kind ?? row.sampling ?? "") by \(row.accountant)"
      let old = kinds[kind] ?? (0, 0)
      kinds[kind] = (old.count + 1, max(old.above, above))
    }
    for (kind, sum) in kinds.sorted(by: { $0.key < $1.key }) {
      print("reference rows passed: \(sum.count) \(kind), at most \(sum.above) above (relative)")
    }
  }

  @Test func rowsOfAnotherCompositionAreNotTakenForTheTruth() throws {
    // dp-accounting 0.6.0 leaves the count of randomised response out. 20 answers cost more than one, and the answer to the row says so.
    let row = """
      {"rows": [{"id": "rr", "mechanism": "randomized_response", "adjacency": "REPLACE_ONE", "noise_parameter": 0.5, "num_buckets": 2,
      "sampling": "none", "q": 1.0, "steps": 20, "delta": 1e-6, "accountant": "pld_pessimistic_h1e-4", "epsilon": 1.0986986666657776,
      "tolerance_suggested": {"rel": 0.002, "abs": 0.002}}]}
      """
    let answer = try #require(try JSONDecoder().decode(ReferenceTable.self, from: Data(row.utf8)).rows.first).answer()
    #expect(answer.caveat?.contains("all 20 releases cost ε = 21.97") == true)
    let loss = try PrivacyLossSummary(
      .repeated(.release(.randomizedResponse(noise: 0.5, buckets: 2), sampling: .everyone), count: 20),
      adjacency: .replaceOne)
    #expect(try Accounting.best(for: loss, delta: 1e-6).epsilon > 21.97)
  }

  @Test(
    "A row that cannot be answered says why, and fails",
    arguments: [
      ("\"mechanism\": \"sorcery\", \"sampling\": \"none\"", "'sorcery' is not covered"),
      ("\"mechanism\": \"gaussian\", \"noise_multiplier\": 1, \"sampling\": \"shuffled\"", "'shuffled' is not covered"),
      ("\"mechanism\": \"gaussian\", \"noise_multiplier\": -1, \"sampling\": \"none\"", "expected a positive number"),
      ("\"mechanism\": \"gaussian\", \"sampling\": \"none\"", "no noise_multiplier"),
      ("\"mechanism\": \"heterogeneous\", \"event\": \"MagicDpEvent(x=1)\"", "MagicDpEvent is not covered"),
      ("\"mechanism\": \"heterogeneous\", \"case\": \"h99: three phases\"", "no other row of the case"),
      ("\"mechanism\": \"dp_ftrl_tree_restart\", \"noise_multiplier\": 1, \"sampling\": \"none\", \"restarts\": 1", "zero-out"),
    ])
  func unanswerable(fields: String, sentence: String) throws {
    let text = """
      {"rows": [{"id": "x", "accountant": "pld_x", "adjacency": "ADD_OR_REMOVE_ONE", "delta": 1e-5, "epsilon": 1.0, \(fields)}]}
      """
    let answer = try #require(try JSONDecoder().decode(ReferenceTable.self, from: Data(text.utf8)).rows.first).answer()
    #expect(answer.verdict == .fail && answer.value == nil)
    #expect(answer.why?.contains(sentence) == true, "\(answer.why ?? "")")
  }

  @Test func anUnsoundOrLooseValueFails() throws {
    func verdict(_ epsilon: Double) throws -> ReferenceAnswer.Verdict {
      let text = """
        {"rows": [{"id": "x", "mechanism": "gaussian", "noise_multiplier": 1.0, "sampling": "poisson", "q": 0.01, "steps": 1000,
        "delta": 1e-6, "adjacency": "ADD_OR_REMOVE_ONE", "accountant": "pld_x", "epsilon": \(epsilon), "lower_bound": \(epsilon),
        "tolerance_suggested": {"rel": 0.002, "abs": 0.001}}]}
        """
      return try #require(try JSONDecoder().decode(ReferenceTable.self, from: Data(text.utf8)).rows.first).answer().verdict
    }
    #expect(try verdict(2.1245) == .pass)
    #expect(try verdict(2.10) == .fail)
    #expect(try verdict(2.15) == .fail)
  }

  @Test func theIndependentReferenceAgrees() throws {
    struct Content: Decodable {
      struct Epsilon: Decodable {
        let event: String
        let adjacency: Adjacency
        let delta: Double
        let epsilon: Double
        let tolerance: Double
      }
      struct Divergence: Decodable {
        let noiseMultiplierOverDistance: Double
        let fraction: Double
        let order: Double
        let divergence: Double
      }
      struct Sensitivity: Decodable {
        let kind: String
        let bands: Int?
        let steps: Int
        let participations: Int
        let separation: Int
        let squared: Double
      }
      let epsilons: [Epsilon]
      let divergences: [Divergence]
      let sensitivities: [Sensitivity]
    }
    let file = Files.root.appendingPathComponent("Protocols/vectors/accounting/good_mechanisms.json")
    let content = try JSONDecoder().decode(Content.self, from: Data(contentsOf: file))
    #expect(content.epsilons.count > 10 && content.divergences.count > 3 && content.sensitivities.count > 20)
    for one in content.epsilons {
      let loss = try PrivacyLossSummary(EventText.event(one.event), adjacency: one.adjacency)
      let bound = try Accounting.bound(for: loss, delta: one.delta, by: LossDistributionAccountant())
      #expect(abs(bound.epsilon / one.epsilon - 1) < one.tolerance, "\(one.event): \(bound.epsilon), \(one.epsilon)")
      #expect(bound.lowerEpsilon <= one.epsilon * (1 + 2e-5), "\(one.event): lower \(bound.lowerEpsilon), \(one.epsilon)")
      #expect(bound.epsilon >= one.epsilon * (1 - 2e-5), "\(one.event): \(bound.epsilon), \(one.epsilon)")
    }
    for one in content.divergences {
      let ours = FixedSizeSampling.divergence(
        order: one.order, fraction: one.fraction, noiseMultiplier: one.noiseMultiplierOverDistance)
      #expect(abs(ours / one.divergence - 1) < 1e-9, "order \(one.order): \(ours), \(one.divergence)")
    }
    for one in content.sensitivities {
      let ours: Double
      switch one.kind {
      case "tree":
        ours = try TreeAggregation(steps: one.steps, participations: one.participations, between: one.separation - 1)
          .sensitivitySquared
      case "banded-sqrt":
        ours = try MatrixFactorisation.bandedSquareRoot(
          bands: #require(one.bands), steps: one.steps, participations: one.participations, separation: one.separation
        ).sensitivitySquared
      default:
        ours = try MatrixFactorisation.bandedInverseSquareRoot(
          bands: #require(one.bands), steps: one.steps, participations: one.participations, separation: one.separation
        ).sensitivitySquared
      }
      #expect(abs(ours / one.squared - 1) < 1e-10, "\(one)")
    }
  }
}
