internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import Testing

/// Whole rounds, engines driven by hand.
@Suite struct RoundTests {
  @Test(arguments: [true, false]) func `without noise the model is the plain sum exactly`(isSecure: Bool) throws {
    let world = RoundWorld(isSecure: isSecure)
    let driver = try RoundDriver(world)
    driver.run()
    #expect(driver.coordinator.end == .completed)
    let sum = try #require(driver.coordinator.model.tensors["sum"]).values
    #expect(sum.map(Double.init) == world.exactSum(0..<5))
    #expect(driver.published.map(\.survivors.count) == [5])
    #expect(driver.coordinator.refusals.isEmpty)
  }

  @Test func `secure aggregation changes no bit of the model`() throws {
    let models = try [true, false].map { isSecure in
      let driver = try RoundDriver(RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: 3), isSecure: isSecure))
      driver.run()
      return ModelBytes.encode(driver.coordinator.model)
    }
    #expect(models[0] == models[1])
  }

  @Test(arguments: [5, 7], 0..<5) func `whoever leaves at any stage, the sum is that of the survivors`(
    count: Int, stage: Int
  ) throws {
    let world = RoundWorld(partners: count)
    let driver = try RoundDriver(world)
    driver.passes = { participant, message in participant.rawValue != 2 || stageIndex(message) < stage }
    driver.run()
    #expect(driver.coordinator.end == .completed)
    let inSum = stage > 2 ? Array(0..<count) : Array(0..<count).filter { $0 != 1 }
    let sum = try #require(driver.coordinator.model.tensors["sum"]).values
    #expect(sum.map(Double.init) == world.exactSum(inSum))
    #expect(driver.published[0].survivors.count == inSum.count)
    #expect(driver[2].journal.chargeCount == (stage >= 2 ? 1 : 0), "charged exactly when its masked input was sent")
  }

  @Test(arguments: 0..<5) func `below the minimum no stage gives a result`(stage: Int) throws {
    let world = RoundWorld(attempts: 2)
    let driver = try RoundDriver(world)
    // t = 4 of 5: two who leave are one too many.
    driver.passes = { participant, message in participant.rawValue > 2 || stageIndex(message) < stage }
    driver.run()
    #expect(driver.coordinator.end == .tooManyAborts(round: 0, reason: .tooFewPartners))
    #expect(driver.published.isEmpty && driver.aborts.count == 2)
    #expect(driver.chargesAtRelease.isEmpty)
    #expect(driver.coordinatorJournal.chargeCount == (stage >= 2 ? 2 : 0), "charged when masked inputs were there")
    for participant: UInt32 in 3...5 {
      #expect(driver[participant].journal.chargeCount == (stage >= 2 ? 2 : 0))
    }
  }

  @Test func `a refusal in time takes only the refusing partner out of the sum`() throws {
    let world = RoundWorld(noise: .central, epsilon: 2)
    let driver = try RoundDriver(world, caps: [3: try PrivacyBudget(epsilon: 0.5, delta: 1e-6)])
    driver.run()
    #expect(driver.coordinator.end == .completed)
    #expect(driver[3].engine.refusals == [.budgetExhausted: 1])
    #expect(driver[3].journal.chargeCount == 0)
    #expect(driver.published[0].survivors.map(\.rawValue) == [1, 2, 4, 5])
  }

  // MARK: - Noise

  /// χ² of the residuals over their claimed variance; its mean is 1, its deviation √(2/n).
  private func varianceRatio(_ noise: NoiseMode, drop: UInt32?) throws -> (ratio: Double, entries: Int, mean: Double) {
    let items = 100_000
    var world = RoundWorld(algorithm: EchoAlgorithm(itemCount: items), noise: noise, epsilon: 1)
    world.draft.aggregation.maximumAttempts = 1
    let driver = try RoundDriver(world)
    if let drop { driver.passes = { participant, message in participant.rawValue != drop || stageIndex(message) < 2 } }
    driver.run()
    let release = driver.planFile.plan.releases[0]
    let noise = try #require(release.noise)
    let inSum = (0..<5).filter { UInt32($0 + 1) != drop }
    let variance = Double(noise.share.map { $0.variance * Int64(inSum.count) } ?? noise.sigmaSquared)
    let exact = world.exactSum(inSum)
    let released = try #require(driver.coordinator.model.tensors["sum"]).values
    let residuals = zip(released, exact).map { (Double($0) - $1) * release.scale }
    #expect(residuals.allSatisfy { $0 == $0.rounded() }, "what is released lies on the grid")
    return (
      residuals.reduce(0) { $0 + $1 * $1 } / variance / Double(items), items,
      residuals.reduce(0, +) / (variance * Double(items)).squareRoot()
    )
  }

  @Test(arguments: [NoiseMode.central, .distributed], [nil, 4] as [UInt32?])
  func `the residual has the variance that the plan says, with all partners and without one`(
    noise: NoiseMode, drop: UInt32?
  ) throws {
    let (ratio, entries, mean) = try varianceRatio(noise, drop: drop)
    #expect(abs(ratio - 1) < 5 * (2 / Double(entries)).squareRoot(), "\(ratio)")
    #expect(abs(mean) < 5)
  }

  @Test func `without one partner's share the variance falls by that share, and the plan counted on it`() throws {
    let (ratio, entries, _) = try varianceRatio(.distributed, drop: 2)
    // `ratio` is over the four shares in the sum; over all five it is four fifths, far from one.
    let overAll = ratio * 4 / 5
    let deviation = (2 / Double(entries)).squareRoot()
    #expect(abs(overAll - 0.8) < 5 * deviation && abs(overAll - 1) > 30 * deviation, "\(overAll)")
    // What is charged is what n_min partners guarantee, less the colluders: no more than four shares hold.
    let plan = try RoundWorld(algorithm: EchoAlgorithm(itemCount: 12), noise: .distributed, epsilon: 1).planFile().plan
    let noise = try #require(plan.releases[0].noise)
    let share = try #require(noise.share)
    #expect(plan.aggregation.minimumSurvivors == 4 && plan.aggregation.colluders == 1)
    #expect(try charged(plan, .coalition) == 3 * share.variance && charged(plan, .outsiders) == 4 * share.variance)
  }

  private func charged(_ plan: TrainingPlan, _ adversary: GaussianNoise.Adversary) throws -> Int64 {
    guard case .gaussian(let release)? = plan.releases[0].event(plan.privacy, against: adversary) else { return 0 }
    return release.sigmaSquared
  }

  @Test func `reduction modulo the ring comes after the noise`() throws {
    // A narrow ring by force: sums and noise wrap, and the result must be their sum modulo 2^b, centred.
    let noise = try GaussianNoise(central: 1 << 20, deltaSquared: 100, dimension: 4)
    let event = noise.event(adjacency: .addRemove)
    let sum: [UInt64] = [2047, 2048, 0, 4095]
    var wide = KeyedRandomSource(insecureSeed: 3)
    var narrow = KeyedRandomSource(insecureSeed: 3)
    let free = PrivatizedSum(adding: noise, to: sum, bits: 62, event: event, random: &wide).values
    let wrapped = PrivatizedSum(adding: noise, to: sum, bits: 12, event: event, random: &narrow).values
    #expect(wrapped == free.map { (($0 + 2048) % 4096 + 4096) % 4096 - 2048 })
  }

  // MARK: - Order of charge, masked input, opening

  @Test func `a partner whose ledger cannot be written sends no masked input`() throws {
    for isSecure in [true, false] {
      let world = RoundWorld(isSecure: isSecure)
      let driver = try RoundDriver(world)
      driver[2].journal.fail()
      driver.run()
      #expect(driver.coordinator.end == .completed)
      #expect(driver[2].engine.refusals == [.ledgerUnavailable: 1])
      #expect(!driver.sent.contains { $0.from.rawValue == 2 && stageIndex($0.message) >= 2 })
      let sum = try #require(driver.coordinator.model.tensors["sum"]).values
      #expect(sum.map(Double.init) == world.exactSum([0, 2, 3, 4]))
    }
  }

  @Test func `a masked input leaves after its charge is in the ledger`() throws {
    let driver = try RoundDriver(RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: 2)))
    driver.passes = { participant, message in
      if stageIndex(message) == 2 {
        #expect(driver[participant.rawValue].journal.chargeCount == driver.published.count + 1)
      } else if stageIndex(message) >= 0, stageIndex(message) < 2 {
        #expect(driver[participant.rawValue].journal.chargeCount == driver.published.count)
      }
      return true
    }
    driver.run()
    #expect(driver.coordinator.end == .completed)
  }

  @Test(arguments: [true, false]) func `the coordinator charges before anything is opened, or opens nothing`(
    isSecure: Bool
  ) throws {
    let driver = try RoundDriver(RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: 3), isSecure: isSecure))
    driver.run()
    #expect(driver.chargesAtRelease == [1, 2, 3])
    let failing = try RoundDriver(RoundWorld(isSecure: isSecure))
    failing.coordinatorJournal.fail()
    failing.run()
    guard case .ledgerFailed? = failing.coordinator.end else {
      Issue.record("\(String(describing: failing.coordinator.end))")
      return
    }
    #expect(failing.chargesAtRelease.isEmpty && failing.published.isEmpty)
    #expect(!failing.sent.contains { stageIndex($0.message) > 2 }, "no survivor set was sent, so nobody unmasked")
    #expect(failing.coordinator.model == failing.world.algorithm.initialModel(seed: 11))
  }

  @Test func `a release whose outcome cannot be written is not published`() throws {
    let driver = try RoundDriver(RoundWorld())
    driver.passes = { _, message in
      if stageIndex(message) == 4 { driver.coordinatorJournal.fail() }
      return true
    }
    driver.run()
    guard case .ledgerFailed? = driver.coordinator.end else {
      Issue.record("\(String(describing: driver.coordinator.end))")
      return
    }
    #expect(driver.published.isEmpty)
    #expect(driver.coordinator.model.version == 0)
  }

  @Test(arguments: [true, false]) func `asked twice, the coordinator opens once`(isSecure: Bool) throws {
    let driver = try RoundDriver(RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: 2), isSecure: isSecure))
    var late: [(ParticipantID, PartnerMessage)] = []
    driver.passes = { participant, message in
      // Partner 5's last message of the first round is held back until the host was told to open.
      guard participant.rawValue == 5, stageIndex(message) == (isSecure ? 4 : 2), driver.published.isEmpty else { return true }
      late.append((participant, message))
      return false
    }
    driver.perform(driver.coordinator.begin())
    while !driver.queue.isEmpty { driver.deliverNext() }
    let opening = driver.coordinator.deadlineExpired(generation: driver.generation, time: 9)
    #expect(opening == [.release])
    for (participant, message) in late {
      #expect(driver.coordinator.receive(message, from: participant, time: 9).actions.isEmpty)
    }
    #expect(driver.coordinator.deadlineExpired(generation: driver.generation, time: 9).isEmpty)
    driver.perform(opening)
    #expect(driver.published.count == 1)
    // A second call belongs to no closed attempt: the next one must not be opened uncharged.
    #expect(driver.coordinator.release(random: &driver.random, time: 9).isEmpty)
    driver.run()
    #expect(driver.coordinator.end == .completed && driver.published.count == 2)
    #expect(driver.chargesAtRelease == [1, 2])
  }

  @Test func `an old deadline changes nothing`() throws {
    let driver = try RoundDriver(RoundWorld())
    driver.perform(driver.coordinator.begin())
    let first = driver.generation
    while driver.published.isEmpty, driver.generation == first { driver.deliverNext() }
    #expect(driver.coordinator.deadlineExpired(generation: first, time: 9).isEmpty)
    #expect(driver.coordinator.deadlineExpired(generation: first - 1, time: 9).isEmpty)
    #expect(driver.coordinator.deadlineExpired(generation: driver.generation + 1, time: 9).isEmpty)
    driver.run()
    #expect(driver.published.map(\.survivors.count) == [5])
  }

  @Test func `stopped after masked inputs came in, both sides have charged, and nothing was opened`() throws {
    let driver = try RoundDriver(RoundWorld())
    driver.passes = { participant, message in participant.rawValue != 5 || stageIndex(message) != 2 }
    driver.run(deadlines: 0)
    #expect(driver.coordinatorJournal.chargeCount == 0)
    driver.perform(driver.coordinator.stop(time: 9))
    #expect(driver.coordinator.end == .stopped)
    #expect(driver.coordinatorJournal.chargeCount == 1)
    #expect(driver.coordinatorJournal.lines.last?.contains("\"result\":\"aborted\"") == true)
    #expect(driver.chargesAtRelease.isEmpty)
    #expect(driver.coordinator.stop(time: 9).isEmpty)
  }

  @Test(arguments: [true, false], [0, 2]) func `inputs that came late, or too few, are charged by both sides`(
    isSecure: Bool, arriving: UInt32
  ) throws {
    let driver = try RoundDriver(RoundWorld(isSecure: isSecure, attempts: 2))
    driver.passes = { participant, message in participant.rawValue <= arriving || stageIndex(message) != 2 }
    driver.run()
    #expect(driver.published.isEmpty && driver.aborts == [.tooFewPartners, .tooFewPartners])
    #expect(driver.hosts.values.allSatisfy { $0.journal.chargeCount == 2 })
    #expect(driver.coordinatorJournal.chargeCount == 2, "the report's ε is read from this ledger")
  }

  @Test func `stopped while inputs are under way, both sides have charged`() throws {
    let driver = try RoundDriver(RoundWorld())
    driver.passes = { _, message in stageIndex(message) != 2 }
    driver.run(deadlines: 0)
    driver.perform(driver.coordinator.stop(time: 9))
    #expect(driver.hosts.values.allSatisfy { $0.journal.chargeCount == 1 })
    #expect(driver.coordinatorJournal.chargeCount == 1)
  }

  @Test(arguments: [true, false]) func `an attempt that everybody refused costs nobody anything`(isSecure: Bool) throws {
    let driver = try RoundDriver(RoundWorld(isSecure: isSecure, attempts: 1))
    for host in driver.hosts.values { host.journal.fail() }
    driver.run()
    #expect(driver.published.isEmpty && driver.coordinatorJournal.chargeCount == 0)
  }

  @Test func `stopped before any input, nobody is charged`() throws {
    let driver = try RoundDriver(RoundWorld())
    driver.perform(driver.coordinator.begin())
    driver.perform(driver.coordinator.stop(time: 9))
    while !driver.queue.isEmpty { driver.deliverNext() }
    #expect(driver.coordinatorJournal.lines.isEmpty)
    #expect(driver.hosts.values.allSatisfy { $0.journal.chargeCount == 0 })
  }

  // MARK: - Budget

  @Test func `aborted attempts cost budget, and the run stops before the release that would overspend`() throws {
    let world = RoundWorld(
      algorithm: EchoAlgorithm(itemCount: 12, releases: 3), noise: .central, epsilon: 2, attempts: 10)
    let driver = try RoundDriver(world)
    var aborted = 0
    driver.passes = { participant, message in
      // The second release's first attempt fails after the masked inputs.
      guard driver.published.count == 1, stageIndex(message) == 3, driver.aborts.isEmpty else { return true }
      aborted += 1
      return false
    }
    driver.run()
    #expect(aborted == 5 && driver.aborts == [.tooFewPartners])
    #expect(driver.coordinator.end == .budgetExhausted(round: 2))
    #expect(driver.published.count == 2)
    let spent = driver.coordinatorLedger.state.recorded.epsilon(delta: 1e-6)
    #expect(spent <= 2 * (1 + 1e-9) && spent > 1.9999)
    for host in driver.hosts.values {
      #expect(host.ledger.state.recorded.epsilon(delta: 1e-6) == spent)
    }
  }

  @Test func `with a reserved attempt the same run completes`() throws {
    var world = RoundWorld(
      algorithm: EchoAlgorithm(itemCount: 12, releases: 3), noise: .central, epsilon: 2, attempts: 10)
    world.draft.reserveAttempts = 1
    let driver = try RoundDriver(world)
    driver.passes = { _, message in
      !(driver.published.count == 1 && stageIndex(message) == 3 && driver.aborts.isEmpty)
    }
    driver.run()
    #expect(driver.coordinator.end == .completed && driver.published.count == 3)
    #expect(driver.coordinatorLedger.state.recorded.epsilon(delta: 1e-6) <= 2 * (1 + 1e-9))
  }

  @Test func `a partner with a larger budget of its own holds the coordinator to the plan's cap`() throws {
    let world = RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: 2), noise: .central, epsilon: 1, attempts: 50)
    let caps = Dictionary(uniqueKeysWithValues: try (1...5).map { ($0, try PrivacyBudget(epsilon: 100, delta: 1e-6)) })
    let driver = try RoundDriver(world, caps: caps)
    // A coordinator that never counts: its ledger is that of a fresh one at every attempt.
    let partner = driver[1]
    partner.ledgerIsCharged(times: 2, in: driver)
    #expect(partner.journal.chargeCount == 2)
    let third = partner.receive(.roundStart(driver.start(round: 1, attempt: 7)))
    #expect(third.contains { Self.isRefusal($0, .budgetExhausted) })
  }

  static func isRefusal(_ action: PartnerAction, _ reason: PartnerRefusal) -> Bool {
    if case .send(.refusal(let refusal)) = action { return refusal.reason == reason }
    return false
  }

  @Test func `poisson samples are drawn anew in every release, at the plan's rate`() throws {
    var world = RoundWorld(
      algorithm: EchoAlgorithm(itemCount: 4, releases: 1), usersPerPartner: 20_000, noise: .central, epsilon: 1000)
    world.draft.samplingRate = 0.25
    for index in world.draft.roster.indices { world.draft.roster[index].maximumUsers = 20_000 }
    let driver = try RoundDriver(world)
    driver.run()
    #expect(driver.coordinator.end == .completed)
    let sum = try #require(driver.coordinator.model.tensors["sum"]).values.reduce(0) { $0 + Double($1) } / 0.5
    let release = driver.planFile.plan.releases[0]
    let deviation = (100_000 * 0.25 * 0.75 + 4 * release.noiseDeviation * release.noiseDeviation * 4).squareRoot()
    #expect(abs(sum - 25_000) < 5 * deviation, "\(sum)")
  }
}

extension RoundDriver {
  /// A round start as this coordinator would sign it.
  func start(
    round: UInt32, attempt: UInt32, session: SessionID? = nil, planHash: Digest? = nil, model: ItemModel? = nil,
    ledgerSize: UInt64? = nil, ledgerHead: Digest? = nil, key: SigningKey? = nil
  ) -> RoundStart {
    var current = coordinator.model
    current.version = Int(round)
    let bytes = ModelBytes.encode(model ?? current)
    let session = session ?? RoundWorld.session(7)
    let planHash = planHash ?? SHA256.hash(planFile.bytes)
    // The coordinator's own ledger, which grows by a remark where it is not long enough.
    let ledgerSize = ledgerSize ?? coordinatorLedger.head.head.size + 1
    while coordinatorLedger.head.head.size < ledgerSize, (try? coordinatorLedger.note("a test", time: 1)) != nil {}
    let ledgerHead = ledgerHead ?? coordinatorLedger.state.signedHead(size: Int(ledgerSize)).head.head
    return RoundStart(
      session: session, round: round, attempt: attempt, planHash: planHash, model: bytes, ledgerSize: ledgerSize,
      ledgerHead: ledgerHead,
      signature: (key ?? world.coordinatorKey).sign(
        RoundStart.signedBytes(
          session: session, round: round, attempt: attempt, planHash: planHash, modelHash: SHA256.hash(bytes),
          ledgerSize: ledgerSize, ledgerHead: ledgerHead)))
  }
}

extension RoundDriver.Host {
  /// Charges this partner's ledger for attempts at round 0, as aborted attempts would.
  func ledgerIsCharged(times: Int, in driver: RoundDriver) {
    let plan = driver.planFile.plan
    for attempt in 0..<times {
      guard let event = plan.releases[0].event(plan.privacy) else { continue }
      do {
        try ledger.charge(
          ChargeRequest(
            attempt: LedgerAttempt(session: RoundWorld.session(7), round: 0, attempt: attempt), release: 0, name: "sum 0",
            plan: SHA256.hash(driver.planFile.bytes), binding: .zero, event: .accounted(event), sampler: "everyone",
            participants: 5, survivors: nil, delta: 1e-6, time: 1))
      } catch { Issue.record("\(error)") }
    }
  }
}
