/// What is claimed about privacy, against whom, and on which facts the claim rests.
public struct PrivacyReport: Codable, Sendable, Equatable {
  public var setting: TrustSetting
  /// What the figures cover, one sentence each.
  public var covered: [String]
  /// What they do not cover (eligibility, telemetry, traffic, catalogue, hyperparameter search), one sentence each.
  public var notCovered: [String]
  public var unit: UnitStatement
  /// One entry per release of the plan, in plan order.
  public var mechanisms: [ReleaseMechanism]
  public var rounds: RoundCounts?
  /// The largest (ε, δ) that the signed plan allows; the run stops before a release that would exceed it.
  public var cap: BudgetCap?
  /// One guarantee per adversary; empty when no noise was added.
  public var guarantees: [Guarantee]
  public var ledger: LedgerExtract?
  /// Spend by partner and by model family; `nil` where only one ledger was at hand.
  public var spending: [SpendRow]?
  /// Over all plans of the ledger; `nil` where the ledger is of this run alone.
  public var total: SpentTotal?
  /// Searches, early stopping, warm starts, vocabulary: what was charged and what is not covered.
  public var tuning: TuningDisclosure?
  /// What was public before the run (catalogue, roster, plan).
  public var publicData: [String]
  /// What never leaves a partner.
  public var neverLeaves: [String]
  public var audit: EmpiricalAudit?

  public init(
    setting: TrustSetting, covered: [String] = [], notCovered: [String] = [], unit: UnitStatement,
    mechanisms: [ReleaseMechanism] = [], rounds: RoundCounts? = nil, cap: BudgetCap? = nil,
    guarantees: [Guarantee] = [], ledger: LedgerExtract? = nil, total: SpentTotal? = nil, tuning: TuningDisclosure? = nil,
    publicData: [String] = [], neverLeaves: [String] = [], audit: EmpiricalAudit? = nil
  ) {
    self.setting = setting
    self.covered = covered
    self.notCovered = notCovered
    self.unit = unit
    self.mechanisms = mechanisms
    self.rounds = rounds
    self.cap = cap
    self.guarantees = guarantees
    self.ledger = ledger
    self.total = total
    self.tuning = tuning
    self.publicData = publicData
    self.neverLeaves = neverLeaves
    self.audit = audit
  }
}

/// Who adds the noise, who is trusted for what, and how many may collude.
public struct TrustSetting: Codable, Sendable, Equatable {
  public enum Noise: String, Codable, Sendable, CaseIterable {
    /// The coordinator adds it to the integer sum: partners trust it to do so.
    case central
    /// Every partner adds a share before masking: the coordinator is covered too.
    case distributed
    /// Nobody adds any: no differential privacy.
    case none
  }

  public var noise: Noise
  /// False when the coordinator received the partners' inputs in the clear.
  public var secureAggregation: Bool
  /// Partners on the roster, n.
  public var partnerCount: Int
  /// Partners needed to unmask, t.
  public var threshold: Int?
  /// Among how many drawn partners the t are, k; `nil` where all partners hold shares.
  public var holderCount: Int?
  /// Smallest number of partners whose inputs a released sum may hold, n_min.
  public var survivorCountMin: Int?
  /// Colluding partners that the coalition's figures allow for, c.
  public var colluderCount: Int?
  /// Who sees what.
  public var observers: [Observer]

  public init(
    noise: Noise, secureAggregation: Bool, partnerCount: Int, threshold: Int? = nil, holderCount: Int? = nil,
    survivorCountMin: Int? = nil, colluderCount: Int? = nil, observers: [Observer] = []
  ) {
    self.noise = noise
    self.secureAggregation = secureAggregation
    self.partnerCount = partnerCount
    self.threshold = threshold
    self.holderCount = holderCount
    self.survivorCountMin = survivorCountMin
    self.colluderCount = colluderCount
    self.observers = observers
  }
}

/// One party and what the protocol shows to it.
public struct Observer: Codable, Sendable, Equatable {
  /// "The coordinator", "Each partner", "Readers of the model and of this report".
  public var who: String
  public var sees: String
  /// What stays hidden from it, and by which means.
  public var protectedBy: String?

  public init(who: String, sees: String, protectedBy: String? = nil) {
    self.who = who
    self.sees = sees
    self.protectedBy = protectedBy
  }
}

/// Whose data one guarantee protects as a whole, and what "neighbouring data" means.
public struct UnitStatement: Codable, Sendable, Equatable {
  public enum Unit: String, Codable, Sendable, CaseIterable {
    /// One user with all of their interactions.
    case user
    /// One partner with all of its users.
    case partner
  }

  public enum Adjacency: String, Codable, Sendable, CaseIterable {
    case addRemove = "add-remove"
    case replaceOne = "replace-one"
    case zeroOut = "zero-out"
  }

  public var unit: Unit
  public var adjacency: Adjacency
  /// How interactions are linked to one unit: "the user id within one partner".
  public var linkage: String?
  /// Partners at which one user may appear, m.
  public var partnersPerUserMax: Int
  /// How one unit's contribution is bounded, one sentence each.
  public var contributionBounds: [String]
  /// Distance between neighbouring sums in the accountant's terms: "Δ", "2Δ", "m·Δ".
  public var distance: String?

  public init(
    unit: Unit = .user, adjacency: Adjacency = .addRemove, linkage: String? = nil,
    partnersPerUserMax: Int = 1, contributionBounds: [String] = [], distance: String? = nil
  ) {
    self.unit = unit
    self.adjacency = adjacency
    self.linkage = linkage
    self.partnersPerUserMax = partnersPerUserMax
    self.contributionBounds = contributionBounds
    self.distance = distance
  }
}

/// The rounds of the task, in numbers of rounds and of partners (never of users).
public struct RoundCounts: Codable, Sendable, Equatable {
  public var planned: Int
  /// Rounds whose release was published.
  public var completed: Int
  /// Attempts that were aborted after masked inputs were sent, and were charged all the same.
  public var abortedButCharged: Int
  /// Smallest, median and largest number of partners whose noise (or input) is in a released sum.
  public var noiseContributors: NoiseContributors?
  /// Why the run ended: "all planned rounds ran", "the next release would exceed the cap".
  public var endedBecause: String?

  public init(
    planned: Int, completed: Int, abortedButCharged: Int = 0, noiseContributors: NoiseContributors? = nil,
    endedBecause: String? = nil
  ) {
    self.planned = planned
    self.completed = completed
    self.abortedButCharged = abortedButCharged
    self.noiseContributors = noiseContributors
    self.endedBecause = endedBecause
  }
}

/// Partners whose inputs are in the released sums, over the rounds of a run.
public struct NoiseContributors: Codable, Sendable, Equatable {
  public var min: Int
  public var median: Double
  public var max: Int

  public init(min: Int, median: Double, max: Int) {
    self.min = min
    self.median = median
    self.max = max
  }

  /// - Returns: `nil` for no rounds.
  public init?(counts: [Int]) {
    let sorted = counts.sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    let upper = sorted[sorted.count / 2]
    let lower = sorted[(sorted.count - 1) / 2]
    self.init(min: first, median: Double(lower + upper) / 2, max: last)
  }
}

/// Choices that were made by looking at data, and whether the ledger charged them.
public struct TuningDisclosure: Codable, Sendable, Equatable {
  /// Sentences on searches, early stopping, warm starts and vocabularies that were charged.
  public var charged: [String]
  /// The same, for those that no figure of this report covers.
  public var notCovered: [String]
  /// How often the ledger of the data set was charged, over all plans; `nil` where it was not at hand.
  public var use: DataSetUse?

  public init(charged: [String] = [], notCovered: [String] = [], use: DataSetUse? = nil) {
    self.charged = charged
    self.use = use
    self.notCovered = notCovered
  }
}

/// The result of attacks on our own mechanism: lower bounds from experiment, never "the actual ε".
public struct EmpiricalAudit: Codable, Sendable, Equatable {
  /// Method with its source: "one-run audit (Steinke, Nasr, Jagielski 2023)".
  public var method: String
  public var canaryCount: Int?
  /// Lower bound on ε that the attack established; the largest of all attacks.
  public var epsilonLower: Double
  public var delta: Double?
  /// Confidence of that bound, in (0, 1).
  public var confidence: Double?
  public var note: String?
  /// The proven upper bound on ε that was attacked, against the attacker's view.
  public var epsilonProven: Double?
  /// Each attack by itself.
  public var attacks: [AuditAttack]?

  public init(
    method: String, canaryCount: Int? = nil, epsilonLower: Double, delta: Double? = nil,
    confidence: Double? = nil, note: String? = nil, epsilonProven: Double? = nil, attacks: [AuditAttack]? = nil
  ) {
    self.method = method
    self.canaryCount = canaryCount
    self.epsilonLower = epsilonLower
    self.delta = delta
    self.confidence = confidence
    self.note = note
    self.epsilonProven = epsilonProven
    self.attacks = attacks
  }

  /// Whether an attack saw what cannot be if the mechanism is the plan's.
  public var isContradicted: Bool { (attacks ?? []).contains { $0.verdict == .contradicted } }

  /// What must be known before any figure is believed; `nil` where nothing contradicts the plan.
  public var hazard: Hazard? {
    guard isContradicted else { return nil }
    return Hazard(
      kind: .auditContradicted,
      text:
        "The audit contradicts the plan: less noise, or more of a user, is in what it saw released than the plan says.\(note.map { " " + $0 } ?? "")"
    )
  }
}

/// One attack of an audit, and whether what it saw contradicts the plan.
public struct AuditAttack: Codable, Sendable, Equatable {
  public enum Verdict: String, Codable, Sendable, CaseIterable {
    /// What was seen can be if the mechanism is the plan's; it proves nothing.
    case consistent
    /// What was seen cannot be, up to the stated probability of a false alarm.
    case contradicted
  }

  /// Method with its source.
  public var method: String
  public var verdict: Verdict
  /// What was seen, in one sentence.
  public var finding: String
  /// Lower bound on ε that this attack established; `nil` for one that bounds none.
  public var epsilonLower: Double?

  public init(method: String, verdict: Verdict, finding: String, epsilonLower: Double? = nil) {
    self.method = method
    self.verdict = verdict
    self.finding = finding
    self.epsilonLower = epsilonLower
  }
}
