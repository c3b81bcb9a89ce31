internal import CommandSupport
internal import CryptoPrimitives
internal import DataImport
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import SecureAggregation
internal import Simulation

/// A simulated task, ready to run: data, partners, keys and the signed plan.
struct Experiment {
  let settings: SimulationSettings
  let dataset: Dataset
  let partition: Partition
  /// The partners with the identifiers of their users.
  let users: [(name: String, users: [String])]
  /// Index of the partner of every user.
  let partnerOfUser: [Int]
  let algorithm: any FederatedAlgorithm
  /// What is known of the items, for algorithms that learn from it.
  let features: ItemFeatures?
  let planFile: PlanFile
  let planSignature: Signature
  let coordinatorKey: SigningKey
  let partnerKeys: [SigningKey]
  let kept: KeptLedgers?
  let randomness: Randomness
  /// Remarks about the data, for people.
  let notes: [String]

  var plan: TrainingPlan { planFile.plan }

  /// Loads the data and makes the plan.
  ///
  /// - Parameter dataset: instead of what the settings name.
  /// - Throws: `CommandFailure` with the sentence for the user.
  static func prepare(_ settings: SimulationSettings, dataset given: Dataset? = nil) throws -> Experiment {
    var (dataset, notes) =
      try given.map { ($0, []) } ?? DataSource.load(settings.data, seed: settings.seed, validation: settings.validation)
    guard dataset.train.count > 0 else {
      throw CommandFailure(.data, "\(settings.data): there are no interactions to train on")
    }
    if settings.evaluationShare > 0, dataset.test.allSatisfy(\.isEmpty) {
      throw CommandFailure(
        .data,
        "\(settings.data): no user has a held-out item, so that an evaluation release would be noise alone; give data with test items or longer histories, or leave --evaluation-share out"
      )
    }
    try KeptLedgers.refuseWhatIsNotCounted(settings)
    let settings = try choosingAlgorithm(settings, dataset, &notes)
    // Public knowledge of the whole catalogue; only the items that are trained on are in the plan.
    var features = try ColdStart.features(settings.itemFeatures, of: dataset.catalogue)
    if let split = try ColdStart.split(
      dataset, users: settings.holdOutUsers, items: settings.holdOutItems, seed: settings.seed)
    {
      dataset = split.warm
      features = try features?.selecting(items: split.knownItems)
      notes.append("\(split.newUsers.count) users and \(split.newItems.count) items are held out for cold start")
    }
    let partition = try divide(dataset, settings)
    var random = randomness(settings).source
    let coordinatorKey = SigningKey(random: &random)
    let kept = try settings.ledgers.map { try KeptLedgers(at: $0) }
    let partners = zip(partition.names, partition.userIndices).map { (name: $0, users: $1.map { dataset.userIDs[$0] }) }
    let partnerKeys = try kept?.keys(of: partners, random: &random) ?? partition.names.map { _ in SigningKey(random: &random) }
    var partnerOfUser = [Int](repeating: 0, count: dataset.userCount)
    for (partner, users) in partition.userIndices.enumerated() { for user in users { partnerOfUser[user] = partner } }
    do {
      let made = try plan(dataset, partition, settings, features, coordinatorKey, partnerKeys, &random)
      return Experiment(
        settings: settings, dataset: dataset, partition: partition, users: partners, partnerOfUser: partnerOfUser,
        algorithm: made.algorithm, features: features, planFile: made.plan,
        planSignature: coordinatorKey.sign(PlanSignature.message(made.plan.bytes)), coordinatorKey: coordinatorKey,
        partnerKeys: partnerKeys, kept: kept, randomness: randomness(settings).mode, notes: notes)
    } catch let error as PlanError {
      throw CommandFailure(.configuration, "no plan can be made: \(error)")
    } catch let error as InvalidHyperparameter {
      throw CommandFailure(.configuration, "\(error)")
    }
  }

  /// The same with an algorithm's name for `auto`, and a note that says why.
  private static func choosingAlgorithm(
    _ settings: SimulationSettings, _ dataset: Dataset, _ notes: inout [String]
  ) throws -> SimulationSettings {
    let choice: AlgorithmChoice?
    do { choice = try decisions(settings, dataset).choosingAlgorithm(itemCount: dataset.itemCount).choice } catch {
      throw CommandFailure(.configuration, "\(error)")
    }
    guard let choice else { return settings }
    notes.append("auto chose \(choice.algorithm): \(choice.reason)")
    var settings = settings
    settings.algorithm = choice.algorithm
    return settings
  }

  private static func randomness(_ settings: SimulationSettings) -> (mode: Randomness, source: any RandomSource) {
    settings.insecureTestRandomness
      ? (.insecureTest(seed: settings.seed), KeyedRandomSource(insecureSeed: SplitMix64.mix(settings.seed)))
      : (.system, SystemRandomSource())
  }

  private static func divide(_ dataset: Dataset, _ settings: SimulationSettings) throws -> Partition {
    let partition: Partition
    do { partition = try dataset.partition(by: try PartitionRule(parsing: settings.partners)) } catch {
      throw CommandFailure(.configuration, "--partners: \(error)")
    }
    guard partition.count >= 2 else {
      throw CommandFailure(
        .configuration,
        "--partners \(settings.partners) gives 1 partner; a sum over one partner hides nothing: expected at least 3, or 2 with central noise"
      )
    }
    for (name, users) in zip(partition.names, partition.userIndices) where users.isEmpty {
      throw CommandFailure(
        .configuration,
        "partner '\(name)' has no users: ids are dealt to partners by their hashes, and \(dataset.userCount) users are too few for \(partition.count) partners then; choose fewer, or name the partners in a column (--partners by:COLUMN)"
      )
    }
    return partition
  }

  private static func plan(
    _ dataset: Dataset, _ partition: Partition, _ settings: SimulationSettings, _ features: ItemFeatures?,
    _ coordinatorKey: SigningKey, _ partnerKeys: [SigningKey], _ random: inout some RandomSource
  ) throws -> (plan: PlanFile, algorithm: any FederatedAlgorithm) {
    let count = partition.count
    guard settings.maxPartnersPerUser <= count else {
      throw CommandFailure(
        .configuration,
        "max-partners-per-user is \(settings.maxPartnersPerUser), but there are \(count) partners; expected at most \(count)")
    }
    let known = AlgorithmRegistry.parameters(of: settings.algorithm).map(\.name)
    for name in settings.parameters.keys.sorted() where !known.contains(name) {
      guard let nearest = NearestName.match(name, among: known) else { break }
      throw CommandFailure(
        .configuration, "unknown parameter '\(name)' of \(settings.algorithm); did you mean '\(nearest)'?")
    }
    let decisions = decisions(settings, dataset)
    let roster = partition.names.indices.map { index in
      RosterEntry(
        participant: UInt32(index + 1), name: partition.names[index],
        verificationKey: partnerKeys[index].verificationKey.hex,
        maximumUsers: PlanFactory.rounded(partition.userIndices[index].count, up: true))
    }
    guard let session = SessionID(bytes: random.bytes(16)) else {
      preconditionFailure("a session is 16 bytes")
    }
    return try PlanFactory.plan(
      decisions, catalogue: dataset.catalogue, roster: roster, coordinatorKey: coordinatorKey.verificationKey.hex,
      session: session, features: features)
  }

  private static func decisions(_ settings: SimulationSettings, _ dataset: Dataset) -> PlanDecisions {
    var decisions = PlanDecisions(
      task: "\(settings.algorithm) on \(dataset.name)", algorithm: settings.algorithm,
      nominalUsers: settings.nominalUsers ?? PlanFactory.rounded(dataset.userCount, up: false))
    decisions.parameters = settings.parameters
    decisions.rounds = settings.rounds
    decisions.halfLife = settings.halfLife
    decisions.isOrdered = dataset.isOrdered
    decisions.modelSeed = settings.seed
    decisions.noise = NoiseMode(rawValue: settings.noise) ?? .central
    decisions.epsilon = settings.epsilon
    decisions.delta = settings.delta
    decisions.maximumPartnersPerUser = settings.maxPartnersPerUser
    decisions.samplingRate = settings.samplingRate
    decisions.evaluationShare = settings.evaluationShare
    decisions.isSecure = settings.secureAggregation
    decisions.threshold = settings.threshold
    decisions.minimumPartners = settings.minimumPartners
    decisions.colluders = settings.colluders
    decisions.graph = GraphChoice(rawValue: settings.graph) ?? .automatic
    decisions.suite = (SuiteChoice(rawValue: settings.suite) ?? .aes256).suite().rawValue
    decisions.attempts = settings.attempts
    decisions.reserveAttempts = settings.reserveAttempts
    decisions.search = settings.search
    decisions.usesInsecureTestRandomness = settings.insecureTestRandomness
    return decisions
  }

  /// The partner's shard as the simulation hands it over: histories, and the first test item as held out.
  func shard(of partner: Int) -> PartnerShard {
    let users = partition.userIndices[partner]
    let heldOut = plan.releases.contains { $0.purpose == .evaluation }
    return PartnerShard(
      interactions: dataset.train.selecting(users: users),
      heldOut: heldOut ? users.map { dataset.test[$0].first ?? -1 } : [])
  }
}

/// The data of a run by its name on the command line.
enum DataSource {
  /// `synthetic`, a folder in our layout, or a file.
  static func load(
    _ name: String, seed: UInt64, validation: Bool, options: ImportOptions = ImportOptions()
  ) throws -> (dataset: Dataset, notes: [String]) {
    var dataset: Dataset
    var notes: [String] = []
    if name == "synthetic" || name.hasPrefix("synthetic:") {
      dataset = try synthetic(name, seed: seed)
    } else {
      do {
        let imported = try DatasetImporter.load(path: name, options: options)
        dataset = imported.dataset
        notes = imported.report.dropped.map { "\($0.count) rows dropped: \($0.reason) (first: \($0.firstExample))" }
      } catch { throw CommandFailure(.data, "\(error)") }
    }
    if validation { dataset = dataset.validationSplit(seed: seed) }
    return (dataset, notes)
  }

  /// The default population, or one of the size that `synthetic:USERSxITEMSxPARTNERS` says.
  private static func synthetic(_ name: String, seed: UInt64) throws -> Dataset {
    var sizes = [10_000, 600, 12]
    if name != "synthetic" {
      let given = name.dropFirst("synthetic:".count).split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
      guard given.count == 3, let users = given[0], let items = given[1], let partners = given[2] else {
        throw CommandFailure(
          .usage, "--data is '\(name)'; expected synthetic:USERSxITEMSxPARTNERS such as synthetic:10000x600x7")
      }
      sizes = [users, items, partners]
    }
    do {
      return SyntheticPopulation(
        try SyntheticConfiguration(users: sizes[0], items: sizes[1], partners: sizes[2], seed: seed)
      ).dataset
    } catch { throw CommandFailure(.usage, "--data \(name): \(error)") }
  }
}
