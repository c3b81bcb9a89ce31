public import DifferentialPrivacy

/// The contract of one training task: who takes part, what is released, with how much noise, under which cap.
///
/// A plan is fixed and signed before any data is touched. Its hash enters every key derivation and signature of
/// every round. A plan is a *list of releases*; nothing that is not in the list becomes public.
public struct TrainingPlan: Sendable, Equatable, Codable {
  /// Version of this format.
  public var formatVersion: Int
  /// A readable name for people.
  public var task: String
  /// 16 random bytes in hex: one run of one plan.
  public var session: String
  /// What is trained.
  public var algorithm: AlgorithmConfiguration
  /// Public seed of the initial model.
  public var modelSeed: UInt64
  /// The public list of items.
  public var catalogue: CatalogueReference
  /// The partners, in ascending order of participant.
  public var roster: [RosterEntry]
  /// Ed25519 verification key of the coordinator, 32 bytes in hex.
  public var coordinatorKey: String
  public var aggregation: AggregationPolicy
  public var privacy: PrivacyPolicy
  /// The releases, in order. Each is one round (one or more attempts).
  public var releases: [PlannedRelease]
  /// The search over settings on private data that this plan is a try of; every ledger that is charged for it says so.
  public var search: String?

  public init(
    task: String, session: String, algorithm: AlgorithmConfiguration, modelSeed: UInt64,
    catalogue: CatalogueReference, roster: [RosterEntry], coordinatorKey: String, aggregation: AggregationPolicy,
    privacy: PrivacyPolicy, releases: [PlannedRelease]
  ) {
    formatVersion = Self.currentFormatVersion
    self.task = task
    self.session = session
    self.algorithm = algorithm
    self.modelSeed = modelSeed
    self.catalogue = catalogue
    self.roster = roster
    self.coordinatorKey = coordinatorKey
    self.aggregation = aggregation
    self.privacy = privacy
    self.releases = releases
  }

  public static let currentFormatVersion = 1

  /// The largest number of users that the plan admits: the sum of the partners' caps.
  public var maximumUsers: Int { roster.reduce(0) { $0 + $1.maximumUsers } }
}

/// An algorithm by name with its numeric parameters; `AlgorithmRegistry` knows what each accepts.
public struct AlgorithmConfiguration: Sendable, Equatable, Codable {
  public var name: String
  public var parameters: [String: Double]

  public init(name: String, parameters: [String: Double] = [:]) {
    self.name = name
    self.parameters = parameters
  }
}

/// The public catalogue that all partners agreed on.
public struct CatalogueReference: Sendable, Equatable, Codable {
  /// SHA-256 of the catalogue's canonical bytes, in hex.
  public var hash: String
  public var itemCount: Int
  /// SHA-256 of the item features' canonical bytes, in hex; `nil` (and no member in the file) for plans without.
  public var features: String?

  public init(hash: String, itemCount: Int, features: String? = nil) {
    self.hash = hash
    self.itemCount = itemCount
    self.features = features
  }
}

/// One partner as the plan pins it.
public struct RosterEntry: Sendable, Equatable, Codable {
  /// The participant's number, 1 or larger.
  public var participant: UInt32
  public var name: String
  /// Ed25519 verification key registered at enrolment, 32 bytes in hex.
  public var verificationKey: String
  /// The most users that this partner may bring: a rounded constant of the contract, not a count of its data. It sizes
  /// the ring; a partner with more refuses only under plans without noise.
  public var maximumUsers: Int

  public init(participant: UInt32, name: String, verificationKey: String, maximumUsers: Int) {
    self.participant = participant
    self.name = name
    self.verificationKey = verificationKey
    self.maximumUsers = maximumUsers
  }
}

/// How sums are formed.
public struct AggregationPolicy: Sendable, Equatable, Codable {
  /// `false` in simulations only: partners send their integer sums unmasked, and the report says so.
  public var isSecure: Bool
  /// Shamir threshold t.
  public var threshold: Int
  /// n_min: the fewest partners in any sum.
  public var minimumSurvivors: Int
  /// Partners that may collude with the coordinator, c ≥ 1 where noise is distributed.
  public var colluders: Int
  /// Mask suite: 1 AES-256-CTR, 2 ChaCha20.
  public var suite: UInt8
  /// Attempts per round before the run gives up.
  public var maximumAttempts: Int
  /// Between whom shares and masks pass; `nil` (and no member in the file) for the complete graph.
  public var graph: DrawnGraphPolicy?

  public init(
    isSecure: Bool, threshold: Int, minimumSurvivors: Int, colluders: Int, suite: UInt8, maximumAttempts: Int,
    graph: DrawnGraphPolicy? = nil
  ) {
    self.isSecure = isSecure
    self.threshold = threshold
    self.minimumSurvivors = minimumSurvivors
    self.colluders = colluders
    self.suite = suite
    self.maximumAttempts = maximumAttempts
    self.graph = graph
  }

  /// Among how many of `partners` the t are that must help to open a secret: all, or those that each partner draws.
  public func holders(of partners: Int) -> Int { graph?.holders ?? partners }

  /// Signatures of survivors that convince one partner of its own attempt, its own among them: t; in a drawn graph t of its holders
  /// and, since it is none of them, its own.
  public var signaturesForPartner: Int { graph == nil ? threshold : threshold + 1 }

  /// Signatures of survivors that prove to a third party who was in a sum. In the complete graph t; in a drawn one t are
  /// witnesses for one partner only, and more than (n + c)/2 are asked for: no second set finds as many honest signers.
  public func signaturesForProof(partners: Int) -> Int {
    graph == nil ? threshold : (partners + colluders) / 2 + 1
  }
}

/// The drawn graph (Protocols/secure-aggregation.md §13): every partner draws its holders for every attempt, by its own coins.
public struct DrawnGraphPolicy: Sendable, Equatable, Codable {
  /// k: partners that hold shares of one partner's secrets.
  public var holders: Int
  /// m: the first of them, with whom it shares masks.
  public var maskDraws: Int

  public init(holders: Int, maskDraws: Int) {
    self.holders = holders
    self.maskDraws = maskDraws
  }
}

/// Who draws the noise.
public enum NoiseMode: String, Sendable, Equatable, Codable, CaseIterable {
  /// The coordinator, on the integer sum of each attempt: protects against readers of the model and the report.
  case central
  /// Every partner adds a share before masking: protects against the coordinator and c partners as well.
  case distributed
  /// Nobody: the run makes no claim of privacy.
  case none
}

/// What is promised to a user.
public struct PrivacyPolicy: Sendable, Equatable, Codable {
  public var noise: NoiseMode
  /// Which data sets are neighbours; the unit is a user with all interactions.
  public var adjacency: Adjacency
  /// N: a rounded constant of the contract that averages divide by; never recomputed from data.
  public var nominalUsers: Int
  /// The most partners that hold data of one user.
  public var maximumPartnersPerUser: Int
  /// The cap on ε; ignored without noise.
  public var epsilon: Double
  /// The δ of the cap; ignored without noise.
  public var delta: Double
  /// `true` stamps ledger and report "not private": noise, keys and coins came from a seed.
  public var usesInsecureTestRandomness: Bool

  public init(
    noise: NoiseMode, adjacency: Adjacency = .addRemove, nominalUsers: Int, maximumPartnersPerUser: Int, epsilon: Double,
    delta: Double, usesInsecureTestRandomness: Bool
  ) {
    self.noise = noise
    self.adjacency = adjacency
    self.nominalUsers = nominalUsers
    self.maximumPartnersPerUser = maximumPartnersPerUser
    self.epsilon = epsilon
    self.delta = delta
    self.usesInsecureTestRandomness = usesInsecureTestRandomness
  }

  /// One sentence where δ is so large that the plan's guarantee holds for a mechanism that publishes some user whole: δ ≥ 1/N.
  public var largeDeltaWarning: String? {
    guard noise != .none, delta * Double(nominalUsers) >= 1 else { return nil }
    return
      "δ = \(delta) is not below 1/N = \(1 / Double(nominalUsers)): such a δ allows to publish some user whole; choose at most \(0.1 / Double(nominalUsers))."
  }
}
