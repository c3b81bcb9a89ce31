internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import Simulation

/// A tiny federation, and what a run of it leaves behind.
struct TinyFederation {
  var partners = 5
  var noise = NoiseMode.none
  var isSecure = true
  var attempts = 5
  var epsilon = 3.0
  var rounds = 2
  var algorithm: any FederatedAlgorithm = Self.covariance
  var faults = FaultPlan()
  var seed: UInt64 = 1
  var randomness = Randomness.insecureTest(seed: 1)
  var configure: (inout PlanDraft) -> Void = { _ in }

  static let itemCount = 14

  static var covariance: any FederatedAlgorithm {
    guard let algorithm = try? CovarianceAlgorithm(itemCount: itemCount, plan: .wholeCatalogue(ridge: 2)) else {
      preconditionFailure("a covariance of 14 items")
    }
    return algorithm
  }

  struct Outcome {
    let result: FederationResult
    let plan: PlanFile
    /// Bytes of the ledgers: the coordinator's first, then the partners'.
    let ledgers: [[UInt8]]
    var model: [UInt8] { ModelBytes.encode(result.model) }
  }

  /// Users of a partner: a few items each, overlapping.
  func histories(of partner: Int) -> [[Int32]] {
    (0..<7).map { user in
      let first = (partner * 5 + user * 3) % Self.itemCount
      return [first, (first + 1) % Self.itemCount, (first + 4 + user) % Self.itemCount].reduce(into: [Int32]()) {
        if !$0.contains(Int32($1)) { $0.append(Int32($1)) }
      }
    }
  }

  func shard(_ partner: Int) -> PartnerShard {
    PartnerShard(interactions: Interactions(itemCount: Self.itemCount, histories: histories(of: partner)))
  }

  static func key(_ letter: Int) -> SigningKey {
    SigningKey(seed: SecretBytes(copying: [UInt8](repeating: UInt8(letter), count: 32)))
  }

  func planFile() throws -> PlanFile {
    let coordinatorKey = Self.key(99)
    let threshold = AggregationParameters.defaultThreshold(partners)
    guard let session = SessionID(bytes: [UInt8](repeating: 3, count: 16)) else {
      preconditionFailure("a session has 16 bytes")
    }
    var draft = PlanDraft(
      task: "tiny", session: session, configuration: AlgorithmConfiguration(name: algorithm.name), modelSeed: 5,
      catalogue: CatalogueReference(hash: SHA256.hash([]).hex, itemCount: Self.itemCount),
      roster: (1...partners).map {
        RosterEntry(
          participant: UInt32($0), name: "p\($0)", verificationKey: Self.key($0).verificationKey.hex, maximumUsers: 100)
      },
      coordinatorKey: coordinatorKey.verificationKey.hex,
      aggregation: AggregationPolicy(
        isSecure: isSecure, threshold: threshold, minimumSurvivors: max(threshold, 3), colluders: 1, suite: 1,
        maximumAttempts: attempts),
      privacy: PrivacyPolicy(
        noise: noise, nominalUsers: 35, maximumPartnersPerUser: 1, epsilon: epsilon, delta: 1e-6,
        usesInsecureTestRandomness: true))
    configure(&draft)
    return try PlanFile(draft.plan(for: algorithm))
  }

  func run(
    shards: [PartnerShard]? = nil, observer: @escaping (FederationEvent) -> Void = { _ in },
    shouldStop: @escaping () -> Bool = { false }
  ) throws -> Outcome {
    let plan = try planFile()
    let coordinatorKey = Self.key(99)
    func ledger(_ kind: LedgerHeader.Kind, _ key: SigningKey) throws -> (PrivacyLedger, LedgerMemory) {
      let header = try PrivacyLedger.headerLine(kind: kind, holder: "h", dataset: "d", created: 0, key: key)
      let memory = LedgerMemory(header)
      return (try PrivacyLedger(content: header, journal: memory, key: key), memory)
    }
    let (coordinatorLedger, coordinatorMemory) = try ledger(.coordinator, coordinatorKey)
    var memories = [coordinatorMemory]
    var simulated: [SimulatedPartner] = []
    for partner in 0..<partners {
      let (partnerLedger, memory) = try ledger(.partner, Self.key(partner + 1))
      memories.append(memory)
      simulated.append(
        SimulatedPartner(
          participant: ParticipantID(UInt32(partner + 1)), name: "p\(partner + 1)",
          shard: shards?[partner] ?? shard(partner), signingKey: Self.key(partner + 1), ledger: partnerLedger))
    }
    let federation = try Federation(
      planFile: plan, algorithm: algorithm, partners: simulated, coordinatorKey: coordinatorKey,
      coordinatorLedger: coordinatorLedger, faults: faults, seed: seed, randomness: randomness, observer: observer,
      shouldStop: shouldStop)
    return Outcome(result: federation.run(), plan: plan, ledgers: memories.map(\.bytes))
  }

  /// The model that one release over these partners gives, computed in one place.
  func central(_ partners: some Sequence<Int>) -> ItemModel {
    var model = algorithm.initialModel(seed: 5)
    var optimizer: OptimizerState = [:]
    for release in algorithm.shapes.indices {
      var sum = [Double](repeating: 0, count: algorithm.shapes[release].dimension)
      let trainer = algorithm.trainer(for: release, model: model)
      for partner in partners { trainer.accumulate(shard(partner).interactions, seed: 0, into: &sum) }
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: release, sum: sum.map { Float($0) },
        context: ReleaseContext(expectedUsers: 35, noiseDeviation: 0))
      model.version = release + 1
    }
    return model
  }
}

/// The largest difference of any two entries, over the largest entry.
func distance(_ left: ItemModel, _ right: ItemModel) -> Float {
  var (difference, largest): (Float, Float) = (0, 0)
  guard left.tensors.keys.sorted() == right.tensors.keys.sorted() else { return .infinity }
  for (name, tensor) in left.tensors {
    guard let other = right.tensors[name], other.shape == tensor.shape else { return .infinity }
    for (a, b) in zip(tensor.values, other.values) {
      difference = max(difference, abs(a - b))
      largest = max(largest, abs(a), abs(b))
    }
  }
  return largest == 0 ? 0 : difference / largest
}
