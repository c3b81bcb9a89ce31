internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import Synchronization

/// An algorithm whose model is the last released sum, so that a test sees what was released.
struct EchoAlgorithm: FederatedAlgorithm {
  let name = "echo"
  let itemCount: Int
  var releases = 1
  /// What each item of a history contributes; a power of two is exact on every grid.
  var value: Float = 0.5

  var shapes: [ReleaseShape] {
    (0..<releases).map {
      ReleaseShape(name: "sum \($0)", dimension: itemCount, maximumNonZeros: itemCount, clipNorm: 1)
    }
  }

  func initialModel(seed: UInt64) -> ItemModel {
    ItemModel(algorithm: name, tensors: ["sum": Tensor(zeros: [itemCount])])
  }

  func trainer(for release: Int, model: ItemModel) -> any LocalTrainer { Trainer(value: value) }

  func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext
  ) {
    model.tensors["sum"] = Tensor(shape: [itemCount], values: sum)
  }

  func scorer(model: ItemModel) -> any Scorer { SumScorer(scores: model.tensors["sum"]?.values ?? []) }

  struct Trainer: LocalTrainer {
    let value: Float
    func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
      for item in user.items {
        buffer.indices.append(UInt32(item))
        buffer.values.append(value)
      }
    }
  }

  struct SumScorer: Scorer {
    let scores: [Float]
    var itemCount: Int { scores.count }
    func score(_ user: UserHistory, into scores: inout [Float]) { scores = self.scores }
    func explain(_ item: Int, for user: UserHistory) -> [Float]? { nil }
  }
}

/// A journal in memory that counts, and fails when it is told to.
final class WatchedJournal: LedgerJournal {
  struct Failure: Error {}
  private let state = Mutex((lines: [String](), fails: false))

  var lines: [String] { state.withLock { $0.lines } }
  var chargeCount: Int { lines.filter { $0.contains("\"kind\":\"charge\"") }.count }
  func fail(_ fails: Bool = true) { state.withLock { $0.fails = fails } }

  func append(_ line: [UInt8]) throws {
    try state.withLock {
      if $0.fails { throw Failure() }
      $0.lines.append(String(decoding: line, as: UTF8.self))
    }
  }
}

/// A partner's journal in memory that fails at the writes it is told to.
final class WatchedMemory: PartnerJournal {
  struct Failure: Error {}
  let memory = PartnerMemory()
  private let state = Mutex((writes: 0, failing: nil as Int?))

  var writes: Int { state.withLock { $0.writes } }
  /// - Parameter write: which write from now on fails, from 0; `nil` for none.
  func fail(at write: Int?) {
    state.withLock { state in state.failing = write.map { state.writes + $0 } }
  }

  private func write() throws {
    try state.withLock { state in
      defer { state.writes += 1 }
      if state.failing == state.writes { throw Failure() }
    }
  }

  func highWaterMark(session: SessionID) -> AttemptMark? { memory.highWaterMark(session: session) }
  func advance(to mark: AttemptMark, session: SessionID) throws {
    try write()
    try memory.advance(to: mark, session: session)
  }
  func coordinatorHead(session: SessionID) -> LedgerHead? { memory.coordinatorHead(session: session) }
  func record(coordinatorHead: LedgerHead, session: SessionID) throws {
    try write()
    memory.record(coordinatorHead: coordinatorHead, session: session)
  }
  func shownHead(session: SessionID) -> LedgerHead? { memory.shownHead(session: session) }
  func record(shownHead: LedgerHead, session: SessionID) throws {
    try write()
    memory.record(shownHead: shownHead, session: session)
  }
  func newestWitness(session: SessionID) -> LedgerWitness? { memory.newestWitness(session: session) }
  func record(witness: LedgerWitness, session: SessionID) throws {
    try write()
    memory.record(witness: witness, session: session)
  }
  func peerHeads(session: SessionID) -> [ParticipantID: LedgerHead] { memory.peerHeads(session: session) }
  func record(peerHeads: [ParticipantID: LedgerHead], session: SessionID) throws {
    try write()
    memory.record(peerHeads: peerHeads, session: session)
  }
  func newestRelease(session: SessionID) -> ModelRelease? { memory.newestRelease(session: session) }
  func record(release: ModelRelease, session: SessionID) throws {
    try write()
    memory.record(release: release, session: session)
  }
  func evaluations(session: SessionID) -> [EvaluationDocument] { memory.evaluations(session: session) }
  func record(evaluation: EvaluationDocument, session: SessionID) throws {
    try write()
    memory.record(evaluation: evaluation, session: session)
  }
}

/// Everything that a task needs, by hand and repeatable.
struct RoundWorld {
  let coordinatorKey: SigningKey
  let keys: [SigningKey]
  let algorithm: any FederatedAlgorithm
  var shards: [PartnerShard]
  var draft: PlanDraft

  static func key(_ letter: UInt8) -> SigningKey {
    SigningKey(seed: SecretBytes(copying: [UInt8](repeating: letter, count: 32)))
  }

  /// Every partner has `usersPerPartner` users of one item each, partner p's user u with item (p + u) mod items.
  init(
    partners: Int = 5, algorithm: any FederatedAlgorithm = EchoAlgorithm(itemCount: 12), usersPerPartner: Int = 6,
    noise: NoiseMode = .none, isSecure: Bool = true, epsilon: Double = 2, delta: Double = 1e-6, attempts: Int = 3,
    partnersPerUser: Int = 1, adjacency: Adjacency = .addRemove, heldOut: Bool = false
  ) {
    self.algorithm = algorithm
    let keys = (0..<partners).map { Self.key(UInt8($0 + 1)) }
    let coordinatorKey = Self.key(200)
    self.keys = keys
    self.coordinatorKey = coordinatorKey
    shards = (0..<partners).map { partner in
      PartnerShard(
        interactions: Interactions(
          itemCount: algorithm.itemCount,
          histories: (0..<usersPerPartner).map { [Int32((partner + $0) % algorithm.itemCount)] }),
        heldOut: heldOut ? (0..<usersPerPartner).map { Int32((partner + $0 + 1) % algorithm.itemCount) } : [])
    }
    let threshold = AggregationParameters.defaultThreshold(partners)
    draft = PlanDraft(
      task: "a test", session: Self.session(7),
      configuration: AlgorithmConfiguration(name: algorithm.name, parameters: ["items": Double(algorithm.itemCount)]),
      modelSeed: 11,
      catalogue: CatalogueReference(hash: SHA256.hash([1, 2, 3]).hex, itemCount: algorithm.itemCount),
      roster: keys.indices.map {
        RosterEntry(
          participant: UInt32($0 + 1), name: "partner \($0 + 1)", verificationKey: keys[$0].verificationKey.hex,
          maximumUsers: 100)
      },
      coordinatorKey: coordinatorKey.verificationKey.hex,
      aggregation: AggregationPolicy(
        isSecure: isSecure, threshold: threshold, minimumSurvivors: max(threshold, min(3, partners)), colluders: 1,
        suite: 1, maximumAttempts: attempts),
      privacy: PrivacyPolicy(
        noise: noise, adjacency: adjacency, nominalUsers: 30, maximumPartnersPerUser: partnersPerUser,
        epsilon: epsilon, delta: delta, usesInsecureTestRandomness: true))
  }

  static func session(_ byte: UInt8) -> SessionID {
    guard let session = SessionID(bytes: [UInt8](repeating: byte, count: 16)) else {
      preconditionFailure("a session has 16 bytes")
    }
    return session
  }

  func planFile() throws -> PlanFile { try PlanFile(draft.plan(for: algorithm)) }

  static func ledger(
    _ kind: LedgerHeader.Kind, key: SigningKey
  ) throws -> (ledger: PrivacyLedger, journal: WatchedJournal) {
    let header = try PrivacyLedger.headerLine(kind: kind, holder: "holder", dataset: "data", created: 0, key: key)
    let journal = WatchedJournal()
    return (try PrivacyLedger(content: header, journal: journal, key: key), journal)
  }

  /// The plain sum of what the users of these partners contribute, in units of contributions.
  func exactSum(_ partners: some Sequence<Int>) -> [Double] {
    var sum = [Double](repeating: 0, count: algorithm.itemCount)
    let trainer = algorithm.trainer(for: 0, model: algorithm.initialModel(seed: 0))
    for partner in partners { trainer.accumulate(shards[partner].interactions, seed: 0, into: &sum) }
    return sum
  }
}

/// Drives the engines by hand: a queue of messages, deadlines when nobody speaks any more.
final class RoundDriver {
  final class Host {
    var engine: PartnerEngine
    var random: any RandomSource
    let ledger: PrivacyLedger
    let journal: WatchedJournal
    let memory: WatchedMemory
    /// What the coordinator shows of its ledger when it is asked.
    var records: (ClosedRange<UInt64>) -> LedgerContinuation? = { _ in nil }

    init(
      engine: consuming PartnerEngine, random: any RandomSource, ledger: PrivacyLedger, journal: WatchedJournal,
      memory: WatchedMemory
    ) {
      self.engine = engine
      self.random = random
      self.ledger = ledger
      self.journal = journal
      self.memory = memory
    }

    func receive(_ message: CoordinatorMessage) -> [PartnerAction] {
      var continuation: LedgerContinuation?
      if case .roundStart(let start) = message { continuation = engine.missingRecords(for: start).flatMap(records) }
      return engine.receive(message, continuation: continuation, random: &random, time: 6)
    }
    func train() -> [PartnerAction] { engine.train(time: 5) }
    var newestRelease: ModelRelease? { engine.newestRelease }
  }

  let world: RoundWorld
  let planFile: PlanFile
  var coordinator: CoordinatorEngine
  let coordinatorLedger: PrivacyLedger
  let coordinatorJournal: WatchedJournal
  var hosts: [ParticipantID: Host] = [:] { didSet { connect() } }
  var random = KeyedRandomSource(insecureSeed: 99)
  var queue: [(to: ParticipantID, message: CoordinatorMessage)] = []
  var generation = 0
  var published: [PublishedRelease] = []
  var models: [ItemModel] = []
  var aborts: [AttemptAbort] = []
  /// Charges of the coordinator at the moment of each `.release`.
  var chargesAtRelease: [Int] = []
  /// Whether a partner's message gets through; by default every one does.
  var passes: (ParticipantID, PartnerMessage) -> Bool = { _, _ in true }
  /// What a partner is told instead of what the coordinator said.
  var rewrite: (ParticipantID, CoordinatorMessage) -> CoordinatorMessage? = { $1 }
  /// Whether the coordinator's ledger grows by a remark before each round.
  var notesBetweenRounds = false
  var sent: [(from: ParticipantID, message: PartnerMessage)] = []

  init(_ world: RoundWorld, planFile: PlanFile? = nil, caps: [Int: PrivacyBudget] = [:]) throws {
    self.world = world
    let planFile = try planFile ?? world.planFile()
    self.planFile = planFile
    (coordinatorLedger, coordinatorJournal) = try RoundWorld.ledger(.coordinator, key: world.coordinatorKey)
    coordinator = try CoordinatorEngine(
      planFile: planFile, signingKey: world.coordinatorKey, algorithm: world.algorithm, ledger: coordinatorLedger)
    for (index, key) in world.keys.enumerated() {
      let (ledger, journal) = try RoundWorld.ledger(.partner, key: key)
      let memory = WatchedMemory()
      let participant = ParticipantID(UInt32(index + 1))
      hosts[participant] = Host(
        engine: try engine(participant, ledger: ledger, memory: memory, cap: caps[index + 1]),
        random: KeyedRandomSource(insecureSeed: UInt64(index + 1)), ledger: ledger, journal: journal, memory: memory)
    }
    connect()
  }

  /// Partners ask this coordinator for its records.
  private func connect() {
    for host in hosts.values { host.records = { [unowned self] in coordinator.ledgerContinuation(of: $0) } }
  }

  /// A partner's engine; with the ledger and memory of an earlier one, a process that starts again.
  func engine(
    _ participant: ParticipantID, ledger: PrivacyLedger, memory: WatchedMemory, cap: PrivacyBudget? = nil,
    firstCap: PrivacyBudget? = nil
  ) throws -> PartnerEngine {
    let index = Int(participant.rawValue) - 1
    return try PartnerEngine(
      planFile: planFile, participant: participant, signingKey: world.keys[index], shard: world.shards[index],
      algorithm: world.algorithm, ledger: ledger, cap: cap, firstCap: firstCap, journal: memory,
      allowsUnmaskedSums: !planFile.plan.aggregation.isSecure)
  }

  /// Throws a partner's process away and starts another on the same disk.
  func restart(_ participant: UInt32) throws {
    let host = self[participant]
    host.engine = try engine(ParticipantID(participant), ledger: host.ledger, memory: host.memory)
    host.random = KeyedRandomSource(insecureSeed: 500 + UInt64(participant))
  }

  subscript(_ participant: UInt32) -> Host {
    guard let host = hosts[ParticipantID(participant)] else { preconditionFailure("no partner \(participant)") }
    return host
  }

  func perform(_ actions: [CoordinatorAction]) {
    for action in actions {
      switch action {
      case .send(let message, let recipient): queue.append((recipient, message))
      case .armDeadline(let generation, _): self.generation = generation
      case .release:
        chargesAtRelease.append(coordinatorJournal.chargeCount)
        perform(coordinator.release(random: &random, time: 9))
      case .published(let release):
        published.append(release)
        models.append(coordinator.model)
      case .attemptAborted(_, _, let reason): aborts.append(reason)
      case .readyForNext:
        if notesBetweenRounds { try? coordinatorLedger.note("between rounds", time: 1) }
        perform(coordinator.begin())
      case .finished: break
      }
    }
  }

  func perform(_ actions: [PartnerAction], by participant: ParticipantID) {
    for action in actions {
      switch action {
      case .train: if let host = hosts[participant] { perform(host.train(), by: participant) }
      case .send(let message):
        sent.append((participant, message))
        if passes(participant, message) {
          perform(coordinator.receive(message, from: participant, time: 9).actions)
        }
      }
    }
  }

  func deliverNext() {
    let (participant, message) = queue.removeFirst()
    guard let host = hosts[participant], let message = rewrite(participant, message) else { return }
    perform(host.receive(message), by: participant)
  }

  /// Plays until the run is over, or the given number of releases is out.
  func run(releases: Int = .max, deadlines: Int = 1000) {
    if generation == 0 { perform(coordinator.begin()) }
    var left = deadlines
    while coordinator.end == nil, published.count < releases {
      if queue.isEmpty {
        guard left > 0 else { return }
        left -= 1
        perform(coordinator.deadlineExpired(generation: generation, time: 9))
      } else {
        deliverNext()
      }
    }
    while !queue.isEmpty, coordinator.end != nil { deliverNext() }
  }
}

/// The stage at which a message is sent; what a partner that leaves at a stage no longer sends.
func stageIndex(_ message: PartnerMessage) -> Int {
  switch message {
  case .aggregation(.keyAdvertisement): 0
  case .aggregation(.keyShares): 1
  case .aggregation(.maskedInput), .plainSum: 2
  case .aggregation(.consistencySignature): 3
  case .aggregation(.unmaskResponse): 4
  case .aggregation(.abort), .refusal: -1
  }
}
