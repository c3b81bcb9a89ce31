internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import Simulation
internal import Testing

@Suite struct FederationTests {
  static let implicit: any FederatedAlgorithm = {
    guard
      let algorithm = try? MatrixFactorization(
        itemCount: TinyFederation.itemCount, regime: .implicit(ImplicitFactorization(dimension: 4, rounds: 3)))
    else { preconditionFailure("a factorization of 14 items") }
    return algorithm
  }()
  static let leastSquares: any FederatedAlgorithm = {
    guard
      let algorithm = try? AlternatingLeastSquares(
        itemCount: TinyFederation.itemCount, configuration: .init(dimension: 4, sweeps: 3))
    else { preconditionFailure("a factorization of 14 items") }
    return algorithm
  }()
  static let rankOne: any FederatedAlgorithm = {
    guard
      let algorithm = try? MatrixFactorization(
        itemCount: TinyFederation.itemCount, regime: .rankOne(RankOneFactorization(dimension: 4, rounds: 3)))
    else { preconditionFailure("a factorization of 14 items") }
    return algorithm
  }()

  /// Seven blocks of two rows.
  static func neighbours(_ weighting: PairWeighting) -> any FederatedAlgorithm {
    guard
      let algorithm = try? ItemNeighbours(
        itemCount: TinyFederation.itemCount, configuration: .init(neighbours: 0, weighting: weighting, blockRows: 2))
    else { preconditionFailure("neighbours of 14 items") }
    return algorithm
  }

  @Test(arguments: [FederatedName.covariance, .neighbours, .mf, .als, .rankOne], [5, 7])
  func `without noise a federation trains what one place would train`(name: FederatedName, partners: Int) throws {
    let tiny = TinyFederation(partners: partners, algorithm: name.algorithm)
    let outcome = try tiny.run()
    #expect(outcome.result.end == .completed)
    #expect(outcome.result.refusals.isEmpty, "\(outcome.result.refusals)")
    let central = tiny.central(0..<partners)
    #expect(distance(outcome.result.model, central) < 1e-4)
    #expect(outcome.result.model.version == central.version)
  }

  enum FederatedName: String, Sendable, CaseIterable {
    case covariance, neighbours, mf, als, rankOne
    var algorithm: any FederatedAlgorithm {
      switch self {
      case .covariance: TinyFederation.covariance
      case .neighbours: FederationTests.neighbours(.power(0.5))
      case .mf: FederationTests.implicit
      case .als: FederationTests.leastSquares
      case .rankOne: FederationTests.rankOne
      }
    }
  }

  @Test(arguments: FederatedName.allCases) func `masks change no bit of the model`(name: FederatedName) throws {
    let masked = try TinyFederation(algorithm: name.algorithm).run()
    let plain = try TinyFederation(isSecure: false, algorithm: name.algorithm).run()
    #expect(masked.result.end == .completed && plain.result.end == .completed)
    #expect(masked.model == plain.model)
  }

  @Test func `blocks of co-occurrence are exact, and under noise they cost what one release of all would`() throws {
    let exact = try TinyFederation(algorithm: Self.neighbours(.power(0))).run()
    #expect(
      exact.result.releases.count == 8
        && exact.result.model == TinyFederation(algorithm: Self.neighbours(.power(0))).central(0..<5))
    var private7 = TinyFederation(noise: .central, algorithm: Self.neighbours(.unitNorm))
    let plan = try private7.planFile().plan
    let pairs = plan.releases.filter { $0.name == "co-occurrence" }
    #expect(pairs.count == 7)
    let run = try private7.run()
    #expect(run.result.end == .completed)
    let spent = try #require(run.result.releases.last?.epsilonSpent)
    #expect(spent <= 3 && spent > 2.9)
    let whole = try ItemNeighbours(
      itemCount: TinyFederation.itemCount,
      configuration: .init(neighbours: 0, weighting: .unitNorm, blockRows: TinyFederation.itemCount))
    private7.algorithm = whole
    let one = try #require(try private7.planFile().plan.releases.last)
    // Each block has a seventh of the squared clip and of the budget: the same noise on an entry, up to the grid's rounding.
    #expect(pairs.allSatisfy { abs($0.noiseDeviation / one.noiseDeviation - 1) < 0.02 })
    let clips = pairs.compactMap { $0.encoding?.clipNorm }
    #expect(clips.count == 7 && abs(clips.reduce(0) { $0 + $1 * $1 } - 1) < 1e-9)
  }

  @Test func `the order of a partner's users does not matter`() throws {
    let tiny = TinyFederation()
    let forward = try tiny.run()
    let backward = try tiny.run(
      shards: (0..<5).map {
        PartnerShard(
          interactions: Interactions(itemCount: TinyFederation.itemCount, histories: tiny.histories(of: $0).reversed()))
      })
    #expect(forward.model == backward.model)
    // Sums of reals may round differently in another order, by no more than that.
    for name in [FederatedName.mf, .als] {
      let other = TinyFederation(algorithm: name.algorithm)
      let again = try other.run(
        shards: (0..<5).map {
          PartnerShard(
            interactions: Interactions(itemCount: TinyFederation.itemCount, histories: other.histories(of: $0).reversed()))
        })
      #expect(distance(try other.run().result.model, again.result.model) < 1e-4)
    }
  }

  // MARK: - Seeds

  @Test func `a seed with test randomness repeats ledgers and model to the byte`() throws {
    let tiny = TinyFederation(
      noise: .distributed, algorithm: Self.rankOne, faults: FaultPlan(dropout: 0.1, straggling: 0.02)
    )
    var reserved = tiny
    reserved.configure = { $0.reserveAttempts = 3 }
    let (first, second) = (try reserved.run(), try reserved.run())
    #expect(!first.result.releases.isEmpty)
    #expect(first.ledgers == second.ledgers && first.model == second.model)
    #expect(first.result.virtualSeconds == second.result.virtualSeconds)
    reserved.randomness = .insecureTest(seed: 2)
    let third = try reserved.run()
    #expect(third.model != first.model)
  }

  @Test func `without noise the seed alone repeats the model, whatever the keys are`() throws {
    let tiny = TinyFederation(algorithm: Self.leastSquares, randomness: .system)
    let (first, second) = (try tiny.run(), try tiny.run())
    #expect(first.model == second.model)
    #expect(first.ledgers[1] == second.ledgers[1], "charges do not depend on keys")
  }

  // MARK: - Faults

  @Test(arguments: [false, true]) func `no flipped bit makes another model unnoticed`(isNoised: Bool) throws {
    var tiny = TinyFederation()
    if isNoised {
      tiny.noise = .distributed
      tiny.algorithm = try PopularityAlgorithm(itemCount: TinyFederation.itemCount)
      tiny.configure = { $0.reserveAttempts = 2 }
    }
    let clean = try tiny.run()
    // Every set of survivors that a result may name, by its exact sum.
    var noticed = 0
    for message in 0..<60 {
      tiny.faults = FaultPlan(corruptedMessage: message)
      let outcome = try tiny.run()
      for release in outcome.result.releases where !isNoised {
        let expected = tiny.central(release.survivors.map { Int($0.rawValue) - 1 })
        #expect(distance(outcome.result.model, expected) == 0, "message \(message)")
      }
      if outcome.model != clean.model || outcome.ledgers != clean.ledgers || outcome.result.refusals != clean.result.refusals {
        noticed += 1
      }
      if isNoised, outcome.result.releases.first?.survivors.count == 5, outcome.result.aborted.isEmpty {
        #expect(outcome.model == clean.model, "message \(message)")
      }
    }
    // The last messages of an attempt (round ends; unmask answers beyond the threshold) change nothing when they are lost.
    #expect(noticed >= 40, "\(noticed)")
  }

  @Test(arguments: [5, 7]) func `with dropouts at every stage each result is exact over its survivors`(partners: Int) throws {
    var stages: Set<DropStage> = []
    var smaller = 0
    for seed in 0..<40 as Range<UInt64> {
      let tiny = TinyFederation(
        partners: partners, attempts: 20, faults: FaultPlan(dropout: 0.15), seed: seed)
      let outcome = try tiny.run()
      stages.formUnion(outcome.result.dropouts.keys)
      #expect(outcome.result.end == .completed)
      let survivors = try #require(outcome.result.releases.first).survivors.map { Int($0.rawValue) - 1 }
      if survivors.count < partners { smaller += 1 }
      #expect(distance(outcome.result.model, tiny.central(survivors)) == 0, "seed \(seed)")
    }
    #expect(stages == Set(DropStage.allCases))
    #expect(smaller > 5)
  }

  @Test func `stragglers are left out, and what comes late is refused`() throws {
    var late = 0
    for seed in 0..<20 as Range<UInt64> {
      for isSecure in [true, false] {
        let tiny = TinyFederation(isSecure: isSecure, attempts: 30, faults: FaultPlan(straggling: 0.05), seed: seed)
        let outcome = try tiny.run()
        #expect(outcome.result.end == .completed)
        let survivors = try #require(outcome.result.releases.first).survivors.map { Int($0.rawValue) - 1 }
        #expect(distance(outcome.result.model, tiny.central(survivors)) == 0)
        late += outcome.result.refusals.isEmpty ? 0 : 1
      }
    }
    #expect(late > 3)
  }

  @Test(arguments: CoordinatorLie.allCases.filter { $0 != .none })
  func `a lie gives no result to those lied to`(lie: CoordinatorLie) throws {
    for partners in [5, 7] {
      let tiny = TinyFederation(
        partners: partners, attempts: 2, algorithm: Self.leastSquares, faults: FaultPlan(lie: lie))
      let outcome = try tiny.run()
      switch lie {
      case .swapModel:
        // The others are told the truth and go on without the victim.
        for release in outcome.result.releases { #expect(!release.survivors.contains(ParticipantID(UInt32(partners)))) }
        #expect(
          outcome.result.refusals.contains { $0.key.contains("not the one that the coordinator signed") },
          "\(outcome.result.refusals)")
        let honest = TinyFederation(partners: partners, algorithm: Self.leastSquares)
        #expect(distance(outcome.result.model, honest.central(0..<partners - 1)) < 1e-4)
      case .rewriteLedger:
        // Two rounds are honest; everybody refuses both attempts at the third, before a key is advertised.
        #expect(outcome.result.releases.count == 2)
        #expect(outcome.result.end == .tooManyAborts(round: 2, reason: .tooFewPartners))
        let refusals = outcome.result.refusals
        #expect(refusals["partner: \(PartnerRefusal.coordinatorLedgerRolledBack)"] == 2 * partners, "\(refusals)")
        #expect(!refusals.keys.contains { $0.contains("wrong context") }, "\(refusals)")
      default:
        #expect(outcome.result.releases.isEmpty)
        #expect(outcome.result.model == tiny.algorithm.initialModel(seed: 5))
        #expect(!outcome.result.refusals.isEmpty)
        guard case .tooManyAborts? = Optional(outcome.result.end) else {
          Issue.record("\(lie): \(outcome.result.end)")
          continue
        }
      }
    }
  }

  // MARK: - Long and short runs

  @Test func `two hundred releases on a tiny model`() throws {
    let algorithm = try MatrixFactorization(
      itemCount: TinyFederation.itemCount, regime: .rankOne(RankOneFactorization(dimension: 2, rounds: 199)))
    for noise in [NoiseMode.none, .central] {
      let outcome = try TinyFederation(noise: noise, algorithm: algorithm).run()
      #expect(outcome.result.end == .completed)
      #expect(outcome.result.releases.count == 200)
      #expect(outcome.result.model.version == 200)
      if noise == .central {
        let spent = try #require(outcome.result.releases.last?.epsilonSpent)
        #expect(spent <= 3 * (1 + 1e-9) && spent > 2.999)
      }
    }
  }

  @Test func `stopped in the middle, every ledger is sound`() throws {
    var steps = 0
    let outcome = try TinyFederation(algorithm: Self.leastSquares).run(shouldStop: {
      steps += 1
      return steps > 60
    })
    #expect(outcome.result.end == .stopped)
    #expect(outcome.result.releases.count == 1)
    for (index, ledger) in outcome.ledgers.enumerated() {
      let key = SigningKey(
        seed: SecretBytes(copying: [UInt8](repeating: index == 0 ? 99 : UInt8(index), count: 32))
      ).verificationKey
      #expect(LedgerVerifier(key: key).verify(ledger).isSound)
    }
  }

  @Test func `bytes are counted for every partner, both ways`() throws {
    let outcome = try TinyFederation().run()
    #expect(outcome.result.bytesUp.count == 5 && outcome.result.bytesDown.count == 5)
    #expect(outcome.result.bytesUp.values.allSatisfy { $0 > 1000 })
    let up = outcome.result.meter.stages.values.reduce(0) { $0 + $1.bytesUp }
    #expect(up == outcome.result.bytesUp.values.reduce(0, +))
  }
}
