internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import SecureAggregation
internal import Synchronization
internal import Testing

/// One budget over several ledgers of the same people.
@Suite struct LinkedCapTests {
  enum Kind: String, CaseIterable { case gaussian, sampled, mixed }

  /// A plan with its first event, as often charged as `charges` says, on a ledger of its own.
  struct Task {
    let file: PlanFile
    let hash: Digest
    let event: PrivacyEvent
    let ledger: PrivacyLedger

    init(_ kind: Kind, session: UInt8, epsilon: Double = 2, charges: Int = 1, partnersPerUser: Int = 1) throws {
      let releases = kind == .gaussian ? 2 : 10
      var world = RoundWorld(
        algorithm: EchoAlgorithm(itemCount: 100, releases: releases), noise: .central, epsilon: epsilon,
        delta: LinkedCapTests.delta,
        partnersPerUser: partnersPerUser, heldOut: kind == .mixed)
      world.draft.samplingRate = kind == .gaussian ? 1 : 0.1
      if kind == .mixed { world.draft.evaluationShare = 0.2 }
      world.draft.session = RoundWorld.session(session)
      file = try world.planFile()
      hash = SHA256.hash(file.bytes)
      event = try #require(file.plan.releases[0].event(file.plan.privacy))
      ledger = try LedgerWorld.ledger(key: RoundWorld.key(session)).ledger
      for round in 0..<charges { try charge(round) }
    }

    func charge(_ round: Int) throws {
      try ledger.charge(LedgerWorld.request(round, session: "s", event: .accounted(event), plan: hash))
    }

    /// δ₀ at ε, and no more than that: from the definition for one Gaussian, else by divergences or the loss distribution of the plan's releases.
    func reserved(_ epsilon: Double, _ kind: Kind) throws -> Double {
      switch kind {
      case .mixed: return 0
      case .gaussian:
        var (low, high) = (1e-3, 20.0)
        while high - low > 1e-9 {
          let middle = (low + high) / 2
          if exact(file.plan.privacy.epsilon, middle) < file.plan.privacy.delta { low = middle } else { high = middle }
        }
        return exact(epsilon, low)
      case .sampled:
        let all = try PrivacyLossSummary([.repeated(event: event, count: file.plan.releases.count)])
        return min(
          RenyiAccountant().upperDelta(all, epsilon: epsilon), LossDistributionAccountant().upperDelta(all, epsilon: epsilon))
      }
    }

    /// Balle, Wang 2018.
    private func exact(_ epsilon: Double, _ mu: Double) -> Double {
      func phi(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }
      return max(0, phi(mu / 2 - epsilon / mu) - exp(epsilon) * phi(-mu / 2 - epsilon / mu))
    }
  }

  static let delta = 1e-6

  static func cap(_ tasks: [Task]) throws -> SpendingCap {
    SpendingCap(
      try PrivacyBudget(epsilon: 1, delta: delta),
      plans: Dictionary(tasks.map { ($0.hash, $0.file.plan) }) { first, _ in first })
  }

  @Test(
    "a group is never counted for less than by divergences of all charges at what the first plans leave of δ",
    arguments: [
      [Kind.gaussian, .gaussian], [.gaussian, .sampled], [.sampled, .sampled], [.sampled, .mixed], [.mixed, .gaussian, .sampled],
      [.gaussian, .gaussian, .gaussian],
    ])
  func neverLess(kinds: [Kind]) throws {
    for charges in [1, 2] {
      let tasks = try kinds.enumerated().map {
        try Task($1, session: UInt8($0 + 1), epsilon: 2 + Double($0), charges: $1 == .gaussian ? charges : 4 * charges)
      }
      let cap = try Self.cap(tasks)
      let states = tasks.map(\.ledger.state)
      let counted = cap.epsilon(of: states[0], elsewhere: Array(states[1...]))
      // Whichever of them is asked.
      for own in states.indices {
        let same = cap.epsilon(of: states[own], elsewhere: states.indices.filter { $0 != own }.map { states[$0] })
        #expect(abs(same - counted) <= 1e-6 * counted)
      }
      let events = tasks.flatMap { task in task.ledger.state.charges.map { _ in task.event } }
      let all = try PrivacyLossSummary(events)
      let reserved = try zip(tasks, kinds).reduce(0) { $0 + (try $1.0.reserved(counted, $1.1)) }
      try #require(reserved < Self.delta, "\(counted): \(reserved)")
      let isGaussian = kinds.allSatisfy { $0 == .gaussian }
      let room = (Self.delta - reserved) / (kinds.contains(.gaussian) ? 2 : 1)
      let least =
        isGaussian
        ? AnalyticGaussianAccountant().upperEpsilon(all, delta: room)
        : try tasks.map { task in
          // At the order of each first plan: the one that was there before the first release is among them.
          let order = try AdaptiveSwitchTests.order(of: task.file.plan, epsilon: cap.budget.epsilon)
          return RenyiAccountant(orders: [order]).upperEpsilon(all, delta: room)
        }.max() ?? 0
      #expect(counted >= least * (1 - 1e-6) && counted < least * 1.05, "\(counted), \(least)")
      #expect(counted > Accounting.epsilon(for: all, delta: Self.delta))
      #expect(counted > (try #require(states.map { cap.epsilon(of: $0) }.max())))
    }
  }

  @Test func `the exact curve is closed for good where the first plan of one ledger was not Gaussian`() throws {
    let (sampled, gaussian) = (try Task(.sampled, session: 1), try Task(.gaussian, session: 2, epsilon: 3))
    let other = try Task(.gaussian, session: 3, epsilon: 4, charges: 0)
    let cap = try Self.cap([sampled, gaussian, other])
    // The sampled plan's charge is taken back: what stands now is Gaussian, on both ledgers.
    let charge = try #require(sampled.ledger.state.charges.first?.charge)
    let survivors = LedgerRefundTests().partners[1...]
    let statement = LedgerRefundTests.statement(charge.attempt, survivors: [1, 2, 3, 4])
    let roster = [sampled.ledger.state.header.key] + survivors.map(\.verificationKey)
    try sampled.ledger.refund(
      LedgerRefund(
        attempt: charge.attempt, release: 0,
        evidence: SurvivorEvidence(
          statement: statement, endorsements: survivors.map { .init(key: $0.verificationKey, signature: $0.sign(statement)) }),
        time: 2000),
      rules: EvidenceRules(
        plan: sampled.hash,
        roster: Dictionary(uniqueKeysWithValues: roster.enumerated().map { (ParticipantID(UInt32($0)), $1) }), threshold: 4))
    try sampled.ledger.charge(LedgerWorld.request(1, session: "u", event: .accounted(other.event), plan: other.hash))
    let all = try PrivacyLossSummary([gaussian.event, other.event])
    let counted = cap.epsilon(of: sampled.ledger.state, elsewhere: [gaussian.ledger.state])
    let room = Self.delta - (try sampled.reserved(counted, .sampled)) - (try gaussian.reserved(counted, .gaussian))
    let divergences = try [sampled, gaussian].map { task in
      RenyiAccountant(orders: [try AdaptiveSwitchTests.order(of: task.file.plan, epsilon: cap.budget.epsilon)])
        .upperEpsilon(all, delta: room / 2)
    }.max()
    #expect(counted >= (try #require(divergences)) * (1 - 1e-6))
    #expect(counted > AnalyticGaussianAccountant().upperEpsilon(all, delta: room / 2))
  }

  @Test func `without links, or with a ledger that was never charged, a cap counts as it does alone`() throws {
    for kind in Kind.allCases {
      let one = try Task(kind, session: 1)
      let other = try Task(.gaussian, session: 2, charges: 0)
      let third = try Task(.gaussian, session: 3, charges: 0)
      let cap = try Self.cap([one, other, third])
      for more in [[], [(plan: third.hash, event: ChargedEvent.accounted(third.event))]] {
        let alone = cap.epsilon(of: one.ledger.state, and: more)
        #expect(alone > 0 && alone.isFinite)
        #expect(cap.epsilon(of: one.ledger.state, and: more, elsewhere: [other.ledger.state]) == alone)
      }
      // The first charge of all, and what stands elsewhere alone.
      let first = (plan: one.hash, event: ChargedEvent.accounted(one.event))
      #expect(
        cap.epsilon(of: nil, and: [first], elsewhere: [other.ledger.state]) == cap.epsilon(of: one.ledger.state))
      #expect(cap.epsilon(of: other.ledger.state, elsewhere: [one.ledger.state]) == cap.epsilon(of: one.ledger.state))
    }
  }

  @Test("a plan that two ledgers would be charged under, one that nobody knows and one of another unit are not added")
  func obstacles() throws {
    let (one, other) = (try Task(.gaussian, session: 1), try Task(.sampled, session: 2))
    let (mine, theirs) = (one.ledger.state, other.ledger.state)
    let cap = try Self.cap([one, other])
    #expect(cap.epsilon(of: mine, elsewhere: [theirs]).isFinite)
    let again: [(plan: Digest, event: ChargedEvent)] = [(other.hash, .accounted(other.event))]
    #expect(cap.epsilon(of: nil, and: again, elsewhere: [theirs]) == .infinity)
    #expect(CapObstacle(charging: other.hash, on: nil, elsewhere: [theirs], knowing: [:]) == .twoLedgers(other.hash))
    for known in [one, other] {
      #expect(try Self.cap([known]).epsilon(of: mine, elsewhere: [theirs]) == .infinity)
      #expect(
        CapObstacle(charging: one.hash, on: mine, elsewhere: [theirs], knowing: [known.hash: known.file.plan])
          == .unknownPlan(known.hash == one.hash ? other.hash : one.hash))
    }
    #expect(try Self.cap([one]).knowing([other.hash: other.file.plan]).epsilon(of: mine, elsewhere: [theirs]).isFinite)
    let wide = try Task(.gaussian, session: 3, partnersPerUser: 2)
    #expect(try Self.cap([one, wide]).epsilon(of: mine, elsewhere: [wide.ledger.state]) == .infinity)
    #expect(
      CapObstacle(
        charging: one.hash, on: mine, elsewhere: [wide.ledger.state],
        knowing: [one.hash: one.file.plan, wide.hash: wide.file.plan])
        == .otherUnit(wide.hash, partnersPerUser: 2))
  }

  // MARK: - The engine

  /// What a test says of other homes.
  final class Elsewhere: LinkedLedgers {
    struct Failure: Error {}
    /// Answers in turn, the last of them for ever; `nil` fails.
    private let answers: Mutex<[ChargedElsewhere?]>

    init(_ answers: [ChargedElsewhere?]) { self.answers = Mutex(answers) }

    func holding(_ body: (ChargedElsewhere) -> PartnerRefusal?) throws -> PartnerRefusal? {
      guard let answer = answers.withLock({ $0.count > 1 ? $0.removeFirst() : $0[0] }) else { throw Failure() }
      return body(answer)
    }
  }

  @Test func `what others charge between a start and the charge counts, and who cannot ask them charges nothing`() throws {
    let other = try Task(.gaussian, session: 9, epsilon: 2)
    let taken = ChargedElsewhere(ledgers: [other.ledger.state], plans: [other.hash: other.file.plan])
    for (answers, reason) in [
      ([taken], PartnerRefusal.budgetExhausted), ([.nothing, taken], .budgetExhausted), ([nil], .ledgerUnavailable),
      ([.nothing, nil], .ledgerUnavailable), ([.nothing], nil),
    ] as [([ChargedElsewhere?], PartnerRefusal?)] {
      let world = RoundWorld(noise: .central, epsilon: 2)
      let driver = try RoundDriver(world)
      let host = driver[1]
      host.engine = try PartnerEngine(
        planFile: driver.planFile, participant: ParticipantID(1), signingKey: world.keys[0], shard: world.shards[0],
        algorithm: world.algorithm, ledger: host.ledger, journal: host.memory, linked: Elsewhere(answers))
      driver.run()
      #expect(host.engine.refusals == (reason.map { [$0: 1] } ?? [:]))
      #expect(host.journal.chargeCount == (reason == nil ? 1 : 0))
      #expect(driver.published.count == 1)
    }
  }
}
