public import CryptoPrimitives
public import DifferentialPrivacy
public import FederatedLearning
public import Recommender
public import SecureAggregation
internal import WireProtocol

/// One partner of a simulated federation.
public struct SimulatedPartner: Sendable {
  public let participant: ParticipantID
  public let name: String
  public let shard: PartnerShard
  public let signingKey: SigningKey
  public let ledger: PrivacyLedger
  /// What the ledger may spend over all plans; by default the plan's cap.
  public var cap: PrivacyBudget?
  public var firstCap: PrivacyBudget?
  /// By their hashes, the plans that the ledger may hold charges of.
  public var earlierPlans: [Digest: TrainingPlan] = [:]

  public init(
    participant: ParticipantID, name: String, shard: PartnerShard, signingKey: SigningKey, ledger: PrivacyLedger
  ) {
    self.participant = participant
    self.name = name
    self.shard = shard
    self.signingKey = signingKey
    self.ledger = ledger
  }
}

/// Where keys, masks, noise and coins come from.
public enum Randomness: Sendable, Equatable {
  /// The operating system.
  case system
  /// A seed, so that a run repeats byte for byte. Nothing about such a run is private.
  case insecureTest(seed: UInt64)

  func source(for party: UInt64) -> any RandomSource {
    switch self {
    case .system: SystemRandomSource()
    case .insecureTest(let seed): KeyedRandomSource(insecureSeed: SplitMix64.mix(seed ^ SplitMix64.mix(party &+ 1)))
    }
  }
}

/// What an observer of a run is told, as it happens.
public enum FederationEvent: Sendable {
  case roundOpened(round: Int, attempt: Int)
  case published(PublishedRelease, model: ItemModel)
  case attemptAborted(round: Int, attempt: Int, reason: AttemptAbort)
}

/// What a simulated run leaves behind.
public struct FederationResult: Sendable {
  public let end: RunEnd
  public let model: ItemModel
  public let releases: [PublishedRelease]
  /// Aborted attempts by round.
  public let aborted: [(round: Int, attempt: Int, reason: AttemptAbort)]
  public let meter: StageMeter
  /// Bytes by partner, as encoded on the wire.
  public let bytesUp: [ParticipantID: Int]
  public let bytesDown: [ParticipantID: Int]
  /// Partners that left an attempt, by stage.
  public let dropouts: [DropStage: Int]
  /// Refusals of the coordinator and of the partners, by reason.
  public let refusals: [String: Int]
  /// Seconds of virtual time.
  public let virtualSeconds: Double
}

/// Plays all parties of one task in one process, in virtual time, over a wire that carries bytes only.
///
/// The engines are those of the network's processes; each message is encoded, counted, delayed, decoded. Nothing crosses
/// between parties in any other way.
public final class Federation {
  private let planFile: PlanFile
  private let faultPlan: FaultPlan
  private let observer: (FederationEvent) -> Void
  private let shouldStop: () -> Bool
  private let coordinatorKey: SigningKey
  private let coordinatorLedger: PrivacyLedger
  /// What a coordinator shows that lost its ledger and filled another one up.
  private var rewrittenLedger: PrivacyLedger?
  private var coordinator: CoordinatorEngine
  private var coordinatorRandom: any RandomSource
  private let restartedRandomness: Randomness?
  private var hosts: [ParticipantID: PartnerHost] = [:]
  private var network = VirtualNetwork()
  private var faults: FaultGenerator
  private var meter = StageMeter()
  private var stage: StageMeter.Stage = .openRound
  private var bytesUp: [ParticipantID: Int] = [:]
  private var bytesDown: [ParticipantID: Int] = [:]
  private var dropouts: [DropStage: Int] = [:]
  private var refusals: [String: Int] = [:]
  private var releases: [PublishedRelease] = []
  private var aborted: [(round: Int, attempt: Int, reason: AttemptAbort)] = []
  private var messageCount = 0
  private var announced = (round: -1, attempt: -1)

  /// One partner's engine with what the simulation knows about it.
  private final class PartnerHost {
    var engine: PartnerEngine
    var random: any RandomSource
    /// Faults of the current attempt.
    var dropStage: DropStage?
    var reached: DropStage?

    init(engine: consuming PartnerEngine, random: any RandomSource) {
      self.engine = engine
      self.random = random
    }
  }

  /// Seconds that a stage may take, in virtual time.
  static let stageDeadline = 60.0

  /// - Parameters:
  ///   - seed: drives delays and faults.
  ///   - releaseJournal: is told the released integers of every attempt.
  ///   - workers: threads for local training.
  /// - Throws: `PlanError` when plan, keys, shards and algorithm do not fit together.
  public init(
    planFile: PlanFile, algorithm: any FederatedAlgorithm, partners: [SimulatedPartner], coordinatorKey: SigningKey,
    coordinatorLedger: PrivacyLedger, faults: FaultPlan = FaultPlan(), seed: UInt64, randomness: Randomness,
    releaseJournal: (any ReleaseJournal)? = nil, workers: Int = 2, observer: @escaping (FederationEvent) -> Void = { _ in },
    shouldStop: @escaping () -> Bool = { false }
  ) throws {
    self.planFile = planFile
    self.coordinatorKey = coordinatorKey
    self.coordinatorLedger = coordinatorLedger
    self.observer = observer
    self.shouldStop = shouldStop
    faultPlan = faults
    self.faults = FaultGenerator(plan: faults, seed: seed)
    restartedRandomness = faults.mechanism == .reusedSeed ? .insecureTest(seed: seed) : nil
    coordinator = try CoordinatorEngine(
      planFile: faults.mechanism.coordinatorReading(of: planFile), signingKey: coordinatorKey, algorithm: algorithm,
      ledger: coordinatorLedger, releaseJournal: releaseJournal)
    coordinatorRandom = randomness.source(for: 0)
    for partner in partners {
      let engine = try PartnerEngine(
        planFile: faults.mechanism.reading(of: planFile, by: partner.participant), participant: partner.participant,
        signingKey: partner.signingKey, shard: partner.shard,
        algorithm: algorithm, ledger: partner.ledger, cap: partner.cap, firstCap: partner.firstCap,
        earlierPlans: partner.earlierPlans, allowsUnmaskedSums: true, workers: workers)
      hosts[partner.participant] = PartnerHost(
        engine: engine, random: randomness.source(for: UInt64(partner.participant.rawValue)))
    }
  }

  /// Runs the plan to its end.
  public func run() -> FederationResult {
    perform(measured(.openRound) { coordinator.begin() })
    while coordinator.end == nil {
      if shouldStop() {
        perform(coordinator.stop(time: Int(network.now)))
        break
      }
      guard let event = network.next() else { break }
      handle(event)
    }
    let end = network.now
    // Partners hear of the end; what they say to it nobody hears.
    while let event = network.next() {
      if case .toPartner(let participant, let bytes) = event { deliver(bytes, to: participant) }
    }
    for host in hosts.values {
      for (reason, count) in host.engine.refusals { refusals["partner: \(reason)", default: 0] += count }
      for (reason, count) in host.engine.aggregationRefusals {
        refusals["secure aggregation at a partner: \(reason.rawValue)", default: 0] += count
      }
    }
    for (reason, count) in coordinator.refusals { refusals["coordinator: \(reason)", default: 0] += count }
    return FederationResult(
      end: coordinator.end ?? .stopped, model: coordinator.model, releases: releases, aborted: aborted, meter: meter,
      bytesUp: bytesUp, bytesDown: bytesDown, dropouts: dropouts, refusals: refusals, virtualSeconds: end)
  }

  // MARK: - Events

  private func handle(_ event: VirtualNetwork.Event) {
    switch event {
    case .toPartner(let participant, let bytes): deliver(bytes, to: participant)
    case .toCoordinator(let participant, let bytes):
      let decoded = measured(.wireCodec) { Result { try WireCodec.decodePartnerMessage(bytes) } }
      guard case .success(let message) = decoded else {
        refusals["malformed message to the coordinator", default: 0] += 1
        return
      }
      perform(
        measured(Self.stage(of: message)) {
          coordinator.receive(message, from: participant, time: Int(network.now)).actions
        })
    case .deadline(let generation):
      perform(coordinator.deadlineExpired(generation: generation, time: Int(network.now)))
    }
  }

  private func deliver(_ bytes: [UInt8], to participant: ParticipantID) {
    guard let host = hosts[participant] else { return }
    let decoded = measured(.wireCodec) { Result { try WireCodec.decodeCoordinatorMessage(bytes) } }
    guard case .success(let message) = decoded else {
      refusals["malformed message to a partner", default: 0] += 1
      return
    }
    if case .roundStart = message {
      host.dropStage = faults.dropStage()
      host.reached = nil
      if let restartedRandomness { host.random = restartedRandomness.source(for: UInt64(participant.rawValue)) }
    }
    let continuation = records(for: message, host, participant)
    let actions = measured(Self.stage(of: message)) {
      host.engine.receive(message, continuation: continuation, random: &host.random, time: Int(network.now))
    }
    perform(actions, by: participant, host)
  }

  /// What a partner fetches of the coordinator's ledger before it takes a start.
  private func records(
    for message: CoordinatorMessage, _ host: PartnerHost, _ participant: ParticipantID
  ) -> LedgerContinuation? {
    guard case .roundStart(let start) = message, let missing = host.engine.missingRecords(for: start),
      let continuation =
        rewrittenLedger?.state.continuation(after: missing.lowerBound - 1, upTo: missing.upperBound)
        ?? coordinator.ledgerContinuation(of: missing)
    else { return nil }
    let bytes = continuation.encoded
    bytesDown[participant, default: 0] += bytes.count
    meter.add(bytesDown: bytes.count, to: .openRound)
    return LedgerContinuation(decoding: bytes)
  }

  private func perform(_ actions: [PartnerAction], by participant: ParticipantID, _ host: PartnerHost) {
    for action in actions {
      switch action {
      case .train:
        // A partner that left before its masked input does not train either.
        if let drop = host.dropStage, drop.rawValue <= DropStage.maskedInput.rawValue {
          leave(host, at: .maskedInput)
          continue
        }
        let next = measured(.localTraining) {
          host.engine.train(time: Int(network.now))
        }
        perform(next, by: participant, host)
      case .send(let message):
        if let current = Self.dropStage(of: message), let drop = host.dropStage, drop.rawValue <= current.rawValue {
          leave(host, at: drop)
          continue
        }
        let bytes = transmit(measured(.wireCodec) { WireCodec.encode(message) })
        bytesUp[participant, default: 0] += bytes.count
        meter.add(bytesUp: bytes.count, to: Self.stage(of: message))
        let delay = faults.delay(deadline: Self.stageDeadline, mayStraggle: true)
        network.schedule(.toCoordinator(from: participant, bytes: bytes), after: delay)
      }
    }
  }

  /// Counts a partner's leaving once per attempt.
  private func leave(_ host: PartnerHost, at stage: DropStage) {
    guard host.reached == nil else { return }
    host.reached = stage
    dropouts[host.dropStage ?? stage, default: 0] += 1
  }

  private func perform(_ actions: [CoordinatorAction]) {
    for action in actions {
      switch action {
      case .send(let message, let participant): send(message, to: participant)
      case .armDeadline(let generation, _):
        network.schedule(.deadline(generation: generation), after: Self.stageDeadline)
      case .release:
        if let restartedRandomness { coordinatorRandom = restartedRandomness.source(for: 0) }
        perform(
          measured(.noiseAndAdvance) {
            coordinator.release(random: &coordinatorRandom, time: Int(network.now))
          })
      case .published(let release):
        releases.append(release)
        observer(.published(release, model: coordinator.model))
      case .attemptAborted(let round, let attempt, let reason):
        aborted.append((round, attempt, reason))
        observer(.attemptAborted(round: round, attempt: attempt, reason: reason))
      case .readyForNext: perform(measured(.openRound) { coordinator.begin() })
      case .finished: break
      }
    }
  }

  private func send(_ message: CoordinatorMessage, to participant: ParticipantID) {
    if case .roundStart(let start) = message, (Int(start.round), Int(start.attempt)) != announced {
      announced = (Int(start.round), Int(start.attempt))
      observer(.roundOpened(round: announced.round, attempt: announced.attempt))
    }
    let lied = lie(message, to: participant)
    let bytes = transmit(measured(.wireCodec) { WireCodec.encode(lied) })
    bytesDown[participant, default: 0] += bytes.count
    meter.add(bytesDown: bytes.count, to: Self.stage(of: message))
    network.schedule(
      .toPartner(participant, bytes: bytes), after: faults.delay(deadline: Self.stageDeadline, mayStraggle: false))
  }

  /// What arrives: the bytes that were sent, unless the fault plan corrupts this message.
  private func transmit(_ bytes: [UInt8]) -> [UInt8] {
    defer { messageCount += 1 }
    guard faultPlan.corruptedMessage == messageCount, !bytes.isEmpty else { return bytes }
    var bytes = bytes
    bytes[bytes.count / 2] ^= 1
    return bytes
  }

  private func measured<Result>(_ stage: StageMeter.Stage, _ body: () -> Result) -> Result {
    let start = StageMeter.processCPU()
    defer { meter.add(cpuSeconds: StageMeter.processCPU() - start, to: stage) }
    return body()
  }

  // MARK: - A coordinator that lies

  private func lie(_ message: CoordinatorMessage, to participant: ParticipantID) -> CoordinatorMessage {
    let isVictim = participant.rawValue == planFile.plan.roster.last?.participant
    switch (faultPlan.lie, message) {
    case (.swapModel, .roundStart(let start)) where isVictim:
      var model = coordinator.model
      // Well-formed, so that only the binding can tell.
      if let name = model.tensors.keys.min(), model.tensors[name]?.values.isEmpty == false {
        model.tensors[name]?.values[0] += 1
      } else {
        model.version += 1
      }
      let bytes = ModelBytes.encode(model)
      let signature = coordinatorKey.sign(
        RoundStart.signedBytes(
          session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash,
          modelHash: SHA256.hash(bytes), ledgerSize: start.ledgerSize, ledgerHead: start.ledgerHead))
      return .roundStart(
        RoundStart(
          session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash, model: bytes,
          ledgerSize: start.ledgerSize, ledgerHead: start.ledgerHead, signature: signature))
    case (.rewriteLedger, .roundStart(let start)) where start.round > 1:
      guard let head = rewritten(from: start.ledgerSize) else { return message }
      let signature = coordinatorKey.sign(
        RoundStart.signedBytes(
          session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash,
          modelHash: SHA256.hash(start.model), ledgerSize: head.size, ledgerHead: head.head))
      return .roundStart(
        RoundStart(
          session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash, model: start.model,
          ledgerSize: head.size, ledgerHead: head.head, signature: signature))
    case (.forgeKey, .aggregation(.advertisementList(let list))) where !isVictim:
      guard let last = list.advertisements.last, let first = list.advertisements.first else { return message }
      let forged = KeyAdvertisement(
        version: last.version, suite: last.suite, context: last.context, participant: last.participant,
        channelPublicKey: first.channelPublicKey, maskPublicKey: first.maskPublicKey,
        selfMaskCommitment: last.selfMaskCommitment, maskSeedCommitment: last.maskSeedCommitment, ledger: last.ledger,
        signature: last.signature)
      return .aggregation(
        .advertisementList(AdvertisementList(advertisements: list.advertisements.dropLast() + [forged])))
    case (.splitSurvivors, .aggregation(.survivorSet(let set))) where participant.rawValue.isMultiple(of: 2):
      let dropped = set.survivors.first { $0 != participant }
      return .aggregation(
        .survivorSet(SurvivorSet(context: set.context, survivors: set.survivors.filter { $0 != dropped })))
    case (.smallCohort, .aggregation(.survivorSet(let set))):
      let others = set.survivors.filter { $0 != participant }
      let kept = ([participant] + others.prefix(planFile.plan.aggregation.minimumSurvivors - 2)).sorted()
      return .aggregation(.survivorSet(SurvivorSet(context: set.context, survivors: kept)))
    default: return message
    }
  }

  /// A ledger of this coordinator that is a record longer than `size`, without a single charge.
  private func rewritten(from size: UInt64) -> LedgerHead? {
    if rewrittenLedger == nil {
      let header = coordinatorLedger.state.header
      let line = try? PrivacyLedger.headerLine(
        kind: .coordinator, holder: header.holder, dataset: header.dataset, created: header.created, key: coordinatorKey)
      rewrittenLedger = line.flatMap { try? PrivacyLedger(content: $0, journal: LedgerMemory($0), key: coordinatorKey) }
    }
    while let ledger = rewrittenLedger, ledger.head.head.size <= size {
      guard (try? ledger.note("nothing to see here", time: 0)) != nil else { return nil }
    }
    return rewrittenLedger?.head.head
  }

  // MARK: - Stages of messages

  private static func stage(of message: CoordinatorMessage) -> StageMeter.Stage {
    switch message {
    case .roundStart, .roundEnd: .openRound
    case .aggregation(.advertisementList): .advertiseKeys
    case .aggregation(.shareDelivery): .shareKeys
    case .aggregation(.survivorSet): .consistencyCheck
    case .aggregation(.consistencySignatures): .unmask
    case .aggregation(.abort): .openRound
    }
  }

  private static func stage(of message: PartnerMessage) -> StageMeter.Stage {
    switch dropStage(of: message) {
    case .advertiseKeys?: .advertiseKeys
    case .shareKeys?: .shareKeys
    case .maskedInput?: .maskedInput
    case .consistencyCheck?: .consistencyCheck
    case .unmask?: .unmask
    case nil: .openRound
    }
  }

  private static func dropStage(of message: PartnerMessage) -> DropStage? {
    switch message {
    case .aggregation(.keyAdvertisement): .advertiseKeys
    case .aggregation(.keyShares): .shareKeys
    case .aggregation(.maskedInput), .plainSum: .maskedInput
    case .aggregation(.consistencySignature): .consistencyCheck
    case .aggregation(.unmaskResponse): .unmask
    case .aggregation(.abort), .refusal: nil
    }
  }
}
