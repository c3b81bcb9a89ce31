import CryptoPrimitives
import FederatedLearning
import Recommender
import Testing

/// `auto`: users over noise decide, and a sentence says so.
@Suite struct AlgorithmChoiceTests {
  @Test(
    arguments: [
      (nil, "als"), (0, "popularity"), (999.9, "popularity"), (1000, "hybrid"), (30_000, "hybrid"), (30_001, "covariance"),
    ] as [(Double?, String)])
  func `users over noise decide`(_ usersOverNoise: Double?, _ name: String) {
    let choice = AlgorithmChoice(usersOverNoise: usersOverNoise)
    #expect(choice.algorithm == name && AlgorithmRegistry.names.contains(choice.algorithm))
    if let usersOverNoise { #expect(choice.reason.contains("N/z = \(Int(usersOverNoise))")) }
  }

  private func made(_ change: (inout PlanDecisions) -> Void) throws -> TrainingPlan {
    var decisions = PlanDecisions(task: "a test", algorithm: AlgorithmChoice.automatic, nominalUsers: 6000)
    change(&decisions)
    let roster = (1...3).map { number in
      RosterEntry(
        participant: UInt32(number), name: "partner \(number)",
        verificationKey: RoundWorld.key(UInt8(number)).verificationKey.hex,
        maximumUsers: 3000)
    }
    return try PlanFactory.plan(
      decisions, catalogue: Catalogue(itemIDs: (1...40).map(String.init)), roster: roster,
      coordinatorKey: RoundWorld.key(9).verificationKey.hex, session: RoundWorld.session(7)
    ).plan.plan
  }

  @Test func `the plan names what was chosen, with its parameters`() throws {
    // z of ε = 4, δ = 10⁻⁶ is 1.19: 6,000 users are 5,040 over noise, 600 are 504 and 60,000 are 50,400.
    for (users, name) in [(600, "popularity"), (6000, "hybrid"), (60_000, "covariance")] {
      let plan = try made { decisions in
        decisions.nominalUsers = users
        decisions.epsilon = 4
      }
      #expect(plan.algorithm.name == name)
    }
    #expect(try made { $0.noise = .none }.algorithm.name == "als")
    // A user at two partners is hidden by twice the noise.
    let atTwo = try made { decisions in
      decisions.nominalUsers = 2000
      decisions.epsilon = 4
      decisions.maximumPartnersPerUser = 2
    }
    #expect(atTwo.algorithm.name == "popularity")
  }

  @Test func `parameters without an algorithm are refused`() {
    #expect(throws: InvalidHyperparameter.self) { try made { $0.parameters = ["dimension": 8] } }
    #expect(throws: InvalidHyperparameter.self) { try made { $0.rounds = 4 } }
  }
}
