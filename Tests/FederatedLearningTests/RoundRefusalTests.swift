internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import Testing

/// What a partner does not put up with.
@Suite struct RoundRefusalTests {
  private func reasons(_ actions: [PartnerAction]) -> [PartnerRefusal] {
    actions.compactMap { if case .send(.refusal(let refusal)) = $0 { refusal.reason } else { nil } }
  }

  private func advertises(_ actions: [PartnerAction]) -> Bool {
    actions.contains { if case .send(.aggregation(.keyAdvertisement)) = $0 { true } else { false } }
  }

  @Test func `foreign, forged, impossible and old round starts are refused`() throws {
    let driver = try RoundDriver(RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: 2)))
    let partner = driver[1]
    func refuses(_ start: RoundStart, _ reason: PartnerRefusal) {
      #expect(reasons(partner.receive(.roundStart(start))) == [reason])
    }
    refuses(driver.start(round: 0, attempt: 0, planHash: SHA256.hash([1])), .wrongPlan)
    refuses(driver.start(round: 0, attempt: 0, session: RoundWorld.session(8)), .wrongSession)
    refuses(driver.start(round: 0, attempt: 0, key: driver.world.keys[1]), .forgedRoundStart)
    refuses(driver.start(round: 2, attempt: 0), .unexpectedRound)
    refuses(driver.start(round: .max, attempt: 0), .unexpectedRound)
    refuses(driver.start(round: 0, attempt: 3), .unexpectedRound)
    refuses(driver.start(round: 0, attempt: .max), .unexpectedRound)
    let good = driver.start(round: 0, attempt: 1)
    let altered = RoundStart(
      session: good.session, round: 0, attempt: 2, planHash: good.planHash, model: good.model,
      ledgerSize: good.ledgerSize, ledgerHead: good.ledgerHead, signature: good.signature)
    refuses(altered, .forgedRoundStart)
    #expect(advertises(partner.receive(.roundStart(good))))
    refuses(driver.start(round: 0, attempt: 0), .staleAttempt)
    #expect(advertises(partner.receive(.roundStart(driver.start(round: 1, attempt: 0)))))
    refuses(driver.start(round: 0, attempt: 2), .staleAttempt)
    #expect(partner.journal.chargeCount == 0)
  }

  @Test func `a coordinator's ledger that shrinks or forks is refused`() throws {
    let driver = try RoundDriver(RoundWorld())
    let partner = driver[1]
    #expect(advertises(partner.receive(.roundStart(driver.start(round: 0, attempt: 0, ledgerSize: 10)))))
    #expect(
      reasons(partner.receive(.roundStart(driver.start(round: 0, attempt: 1, ledgerSize: 9))))
        == [.coordinatorLedgerRolledBack])
    #expect(advertises(partner.receive(.roundStart(driver.start(round: 0, attempt: 1, ledgerSize: 10)))))
  }

  @Test func `an attempt under way survives whatever is refused`() throws {
    let driver = try RoundDriver(RoundWorld())
    driver.rewrite = { participant, message in
      // Before every message of the attempt, partner 1 is sent everything that must not disturb it.
      if participant.rawValue == 1, case .aggregation = message {
        for start in [
          driver.start(round: 0, attempt: 0), driver.start(round: 0, attempt: 0, key: driver.world.keys[2]),
          driver.start(round: 0, attempt: 1, key: driver.world.keys[2]), driver.start(round: 9, attempt: 0),
          driver.start(round: 0, attempt: 1, session: RoundWorld.session(1)),
        ] {
          let actions = driver[1].receive(.roundStart(start))
          #expect(!self.advertises(actions))
          for action in actions {
            if case .send(.refusal(let refusal)) = action {
              #expect((refusal.session, refusal.round, refusal.attempt) != (RoundWorld.session(7), 0, 0))
            }
          }
        }
      }
      return message
    }
    driver.run()
    #expect(driver.published.map(\.survivors.count) == [5])
    #expect(driver[1].engine.strayMessages == 8)
  }

  @Test func `a round start that comes twice is answered once`() throws {
    let driver = try RoundDriver(RoundWorld())
    driver.perform(driver.coordinator.begin())
    for (participant, message) in driver.queue { driver.queue.append((participant, message)) }
    driver.run()
    #expect(driver.published.map(\.survivors.count) == [5])
    #expect(driver.sent.filter { stageIndex($0.message) == 0 }.count == 5)
  }

  @Test func `after a crash the ledger says which attempts must not be answered again`() throws {
    let world = RoundWorld()
    let driver = try RoundDriver(world)
    driver.run()
    var engine = try PartnerEngine(
      planFile: driver.planFile, participant: ParticipantID(1), signingKey: world.keys[0], shard: world.shards[0],
      algorithm: world.algorithm, ledger: driver[1].ledger)
    var random = KeyedRandomSource(insecureSeed: 5)
    let again = engine.receive(.roundStart(driver.start(round: 0, attempt: 0)), random: &random, time: 6)
    #expect(reasons(again) == [.staleAttempt])
  }

  @Test func `training that nobody asked for charges nothing`() throws {
    let driver = try RoundDriver(RoundWorld())
    #expect(driver[1].train().isEmpty)
    #expect(advertises(driver[1].receive(.roundStart(driver.start(round: 0, attempt: 0)))))
    #expect(driver[1].train().isEmpty)
    #expect(driver[1].journal.chargeCount == 0)
    // Asked for, then aborted before the host came to it.
    let other = try RoundDriver(RoundWorld())
    var held: [ParticipantID] = []
    other.perform(other.coordinator.begin())
    while !other.queue.isEmpty {
      let (participant, message) = other.queue.removeFirst()
      let actions = other[participant.rawValue].receive(message)
      if actions == [.train] { held.append(participant) } else { other.perform(actions, by: participant) }
    }
    #expect(held.count == 5)
    other.perform(other.coordinator.stop(time: 1))
    while !other.queue.isEmpty { other.deliverNext() }
    for participant in held {
      #expect(other[participant.rawValue].train().isEmpty)
      #expect(other[participant.rawValue].journal.chargeCount == 0)
    }
  }

  @Test func `trained twice, a partner sends one input`() throws {
    let driver = try RoundDriver(RoundWorld(isSecure: false))
    #expect(driver[1].receive(.roundStart(driver.start(round: 0, attempt: 0))) == [.train])
    #expect(driver[1].train().count == 1)
    #expect(driver[1].train().isEmpty)
    #expect(driver[1].journal.chargeCount == 1)
  }

  @Test func `a model that is none is refused, whatever a coordinator signs`() throws {
    let driver = try RoundDriver(RoundWorld())
    func refuses(_ model: ItemModel, attempt: UInt32) {
      let start = driver.start(round: 0, attempt: attempt, model: model)
      #expect(reasons(driver[attempt + 1].receive(.roundStart(start))) == [.malformedModel], "\(model.tensors.keys)")
    }
    let good = driver.coordinator.model
    var model = good
    model.tensors["sum"] = Tensor(zeros: [13])
    refuses(model, attempt: 0)
    model.tensors = [:]
    refuses(model, attempt: 1)
    model = good
    model.tensors["sum"]?.values[3] = .nan
    refuses(model, attempt: 2)
    let fresh = try RoundDriver(RoundWorld())
    model.tensors["sum"]?.values[3] = 1e30
    #expect(reasons(fresh[1].receive(.roundStart(fresh.start(round: 0, attempt: 0, model: model)))) == [.malformedModel])
    model = good
    model.version = 1
    #expect(reasons(fresh[2].receive(.roundStart(fresh.start(round: 0, attempt: 0, model: model)))) == [.malformedModel])
    let foreign = ItemModel(algorithm: "popularity")
    #expect(reasons(fresh[3].receive(.roundStart(fresh.start(round: 0, attempt: 0, model: foreign)))) == [.malformedModel])
    let whole = fresh.start(round: 0, attempt: 0)
    let cut = Array(whole.model.dropLast())
    let signed = RoundStart(
      session: whole.session, round: 0, attempt: 0, planHash: whole.planHash, model: cut, ledgerSize: whole.ledgerSize,
      ledgerHead: whole.ledgerHead,
      signature: fresh.world.coordinatorKey.sign(
        RoundStart.signedBytes(
          session: whole.session, round: 0, attempt: 0, planHash: whole.planHash, modelHash: SHA256.hash(cut),
          ledgerSize: whole.ledgerSize, ledgerHead: whole.ledgerHead)))
    #expect(reasons(fresh[4].receive(.roundStart(signed))) == [.malformedModel])
  }

  @Test func `a partner that is shown another model has no result and no charge`() throws {
    let world = RoundWorld()
    let driver = try RoundDriver(world)
    driver.rewrite = { participant, message in
      guard participant.rawValue == 3, case .roundStart(let start) = message else { return message }
      var model = driver.coordinator.model
      model.tensors["sum"]?.values[0] = 1
      let bytes = ModelBytes.encode(model)
      return .roundStart(
        RoundStart(
          session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash, model: bytes,
          ledgerSize: start.ledgerSize, ledgerHead: start.ledgerHead,
          signature: world.coordinatorKey.sign(
            RoundStart.signedBytes(
              session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash,
              modelHash: SHA256.hash(bytes), ledgerSize: start.ledgerSize, ledgerHead: start.ledgerHead))))
    }
    driver.run()
    #expect(driver.published.map { $0.survivors.map(\.rawValue) } == [[1, 2, 4, 5]])
    #expect(driver[3].journal.chargeCount == 0)
    #expect(!driver.sent.contains { $0.from.rawValue == 3 && stageIndex($0.message) > 0 })
  }

  @Test func `a partner with too many users, or a sum beyond the plan's bound, refuses`() throws {
    var world = RoundWorld()
    world.draft.roster[1].maximumUsers = 5
    let driver = try RoundDriver(world)
    driver.run()
    #expect(driver[2].engine.refusals == [.tooManyUsers: 1])
    #expect(driver[2].journal.chargeCount == 0)
    let large = try RoundDriver(RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, value: 1000), attempts: 1))
    large.run()
    #expect(large[2].engine.refusals == [.sumOutOfRange: 1])
    #expect(large[2].journal.chargeCount == 0 && large.published.isEmpty)
    let absurd = try RoundDriver(RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, value: .nan), attempts: 1))
    absurd.run()
    #expect(absurd[2].engine.refusals == [.sumOutOfRange: 1])
  }

  @Test(arguments: [NoiseMode.central, .distributed])
  func `under noise one user more than the cap changes nobody's part in the sum`(noise: NoiseMode) throws {
    var world = RoundWorld(noise: noise)
    // A refusal here would show an observer who counts partners whether one user is there.
    world.draft.roster[1].maximumUsers = 5
    let driver = try RoundDriver(world)
    driver.run()
    #expect(driver.coordinator.end == .completed)
    #expect(driver.hosts.values.allSatisfy { $0.engine.refusals.isEmpty && $0.journal.chargeCount == 1 })
    #expect(driver.published.map(\.survivors.count) == [5])
  }

  @Test func `a plan without noise needs no delta`() throws {
    var world = RoundWorld()
    world.draft.privacy.delta = 0
    world.draft.privacy.epsilon = -1
    let driver = try RoundDriver(world)
    driver.run()
    #expect(driver.coordinator.end == .completed)
    #expect(driver.coordinatorLedger.state.recorded.epsilon(delta: 1e-6) == .infinity)
  }

  @Test func `messages from nobody, of others and out of turn change nothing`() throws {
    let driver = try RoundDriver(RoundWorld(isSecure: false))
    driver.perform(driver.coordinator.begin())
    func refusal(_ participant: UInt32, attempt: UInt32 = 0) -> PartnerMessage {
      .refusal(
        RoundRefusal(
          session: RoundWorld.session(7), round: 0, attempt: attempt, participant: ParticipantID(participant),
          reason: .tooManyUsers))
    }
    for stranger: UInt32 in [0, 6, 7, 8, 9, .max] {
      #expect(driver.coordinator.receive(refusal(stranger), from: ParticipantID(stranger), time: 1).actions.isEmpty)
    }
    #expect(driver.coordinator.receive(refusal(1), from: ParticipantID(2), time: 1).actions.isEmpty)
    #expect(driver.coordinator.receive(refusal(1, attempt: 1), from: ParticipantID(1), time: 1).actions.isEmpty)
    // Sums that came count once, also when their sender refuses afterwards.
    for _ in 0..<2 { driver.deliverNext() }
    #expect(driver.coordinator.receive(refusal(1), from: ParticipantID(1), time: 1).actions.isEmpty)
    #expect(driver.coordinator.receive(refusal(2), from: ParticipantID(2), time: 1).actions.isEmpty)
    driver.run()
    #expect(driver.published.map(\.survivors.count) == [5])
  }
}
