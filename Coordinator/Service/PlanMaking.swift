public import CryptoPrimitives
internal import DataImport
public import FederatedLearning
public import Foundation
internal import ModelExport
public import Operations
public import PeerIdentity
internal import Recommender
internal import SecureAggregation

/// The settings of a plan file (YAML): what people decide; the rest is computed (`PlanFactory`).
public enum PlanSettings {
  static let task = Setting<String>.text("task", .optional, help: "A readable name; by default algorithm and task.")
  static let catalogue = Setting<String>.path(
    "catalogue", .required, help: "The public list of items: items.tsv or items.csv, relative to the settings file.")
  static let algorithm = Setting<AlgorithmName>.choice(
    "algorithm", .default("mf"), help: "What is trained; auto lets users over noise and the catalogue decide.")
  static let parameters = Setting<[String]>.words(
    "parameters", .optional, help: "Parameters of the algorithm as name=number, for instance dimension=16.")
  static let itemFeatures = Setting<[String]>.words(
    "item-features", .optional,
    help:
      "What networks learn of items besides who buys them: attributes (shared values of the list's columns), text (its titles), or files of vectors, .npy or .safetensors with a row for each item."
  )
  static let rounds = Setting<Int>.integer(
    "rounds", .optional, in: 1...100_000, help: "Training rounds, where the algorithm lets them be chosen.")
  static let halfLife = Setting<Double>.number(
    "half-life", .optional, in: 0.001...1e9, help: "Items after which a user's history counts half.")
  static let modelSeed = Setting<Int>.integer(
    "model-seed", .default("1"), in: 0...Int.max, help: "Public seed of the initial model.")
  static let noise = Setting<NoiseMode>.choice(
    "noise", .default("distributed"), help: "Who adds noise: every partner a share, the coordinator, or nobody.")
  static let epsilon = Setting<Double>.number("epsilon", .default("8"), in: 1e-3...1e6, help: "The cap on ε.")
  static let delta = Setting<Double>.number("delta", .default("1e-6"), in: 1e-15...0.5, help: "The δ of the cap.")
  static let nominalUsers = Setting<Int>.integer(
    "nominal-users", .required, in: 1...1 << 40, help: "N, a rounded constant that averages divide by; never a count of data.")
  static let maximumUsers = Setting<Int>.integer(
    "maximum-users", .required, in: 1...1 << 40, help: "The most users that one partner may bring, a rounded constant.")
  static let maximumUsersOf = Setting<[String]>.words(
    "maximum-users-of", .optional, help: "The same for single partners, as name=number.")
  static let partnersPerUser = Setting<Int>.integer(
    "max-partners-per-user", .default("1"), in: 1...1000, help: "The most partners that hold data of one user.")
  static let samplingRate = Setting<Double>.number(
    "sampling-rate", .default("1"), in: 1e-6...1, help: "Poisson sampling rate of users.")
  static let evaluationShare = Setting<Double>.number(
    "evaluation-share", .default("0.02"), in: 0...0.5, help: "Share of the budget for one noised evaluation; 0 plans none.")
  static let threshold = Setting<Int>.integer(
    "threshold", .optional, in: 2...10_000,
    help:
      "Shamir threshold t: partners that must help to open a sum. By default two thirds of the n partners, rounded down, plus 1.")
  static let graph = Setting<GraphChoice>.choice(
    "graph", .default(GraphChoice.complete.rawValue),
    help:
      "Between whom shares and masks pass: complete (everybody with everybody, a promise without a chance in it), drawn (each partner draws its holders; for hundreds of partners), or auto: drawn where it at least halves the shares."
  )
  static let minimumPartners = Setting<Int>.integer(
    "minimum-partners", .optional, in: 2...10_000,
    help:
      "The fewest partners in a sum. By default the threshold, at least 3: of 3 partners all 3 (one away stops every round), of 5 4, of 7 5, of 12 9."
  )
  static let colluders = Setting<Int>.integer(
    "colluders", .default("1"), in: 0...10_000, help: "Partners that may collude with the coordinator.")
  static let attempts = Setting<Int>.integer(
    "attempts", .default("3"), in: 1...100, help: "Attempts per round; when the last comes to nothing, the plan is over.")
  static let reserveAttempts = Setting<Int>.integer(
    "reserve-attempts", .default("2"), in: 0...1000, help: "Attempts that may come to nothing and are paid all the same.")
  static let suite = Setting<SuiteChoice>.choice(
    "suite", .default("aes256-ctr"),
    help: "How masks are expanded; auto: the faster one, measured on this machine and written into the plan.")
  static let search = Setting<String>.text(
    "search", .optional,
    help: "Name of the search over settings that this plan is a try of; every ledger notes it, and partners' reports count it.")
  static let partners = Setting<[String]>.words(
    "partners", .optional, help: "Names of the partners; by default all that are active and have not left.")

  public static let schema = SettingsSchema(
    program: "a plan",
    [
      task, catalogue, algorithm, parameters, itemFeatures, rounds, halfLife, modelSeed, noise, epsilon, delta, nominalUsers,
      maximumUsers,
      maximumUsersOf, partnersPerUser, samplingRate, evaluationShare, threshold, minimumPartners, colluders, graph,
      attempts, reserveAttempts, suite, search, partners,
    ], isFileOnly: true, lister: "tacit-coordinator plan --sample",
    elsewhere: Dictionary(
      uniqueKeysWithValues: CoordinatorSettings.schema.settings.map {
        ($0.name, "a setting of serve (its file, TACIT_… or --set), not of a plan")
      }))

  /// Those of `AlgorithmChoice`.
  enum AlgorithmName: String, Sendable, CaseIterable {
    case auto, mf, als, covariance, hybrid, popularity, sasrec, gru, cnn, ncf
    case twoTower = "two-tower"
    case itemKNN = "item-knn"
  }
}

/// Makes plans from the roster of a task.
public struct PlanMaker {
  private let state: CoordinatorState

  public init(_ state: CoordinatorState) { self.state = state }

  /// A plan that is signed, but not yet kept.
  public struct Draft: Sendable {
    public let file: PlanFile
    public let signature: Signature
    /// Why it trains what it trains, where the settings left that free.
    public let choice: AlgorithmChoice?
    let roster: [UInt8]
    let catalogue: [UInt8]

    /// The roster that partners compare with the plan.
    public var signedRoster: SignedRoster? { get throws { roster.isEmpty ? nil : try SignedRoster(decoding: roster) } }
  }

  /// - Parameters:
  ///   - path: the settings file; the catalogue's path is relative to its folder.
  ///   - probe: asked for the faster suite when the settings leave it free.
  /// - Throws: `SettingsError`, `DataImportError`, `PlanError`, `InvalidHyperparameter`, `StateFolderError`.
  public func draft(
    settingsFile path: String, random: inout some RandomSource, probe: () -> SuiteProbe = { SuiteProbe() }
  ) throws -> Draft {
    let settings = try Settings(PlanSettings.schema, flags: [:], environment: [:], file: path)
    let known = PlanSettings.self
    let cataloguePath = settings[known.catalogue]
    let folder = PrivateFile.parent(of: path)
    let catalogue = try CatalogueFile.read(
      path: cataloguePath.hasPrefix("/") ? cataloguePath : "\(folder)/\(cataloguePath)")
    let features = try settings[ifSet: known.itemFeatures].map {
      do { return try ItemFeatureSource.features($0, of: catalogue, folder: folder) } catch {
        throw SettingsError(problems: ["\(path): item-features: \(error)"])
      }
    }
    var decisions = PlanDecisions(
      task: settings[ifSet: known.task] ?? "", algorithm: settings[known.algorithm].rawValue,
      nominalUsers: settings[known.nominalUsers])
    decisions.parameters = try numbers(settings[ifSet: known.parameters] ?? [], of: "parameters", path)
    decisions.rounds = try rounds(settings, path)
    decisions.halfLife = settings[ifSet: known.halfLife]
    decisions.modelSeed = UInt64(settings[known.modelSeed])
    decisions.noise = settings[known.noise]
    decisions.epsilon = settings[known.epsilon]
    decisions.delta = settings[known.delta]
    decisions.maximumPartnersPerUser = settings[known.partnersPerUser]
    decisions.samplingRate = settings[known.samplingRate]
    decisions.evaluationShare = settings[known.evaluationShare]
    decisions.threshold = settings[ifSet: known.threshold]
    decisions.minimumPartners = settings[ifSet: known.minimumPartners]
    decisions.colluders = settings[known.colluders]
    decisions.graph = settings[known.graph]
    decisions.attempts = settings[known.attempts]
    decisions.reserveAttempts = decisions.noise == .none ? 0 : settings[known.reserveAttempts]
    decisions.search = settings[ifSet: known.search]
    decisions.suite = settings[known.suite].suite(probe: probe).rawValue
    let choice: AlgorithmChoice?
    (decisions, choice) = try decisions.choosingAlgorithm(itemCount: catalogue.count)
    if settings[ifSet: known.task] == nil { decisions.task = "\(decisions.algorithm) for \(state.task.name)" }
    let partners = try chosen(settings[ifSet: known.partners], path)
    let caps = try numbers(settings[ifSet: known.maximumUsersOf] ?? [], of: "maximum-users-of", path)
    for name in caps.keys.sorted() where !partners.contains(where: { $0.name == name }) {
      throw SettingsError(problems: ["\(path): maximum-users-of names '\(name)', who is not in the plan"])
    }
    let roster = try partners.map { partner in
      let cap = caps[partner.name] ?? Double(settings[known.maximumUsers])
      guard let users = Int(exactly: cap), (1...1 << 40).contains(users) else {
        throw SettingsError(problems: [
          "\(path): maximum-users-of \(partner.name) is \(cap); expected a whole number, 1 or larger"
        ])
      }
      return FederatedLearning.RosterEntry(
        participant: partner.participant, name: partner.name, verificationKey: partner.verificationKey.hex, maximumUsers: users)
    }
    guard let session = SessionID(bytes: random.bytes(16)) else { preconditionFailure("a session is 16 bytes") }
    let made = try PlanFactory.plan(
      decisions, catalogue: catalogue, roster: roster, coordinatorKey: state.signingKey.verificationKey.hex, session: session,
      features: features)
    guard let signed = try state.store.newestRoster() else {
      throw StateFolderError(.damaged, "the state folder has no signed roster; run: tacit-coordinator rotate")
    }
    return Draft(
      file: made.plan, signature: state.signingKey.sign(PlanSignature.message(made.plan.bytes)), choice: choice,
      roster: signed.bytes,
      catalogue: CatalogueDocument.encode(catalogue, features: features))
  }

  /// Makes a plan the active one.
  ///
  /// - Throws: `StateFolderError` while the plan before is not over.
  public func activate(_ draft: Draft, now: Date) throws {
    guard let session = SessionID(hex: draft.file.plan.session) else { preconditionFailure("a plan was validated") }
    guard
      try state.store.add(
        plan: draft.file, session: session, signature: draft.signature, roster: draft.roster, catalogue: draft.catalogue, now: now
      )
    else {
      throw StateFolderError(
        .exists, "a plan is active and not over; end it first with: tacit-coordinator plan --end 'REASON' (its ledger stays)")
    }
  }

  private func chosen(_ names: [String]?, _ path: String) throws -> [PartnerRecord] {
    let known = try state.store.partners()
    // Whoever has left does so for good, and would be waited for in vain.
    let left = Set(try state.store.standings(plan: .zero).filter(\.value.hasLeft).keys)
    let active = known.filter { $0.isActive && !left.contains($0.participant) }
    guard let names else {
      guard !active.isEmpty else {
        throw SettingsError(problems: ["\(path): no partner is enrolled and active; see: tacit-coordinator roster"])
      }
      return active
    }
    var problems: [String] = []
    let chosen = Set(names).sorted().compactMap { name in
      let partner = active.first { $0.name == name }
      if partner == nil {
        let why =
          switch known.first(where: { $0.name == name }) {
          case let partner? where !partner.isActive: "was revoked"
          case .some: "has left the task for good"
          case nil: "is not enrolled"
          }
        problems.append("\(path): partners names '\(name)', who \(why); see: tacit-coordinator roster")
      }
      return partner
    }
    guard problems.isEmpty else { throw SettingsError(problems: problems) }
    return chosen.sorted { $0.participant < $1.participant }
  }

  /// - Throws: `SettingsError` when the algorithm has no rounds that could be chosen.
  private func rounds(_ settings: Settings, _ path: String) throws -> Int? {
    guard let rounds = settings[ifSet: PlanSettings.rounds] else { return nil }
    let algorithm = settings[PlanSettings.algorithm].rawValue
    let parameters = AlgorithmRegistry.parameters(of: algorithm).map(\.name)
    guard !parameters.contains("rounds") else { return rounds }
    let others = parameters.isEmpty ? "it has no parameters" : "parameters: takes \(parameters.joined(separator: ", "))"
    throw SettingsError(problems: [
      "\(path): rounds is \(rounds), but \(algorithm) has none to choose: how many releases it makes follows from the algorithm; leave rounds out (\(others))"
    ])
  }

  private func numbers(_ words: [String], of key: String, _ path: String) throws -> [String: Double] {
    var numbers: [String: Double] = [:]
    for word in words {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty, let number = Double(parts[1]), number.isFinite else {
        throw SettingsError(problems: ["\(path): \(key) has '\(word)'; expected NAME=NUMBER"])
      }
      guard numbers.updateValue(number, forKey: String(parts[0])) == nil else {
        throw SettingsError(problems: ["\(path): \(key) names '\(parts[0])' twice"])
      }
    }
    return numbers
  }
}
