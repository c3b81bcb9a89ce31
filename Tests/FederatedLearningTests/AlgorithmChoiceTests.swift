import CryptoPrimitives
import FederatedLearning
import Recommender
import Testing

/// `auto`: users over noise and the catalogue decide, and a sentence says so.
@Suite struct AlgorithmChoiceTests {
  struct Case: Sendable {
    let usersOverNoise: Double?
    let items: Int
    let name: String
  }

  static let cases = [
    Case(usersOverNoise: nil, items: 1, name: "covariance"), Case(usersOverNoise: nil, items: 4999, name: "covariance"),
    Case(usersOverNoise: nil, items: 5000, name: "item-knn"), Case(usersOverNoise: nil, items: 65_536, name: "item-knn"),
    Case(usersOverNoise: nil, items: 65_537, name: "mf"), Case(usersOverNoise: 0, items: 600, name: "popularity"),
    Case(usersOverNoise: 399.9, items: 600, name: "popularity"), Case(usersOverNoise: 400, items: 600, name: "hybrid"),
    Case(usersOverNoise: 2999, items: 600, name: "hybrid"), Case(usersOverNoise: 3000, items: 600, name: "covariance"),
    // The head at 8,379 is of 1,054 items.
    Case(usersOverNoise: 8379, items: 2400, name: "covariance"), Case(usersOverNoise: 8379, items: 3706, name: "hybrid"),
    Case(usersOverNoise: 60_000, items: 3706, name: "covariance"), Case(usersOverNoise: 60_000, items: 100_000, name: "hybrid"),
  ]

  @Test("users over noise and the length of the catalogue decide", arguments: cases)
  func chosen(one: Case) {
    let choice = AlgorithmChoice(usersOverNoise: one.usersOverNoise, itemCount: one.items)
    #expect(choice.algorithm == one.name && AlgorithmRegistry.names.contains(choice.algorithm))
    if let found = one.usersOverNoise { #expect(choice.reason.contains("N/z = \(Int(found))")) }
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
    // z of ε = 4, δ = 10⁻⁶ is 1.19: 400 users are 336 over noise, 2,000 are 1,680 and 60,000 are 50,400.
    for (users, name) in [(400, "popularity"), (2000, "hybrid"), (60_000, "covariance")] {
      let plan = try made { decisions in
        decisions.nominalUsers = users
        decisions.epsilon = 4
      }
      #expect(plan.algorithm.name == name)
    }
    #expect(try made { $0.noise = .none }.algorithm.name == "covariance")
    // A user at two partners is hidden by twice the noise.
    let atTwo = try made { decisions in
      decisions.nominalUsers = 800
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
