internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import Testing

@Suite struct PlanTests {
  @Test(arguments: [NoiseMode.none, .central, .distributed])
  func `a plan survives its file byte for byte`(noise: NoiseMode) throws {
    let file = try RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: 3), noise: noise).planFile()
    let read = try PlanFile(bytes: file.bytes)
    #expect(read == file)
    #expect(try PlanFile(read.plan).bytes == file.bytes)
    #expect(SHA256.hash(read.bytes) == SHA256.hash(file.bytes))
  }

  @Test func `seeds and names at their limits survive the file`() throws {
    var world = RoundWorld(noise: .central)
    world.draft.modelSeed = .max
    world.draft.task = "Überraschung \"x/y\" \u{1F600}"
    let file = try world.planFile()
    #expect(try PlanFile(bytes: file.bytes).plan == file.plan)
  }

  @Test(arguments: [0.5, 1, 2, 4, 8], [1, 3, 20])
  func `with everybody taking part a plan spends its cap and no more`(epsilon: Double, releases: Int) throws {
    for noise in [NoiseMode.central, .distributed] {
      let world = RoundWorld(
        algorithm: EchoAlgorithm(itemCount: 500, releases: releases), noise: noise, epsilon: epsilon)
      let spent = try Self.epsilon(world.planFile().plan)
      #expect(spent <= epsilon * (1 + 1e-12))
      // What is missing is what rounding σ² (and n_min − c equal shares of it) up to integers costs: a few parts in σ².
      let sigmaSquared = try #require(world.planFile().plan.releases[0].noise).sigmaSquared
      #expect(spent >= epsilon * (1 - 4 / Double(sigmaSquared)), "\(noise) \(spent)")
    }
  }

  @Test func `on a fine grid the cap is met to one part in a million`() throws {
    let world = RoundWorld(algorithm: EchoAlgorithm(itemCount: 20_000, releases: 4), noise: .central, epsilon: 1)
    let spent = try Self.epsilon(world.planFile().plan)
    #expect(spent <= 1 && spent >= 1 - 1e-6)
  }

  @Test func `noise, sensitivity and ring of a known plan`() throws {
    let plan = try RoundWorld(noise: .central, epsilon: 1).planFile().plan
    let release = plan.releases[0]
    let encoding = try #require(release.encoding)
    let noise = try #require(release.noise)
    // Δ² = ⌊min{(c+√k)², c² + k/4 + c + √k/2}⌋ with c = scale, k = 12.
    let c = encoding.scale
    #expect(encoding.deltaSquared == Int64(c * c + 3 + c + 12.0.squareRoot() / 2))
    // Analytic Gaussian at (1, 1e-6): z = 4.223 (Balle, Wang 2018).
    let z = (Double(noise.sigmaSquared - 4) / Double(encoding.deltaSquared)).squareRoot()
    #expect(abs(z - 4.2247) < 0.01, "\(z)")
    #expect(release.noiseDeviation == Double(noise.sigmaSquared).squareRoot() / c)
    // 500 users of at most ⌈Δ⌉ each, and 40 bits of room for the noise's tail.
    #expect(try #require(plan.wrapProbabilityLog2(of: release)) < -40)
    var narrower = plan
    narrower.releases[0].modulusBits -= 1
    #expect(throws: PlanError.self) { try narrower.validate() }
  }

  @Test func `shares of distributed noise reach the variance without the colluders`() throws {
    let central = try #require(try RoundWorld(noise: .central).planFile().plan.releases[0].noise)
    let noise = try #require(try RoundWorld(noise: .distributed).planFile().plan.releases[0].noise)
    let share = try #require(noise.share)
    #expect(share.honestContributors == 3 && share.minimumContributors == 4)
    #expect(share.variance * 3 == noise.sigmaSquared)
    #expect(noise.sigmaSquared >= central.sigmaSquared && noise.sigmaSquared < central.sigmaSquared + 3)
  }

  @Test func `users at two partners need four times the variance`() throws {
    let one = try #require(try RoundWorld(noise: .central).planFile().plan.releases[0].noise)
    let two = try #require(try RoundWorld(noise: .central, partnersPerUser: 2).planFile().plan.releases[0].noise)
    let ratio =
      Double(two.sigmaSquared - 4) / Double(two.deltaSquared) / (Double(one.sigmaSquared - 4) / Double(one.deltaSquared))
    #expect(abs(ratio - 4) < 0.001)
    let replaced = try #require(
      try RoundWorld(noise: .central, adjacency: .replaceOne).planFile().plan.releases[0].noise)
    #expect(replaced.sigmaSquared == two.sigmaSquared)
  }

  @Test func `sampling needs less noise for the same cap`() throws {
    var world = RoundWorld(algorithm: EchoAlgorithm(itemCount: 100, releases: 5), noise: .central)
    let full = try world.planFile().plan
    world.draft.samplingRate = 0.1
    let sampled = try world.planFile().plan
    let (before, after) = (try #require(full.releases[0].noise), try #require(sampled.releases[0].noise))
    #expect(
      Double(after.sigmaSquared) / Double(after.deltaSquared) < 0.5 * Double(before.sigmaSquared)
        / Double(before.deltaSquared))
    #expect(sampled.releases.allSatisfy { $0.sampler == "poisson" && $0.samplingRate == 0.1 })
    let spent = try Self.epsilon(sampled)
    #expect(spent <= 2 && spent > 1.99)
  }

  @Test func `reserved attempts can be paid for`() throws {
    var world = RoundWorld(algorithm: EchoAlgorithm(itemCount: 100, releases: 2), noise: .central)
    world.draft.reserveAttempts = 2
    let plan = try world.planFile().plan
    let spent = try Self.epsilon(plan)
    #expect(spent < 1.6)
    let events = (0..<4).compactMap { _ in plan.releases[0].event(plan.privacy) }
    let all = try Self.epsilon(events, delta: 1e-6)
    #expect(all <= 2 && all > 1.9999)
  }

  @Test func `reserved attempts pay for the dearest release, not for the one with the largest share`() throws {
    var world = RoundWorld(algorithm: EchoAlgorithm(itemCount: 100, releases: 1), noise: .central, heldOut: true)
    world.draft.samplingRate = 0.02
    world.draft.evaluationShare = 0.4
    world.draft.reserveAttempts = 1
    let plan = try world.planFile().plan
    let evaluation = try #require(plan.releases.last?.event(plan.privacy))
    #expect(try Self.epsilon(plan.releases.compactMap { $0.event(plan.privacy) } + [evaluation], delta: 1e-6) <= 2)
  }

  /// A plan of two kinds, the rounds and their evaluation: rate, rounds, the evaluation's share, cap, reserved attempts.
  struct Mixed: Sendable {
    let rate: Double
    let rounds: Int
    let share: Double
    let epsilon: Double
    let reserve: Int
  }

  /// The first by a review: by each kind's ε alone a round is the dearest, and yet a retry of the evaluation came to 8.524. In the third
  /// a mixture of retries needs more than as many of one kind; in the last everybody takes part in everything.
  static let mixed = [
    Mixed(rate: 0.01, rounds: 20, share: 0.005, epsilon: 8, reserve: 1),
    Mixed(rate: 0.1, rounds: 50, share: 0.1, epsilon: 2, reserve: 3),
    Mixed(rate: 0.1, rounds: 5, share: 0.005, epsilon: 2, reserve: 8),
    Mixed(rate: 1, rounds: 3, share: 0.4, epsilon: 2, reserve: 2),
  ]

  @Test(arguments: mixed) func `reserved attempts at several kinds of release can be paid for, whichever fail`(one: Mixed) throws
  {
    var world = RoundWorld(
      algorithm: EchoAlgorithm(itemCount: 100, releases: one.rounds), noise: .central, epsilon: one.epsilon, heldOut: true)
    world.draft.samplingRate = one.rate
    world.draft.evaluationShare = one.share
    world.draft.reserveAttempts = one.reserve
    let file = try world.planFile()
    let plan = SHA256.hash(file.bytes)
    let events = try file.plan.releases.map { try #require($0.event(file.plan.privacy)) }
    let cap = SpendingCap(try #require(file.plan.cap), plans: [plan: file.plan])
    let needed = (0...one.reserve).map { evaluations in
      let retries = (0..<one.reserve).map { $0 < evaluations ? events[one.rounds] : events[0] }
      return cap.epsilon(of: nil, and: (events + retries).map { (plan, .accounted($0)) })
    }
    #expect(needed.allSatisfy(cap.holds), "\(needed)")
    let worst = try #require(needed.max())
    // No more noise than for parts of attempts, which is a little more than for whole ones.
    #expect(worst > 0.985 * one.epsilon, "\(needed)")
    guard one.reserve == 8 else { return }
    // By the least value over orders, attempts at one kind alone would need less than some mixture: the cap has one order for all.
    let least = try (0...8).map { evaluations in
      let retries = (0..<8).map { $0 < evaluations ? events[one.rounds] : events[0] }
      return RenyiAccountant().upperEpsilon(try PrivacyLossSummary(events + retries), delta: file.plan.privacy.delta)
    }
    #expect(try #require(least.max()) > 1.002 * max(least[0], least[8]) && zip(least, needed).allSatisfy { $0 <= $1 }, "\(least)")
  }

  @Test func `an evaluation gets its share of the budget`() throws {
    var world = RoundWorld(algorithm: EchoAlgorithm(itemCount: 100, releases: 2), noise: .central)
    world.draft.evaluationShare = 0.2
    let plan = try world.planFile().plan
    #expect(plan.releases.map(\.purpose) == [.training, .training, .evaluation])
    #expect(plan.releases.map(\.budgetShare).reduce(0, +) == 1)
    let mu = plan.releases.compactMap { release in
      release.noise.map { 1 / ($0.noiseMultiplier(adjacency: .addRemove) * $0.noiseMultiplier(adjacency: .addRemove)) }
    }
    #expect(abs(mu[2] / mu.reduce(0, +) - 0.2) < 1e-3)
    #expect(plan.releases[2].encoding?.clipNorm == 3.0.squareRoot())
  }

  static func epsilon(_ plan: TrainingPlan) throws -> Double {
    try epsilon(plan.releases.compactMap { $0.event(plan.privacy) }, delta: plan.privacy.delta)
  }

  static func epsilon(_ events: [PrivacyEvent], delta: Double) throws -> Double {
    let world = try LedgerWorld.ledger()
    for (round, event) in events.enumerated() {
      try world.ledger.charge(try LedgerWorld.request(round, event: .accounted(event)))
    }
    return world.ledger.state.recorded.epsilon(delta: delta)
  }

  // MARK: - What is refused

  struct Case: Sendable, CustomTestStringConvertible {
    let says: String
    let noise: NoiseMode
    let edit: @Sendable (inout TrainingPlan) throws -> Void
    init(_ says: String, _ noise: NoiseMode = .central, _ edit: @escaping @Sendable (inout TrainingPlan) throws -> Void) {
      self.says = says
      self.noise = noise
      self.edit = edit
    }
    var testDescription: String { says }
  }

  static let cases: [Case] = [
    Case("format version 2") { $0.formatVersion = 2 },
    Case("'session' is no 32") { $0.session = "00" },
    Case("'coordinatorKey' is no 64") { $0.coordinatorKey += "0" },
    Case("'catalogue' needs a hash") { $0.catalogue.hash = "x" },
    Case("'catalogue' needs a hash") { $0.catalogue.itemCount = 0 },
    Case("'catalogue.features' is no hash") { $0.catalogue.features = "x" },
    Case("'catalogue' names item features, and") { $0.catalogue.features = $0.catalogue.hash },
    Case("'feature-dimension' is 3.0, but 'catalogue' names no features") { $0.algorithm.parameters["feature-dimension"] = 3 },
    Case("'task' has 0 bytes") { $0.task = "" },
    Case("the roster has 1 partner:") { $0.roster.removeLast(4) },
    Case("the roster has 0 partners") { $0.roster = [] },
    Case("the roster has 2 partners: without central noise", .none) { $0.roster.removeLast(3) },
    Case("must be distinct, ascending") { $0.roster[0].participant = 9 },
    Case("must be distinct, ascending") { $0.roster[0].participant = 0 },
    Case("two partners have the same name") { $0.roster[0].name = $0.roster[1].name },
    Case("two partners have the same verification key") { $0.roster[0].verificationKey = $0.roster[1].verificationKey },
    Case("has no verification key") { $0.roster[0].verificationKey = "12" },
    Case("has a name of 300 bytes") { $0.roster[0].name = String(repeating: "x", count: 300) },
    Case("may bring 0 users") { $0.roster[0].maximumUsers = 0 },
    Case("threshold 9223372036854775807") { $0.aggregation.threshold = .max },
    Case("threshold 9223372036854775807", .distributed) { $0.aggregation.threshold = .max },
    Case("minimumSurvivors -9223372036854775808") { $0.aggregation.minimumSurvivors = .min },
    Case("colluders -1") { $0.aggregation.colluders = -1 },
    Case("1 colluding partners with n = 5 and threshold 2") { $0.aggregation.threshold = 2 },
    Case("least number of survivors is 3") { $0.aggregation.minimumSurvivors = 3 },
    Case("the mask suite is 3") { $0.aggregation.suite = 3 },
    Case("'maximumAttempts' is 0") { $0.aggregation.maximumAttempts = 0 },
    Case("ε is -1.0") { $0.privacy.epsilon = -1 },
    Case("ε is inf") { $0.privacy.epsilon = .infinity },
    Case("ε is nan") { $0.privacy.epsilon = .nan },
    Case("δ is 1.0") { $0.privacy.delta = 1 },
    Case("δ is 0.0") { $0.privacy.delta = 0 },
    Case("'nominalUsers'") { $0.privacy.nominalUsers = 0 },
    Case("'maximumPartnersPerUser'") { $0.privacy.maximumPartnersPerUser = 0 },
    Case("its releases spend ε") { $0.privacy.epsilon = 1.9 },
    Case("its releases spend ε") { $0.privacy.delta = 1e-9 },
    Case("its releases spend ε") { $0.privacy.adjacency = .replaceOne },
    Case("its releases spend ε") { $0.privacy.maximumPartnersPerUser = 2 },
    Case("its releases spend ε") { $0.releases.append($0.releases[0]) },
    Case("its releases spend ε") {
      let noise = try #require($0.releases[0].noise)
      $0.releases[0].noise = try GaussianNoise(
        central: noise.sigmaSquared * 9 / 10, deltaSquared: noise.deltaSquared, dimension: noise.dimension)
    },
    Case("0 colluding partners", .distributed) { $0.aggregation.colluders = 0 },
    Case("3 colluding partners with n = 5 and threshold 4", .distributed) { $0.aggregation.colluders = 3 },
    Case("distributed noise needs secure aggregation", .distributed) { $0.aggregation.isSecure = false },
    Case("noise shares are for another n_min", .distributed) { $0.aggregation.minimumSurvivors = 5 },
    Case("does not fit the plan's noise mode 'distributed'", .distributed) {
      let noise = try #require($0.releases[0].noise)
      $0.releases[0].noise = try GaussianNoise(
        central: noise.sigmaSquared, deltaSquared: noise.deltaSquared, dimension: noise.dimension)
    },
    Case("has no clip or no noise") { $0.releases[0].noise = nil },
    Case("has no clip or no noise") {
      $0.privacy.noise = .central
      $0.releases[0].encoding = nil
    },
    Case("dimension, scale and Δ²") {
      let noise = try #require($0.releases[0].noise)
      $0.releases[0].noise = try GaussianNoise(
        central: noise.sigmaSquared, deltaSquared: noise.deltaSquared - 1, dimension: noise.dimension)
    },
    Case("dimension, scale and Δ²") { $0.releases[0].scale *= 2 },
    Case("dimension, scale and Δ²") { $0.releases[0].dimension += 1 },
    Case("bounds entries of messages that are clipped") { $0.releases[0].entryBound = 1 },
    Case("wraps with probability") { $0.releases[0].modulusBits -= 1 },
    Case("The modulus has 1 bits") { $0.releases[0].modulusBits = 1 },
    Case("The modulus has 63 bits") { $0.releases[0].modulusBits = 63 },
    Case("wraps with probability") { $0.roster[0].maximumUsers = 1 << 40 },
    Case("the sampling rate is 0.0") { $0.releases[0].samplingRate = 0 },
    Case("the sampling rate is nan") { $0.releases[0].samplingRate = .nan },
    Case("the name has 0 bytes") { $0.releases[0].name = "" },
    Case("the budget share is") { $0.releases[0].budgetShare = -1 },
    Case("the plan has 0 releases") { $0.releases = [] },
    Case("has noise in a plan without noise") {
      $0.privacy.noise = .none
      $0.releases[0].budgetShare = 0
    },
    Case("samples users in a plan without noise", .none) { $0.releases[0].samplingRate = 0.5 },
    Case("has no bound on its entries", .none) { $0.releases[0].entryBound = nil },
    Case("has no bound on its entries", .none) { $0.releases[0].entryBound = .infinity },
    Case("wraps in a ring of", .none) { $0.releases[0].modulusBits -= 1 },
    Case("wraps in a ring of", .none) { $0.releases[0].scale *= 2 },
    Case("The dimension is 0", .none) { $0.releases[0].dimension = 0 },
  ]

  @Test(arguments: cases) func `an edited plan is refused with a sentence`(example: Case) throws {
    var plan = try RoundWorld(noise: example.noise).planFile().plan
    try example.edit(&plan)
    do {
      try plan.validate()
      Issue.record("accepted; expected: \(example.says)")
    } catch {
      #expect(error.description.contains(example.says), "\(error)")
    }
    #expect(throws: PlanError.self) { try PlanFile(plan) }
  }

  @Test func `drafts with impossible decisions are refused with a sentence`() throws {
    func refuse(_ says: String, _ noise: NoiseMode = .central, _ edit: (inout PlanDraft) -> Void) {
      var world = RoundWorld(noise: noise)
      edit(&world.draft)
      do {
        _ = try world.draft.plan(for: world.algorithm)
        Issue.record("accepted; expected: \(says)")
      } catch {
        #expect(error.description.contains(says), "\(error)")
      }
    }
    refuse("evaluation's share of the budget is 1.0") { $0.evaluationShare = 1 }
    refuse("evaluation's share of the budget is -0.5") { $0.evaluationShare = -0.5 }
    refuse("sampling rate is 0.0") { $0.samplingRate = 0 }
    refuse("sampling rate is nan") { $0.samplingRate = .nan }
    refuse("in a plan without noise", .none) { $0.samplingRate = 0.5 }
    refuse("-1 reserved attempts") { $0.reserveAttempts = -1 }
    refuse("ε") { $0.privacy.epsilon = 0 }
    refuse("δ") { $0.privacy.delta = 1 }
  }

  @Test func `bytes that are no plan are refused with a sentence`() throws {
    let text = String(decoding: try RoundWorld(noise: .distributed).planFile().bytes, as: UTF8.self)
    func refuse(_ text: String, _ says: String) {
      do {
        _ = try PlanFile(bytes: Array(text.utf8))
        Issue.record("accepted; expected: \(says)")
      } catch {
        #expect(error.description.contains(says), "\(error)")
      }
    }
    refuse("", "the plan file is empty")
    refuse("{", "the top level")
    refuse("[]", "the top level")
    refuse(text.replacing("\"task\"", with: "\"tusk\""), "'task' is missing")
    refuse(text.replacing("\"modelSeed\" : 11", with: "\"modelSeed\" : -11"), "cannot be read")
    refuse(text.replacing("\"modulusBits\" :", with: "\"modulusBits\" : 1e30, \"x\" :"), "cannot be read")
    refuse(text.replacing("\"task\" :", with: "\"clip\" : 2, \"task\" :"), "unknown member 'clip'")
    refuse(text.replacing("\"colluders\" : 1,", with: "\"colluders\" : 1, \"also\" : [],"), "unknown member")
    refuse(text.replacing("\"task\" :", with: "\"task\" : \"b: \\\"\", \"task\" :"), "one stands twice")
    refuse(text.replacing("\"epsilon\" : 2,", with: "\"epsilon\" : 9, \"epsilon\" : 2,"), "one stands twice")
    let plan = try RoundWorld(noise: .distributed).planFile().plan
    let noise = try #require(plan.releases[0].noise)
    refuse(text.replacing("\"sigmaSquared\" : \(noise.sigmaSquared)", with: "\"sigmaSquared\" : 4099"), "shares guarantee")
    refuse(text.replacing("\"colluders\" : 1", with: "\"colluders\" : 0"), "0 colluding partners")
    refuse(
      text.replacing("\"deltaSquared\" : \(noise.deltaSquared)", with: "\"deltaSquared\" : \(noise.deltaSquared - 1)"),
      "claims Δ²")
  }

  @Test func `engines refuse a plan of another algorithm, key or shard`() throws {
    let world = RoundWorld(noise: .central)
    let file = try world.planFile()
    let (ledger, _) = try RoundWorld.ledger(.partner, key: world.keys[0])
    func partner(
      _ file: PlanFile, key: SigningKey? = nil, shard: PartnerShard? = nil, algorithm: (any FederatedAlgorithm)? = nil
    ) throws {
      _ = try PartnerEngine(
        planFile: file, participant: ParticipantID(1), signingKey: key ?? world.keys[0], shard: shard ?? world.shards[0],
        algorithm: algorithm ?? world.algorithm, ledger: ledger)
    }
    try partner(file)
    #expect(throws: PlanError.self) { try partner(file, key: world.keys[1]) }
    #expect(throws: PlanError.self) { try partner(file, algorithm: EchoAlgorithm(itemCount: 13)) }
    #expect(throws: PlanError.self) { try partner(file, algorithm: EchoAlgorithm(itemCount: 12, releases: 2)) }
    #expect(throws: PlanError.self) { try partner(file, algorithm: PopularityAlgorithm(itemCount: 12)) }
    #expect(throws: PlanError.self) {
      try partner(file, shard: PartnerShard(interactions: Interactions(itemCount: 13, histories: [])))
    }
    // Sums without masks are for simulations, which say so.
    let plain = try RoundWorld(noise: .central, isSecure: false).planFile()
    #expect(throws: PlanError.self) { try partner(plain) }
    // An evaluation that clips shorter than its vectors, or takes fewer entries, would report a wrong metric.
    var evaluated = RoundWorld(noise: .central)
    evaluated.draft.evaluationShare = 0.2
    var plan = try evaluated.draft.plan(for: world.algorithm)
    try partner(try PlanFile(plan))
    let encoding = try #require(plan.releases[1].encoding)
    let sigmaSquared = try #require(plan.releases[1].noise).sigmaSquared
    for (clipNorm, nonZeros, sentence) in [
      (encoding.clipNorm / 2, 3, "clips at"), (encoding.clipNorm, 2, "allows 2 entries of a user; expected 3"),
    ] {
      let shorter = try EncodingParameters(
        dimension: 9, maximumNonZeros: nonZeros, clipNorm: clipNorm, scale: encoding.scale)
      plan.releases[1].encoding = shorter
      plan.releases[1].noise = try GaussianNoise(central: sigmaSquared, deltaSquared: shorter.deltaSquared, dimension: 9)
      let edited = try PlanFile(plan)
      #expect { try partner(edited) } throws: { "\($0)".contains(sentence) }
    }
    var sampled = try evaluated.draft.plan(for: world.algorithm)
    sampled.releases[1].samplingRate = 0.5
    let rare = try PlanFile(sampled)
    #expect { try partner(rare) } throws: { "\($0)".contains("samples users at 0.5; expected 1") }
    #expect(throws: PlanError.self) {
      _ = try CoordinatorEngine(
        planFile: file, signingKey: world.keys[0], algorithm: world.algorithm, ledger: ledger)
    }
  }
}
