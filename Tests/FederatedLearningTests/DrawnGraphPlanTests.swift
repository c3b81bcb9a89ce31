internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import Testing

/// Plans whose partners draw their holders, and the engines under them.
@Suite struct DrawnGraphPlanTests {
  /// A world of 24 partners, one of them corrupt and two missing at most, with the graph that the solver gives.
  private func world(partners: Int = 24, noise: NoiseMode = .none) throws -> RoundWorld {
    var world = RoundWorld(partners: partners, noise: noise)
    let solution = try #require(
      try DrawnGraphSolver.solve(
        GraphRequirements(
          participants: partners, corruptShare: 1 / Double(partners), dropoutShare: 2 / Double(partners))))
    world.draft.aggregation.graph = DrawnGraphPolicy(holders: solution.holders, maskDraws: solution.maskDraws)
    world.draft.aggregation.threshold = solution.threshold
    world.draft.aggregation.minimumSurvivors = solution.minimumSurvivors
    return world
  }

  @Test func `a plan with a drawn graph survives its file, and one without has no member for it`() throws {
    let file = try world().planFile()
    #expect(file.plan.aggregation.graph != nil)
    #expect(try PlanFile(bytes: file.bytes) == file)
    let complete = try RoundWorld(partners: 24).planFile()
    #expect(!String(decoding: complete.bytes, as: UTF8.self).contains("\"graph\""))
    let text = String(decoding: file.bytes, as: UTF8.self)
    let unknown = text.replacing("\"maskDraws\"", with: "\"seed\": 1, \"maskDraws\"")
    #expect(unknown != text)
    #expect(throws: PlanError.self) { try PlanFile(bytes: Array(unknown.utf8)) }
  }

  @Test func `rounds over a drawn graph release the exact sum, with a partner that leaves at each stage`() throws {
    for stage in [nil, 0, 1, 2, 3, 4] {
      let world = try world()
      let driver = try RoundDriver(world)
      driver.passes = { participant, message in
        participant.rawValue != 5 || stage.map { stageIndex(message) < $0 } ?? true
      }
      driver.run()
      #expect(driver.coordinator.end == .completed, "\(String(describing: stage))")
      let isIn = stage.map { $0 > 2 } ?? true
      let expected = world.exactSum((0..<24).filter { isIn || $0 != 4 })
      #expect(driver.models.last?.tensors["sum"]?.values.map(Double.init) == expected, "\(String(describing: stage))")
      #expect(driver.published.first?.survivors.contains(ParticipantID(5)) == isIn)
    }
  }

  @Test func `distributed noise and a drawn graph go together`() throws {
    let driver = try RoundDriver(try world(noise: .distributed))
    driver.run()
    #expect(driver.coordinator.end == .completed)
    #expect(driver.published.count == 1)
  }

  @Test func `a stage is said to need more answers as long as somebody's holders are too few`() throws {
    let world = try world()
    let driver = try RoundDriver(world)
    var seen: [AggregationStage: Int] = [:]
    driver.passes = { [unowned driver] _, _ in
      if let progress = driver.coordinator.stageProgress {
        // Never are as many called enough as would end the attempt if the stage were closed now.
        seen[progress.stage] = max(seen[progress.stage] ?? 0, progress.needed)
        #expect(progress.needed >= world.draft.aggregation.minimumSurvivors)
      }
      return true
    }
    driver.run()
    #expect(seen.count == 5 && driver.coordinator.end == .completed)
  }

  @Test func `a partner remembers the ledgers of those only whose signature it has checked`() throws {
    let driver = try RoundDriver(try world())
    // To partner 1 the coordinator shows long ledgers of everybody else, none of them signed for: in the complete graph it
    // would refuse the list, here it sees through those that it deals to.
    var honest: AdvertisementList?
    driver.rewrite = { recipient, message in
      guard recipient.rawValue == 1, case .aggregation(.advertisementList(let list)) = message else { return message }
      honest = list
      return message
    }
    driver.run()
    let memory = driver[1].memory.peerHeads(session: RoundWorld.session(7))
    let dealt = driver.sent.compactMap { from, message -> [ParticipantID]? in
      guard from.rawValue == 1, case .aggregation(.keyShares(let shares)) = message else { return nil }
      return shares.entries.map(\.holder)
    }
    #expect(honest?.advertisements.count == 24)
    let holders = try #require(dealt.first)
    #expect(holders.count < 23)
    #expect(Set(memory.keys) == Set(holders))
  }

  @Test func `a graph that is too weak for its colluders is refused by whoever reads the plan`() throws {
    func refusal(_ change: (inout AggregationPolicy) -> Void) throws -> String {
      var world = try world()
      change(&world.draft.aggregation)
      do {
        _ = try world.planFile()
        return ""
      } catch { return "\(error)" }
    }
    #expect(try refusal { _ in } == "")
    #expect(try refusal { $0.colluders = 6 }.contains("expected at least 40"))
    #expect(try refusal { $0.minimumSurvivors = 14 }.contains("expected at least 40"))
    #expect(
      try refusal {
        $0.graph = DrawnGraphPolicy(holders: 6, maskDraws: 4)
        $0.threshold = 4
      }.contains("expected at least 40"))
    #expect(try refusal { $0.graph = DrawnGraphPolicy(holders: 24, maskDraws: 20) } != "")
    #expect(
      try refusal {
        $0.graph?.maskDraws = 0
      } != "")
    #expect(
      try refusal {
        $0.isSecure = false
      }.contains("without secure aggregation"))
  }

  @Test func `a plan whose smallest sums could not be proven to anybody else is refused`() throws {
    func refusal(minimumSurvivors: Int) -> String {
      var world = RoundWorld(partners: 24)
      world.draft.aggregation.graph = DrawnGraphPolicy(holders: 15, maskDraws: 15)
      world.draft.aggregation.threshold = 11
      world.draft.aggregation.colluders = 2
      world.draft.aggregation.minimumSurvivors = minimumSurvivors
      do {
        _ = try world.planFile()
        return ""
      } catch { return "\(error)" }
    }
    // Safe with 56 bits, and of 13 partners not more than (24 + 2)/2 can sign.
    #expect(refusal(minimumSurvivors: 13).contains("that takes 14 signatures; expected minimumSurvivors 14 or more"))
    #expect(refusal(minimumSurvivors: 14) == "")
  }

  @Test func `the factory draws where it is asked to, where it is worth it, and never below the solver's figures`() throws {
    func plan(_ count: Int, _ graph: GraphChoice, _ change: (inout PlanDecisions) -> Void = { _ in }) throws -> TrainingPlan {
      let catalogue = Catalogue(itemIDs: (0..<20).map { "item \($0)" })
      var decisions = PlanDecisions(task: "t", algorithm: "popularity", nominalUsers: 1000)
      decisions.graph = graph
      change(&decisions)
      let roster = (0..<count).map { index in
        var seed = [UInt8](repeating: 9, count: 32)
        seed[0] = UInt8(index & 255)
        seed[1] = UInt8(index >> 8)
        return RosterEntry(
          participant: UInt32(index + 1), name: "p\(index)",
          verificationKey: SigningKey(seed: SecretBytes(copying: seed)).verificationKey.hex, maximumUsers: 100)
      }
      return try PlanFactory.plan(
        decisions, catalogue: catalogue, roster: roster,
        coordinatorKey: RoundWorld.key(200).verificationKey.hex, session: RoundWorld.session(7)
      ).plan.plan
    }
    #expect(try plan(12, .automatic).aggregation.graph == nil)
    #expect(try plan(100, .complete).aggregation.graph == nil)
    let hundred = try plan(100, .automatic).aggregation
    #expect(hundred.graph == DrawnGraphPolicy(holders: 31, maskDraws: 20))
    #expect((hundred.threshold, hundred.minimumSurvivors, hundred.colluders) == (21, 90, 10))
    #expect(hundred.signaturesForProof(partners: 100) == 56 && hundred.holders(of: 100) == 31)
    // What convinces one partner: its own signature and t of its holders'. It is shown no others, so that 56 are out of its reach.
    #expect(hundred.signaturesForPartner == 22)
    let complete = try plan(100, .complete).aggregation
    #expect(complete.signaturesForProof(partners: 100) == 67 && complete.holders(of: 100) == 100)
    #expect(complete.signaturesForPartner == 67)
    #expect(try plan(100, .automatic) { $0.isSecure = false }.aggregation.graph == nil)
    #expect(try plan(200, .drawn) { $0.minimumPartners = 190 }.aggregation.minimumSurvivors == 190)
    #expect(throws: PlanError.self) { try plan(5, .drawn) { ($0.colluders, $0.minimumPartners) = (3, 3) } }
    #expect(throws: PlanError.self) { try plan(100, .drawn) { $0.threshold = 70 } }
  }
}
