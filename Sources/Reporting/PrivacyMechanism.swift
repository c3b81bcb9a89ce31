/// The mechanism of one release as it ran: what was bounded, how much noise, which sampler.
///
/// Norms and variances named "in grid units" are integers of the encoded vector; `clipNorm` is in the units of
/// the real-valued contribution.
public struct ReleaseMechanism: Codable, Sendable, Equatable {
  /// Name of the release in the plan: "counts", "head covariance", "gradient", "evaluation".
  public var name: String
  /// Mechanism, for example "discrete Gaussian"; `nil` when no noise is added.
  public var mechanism: String?
  /// Coordinates of the released vector.
  public var dimension: Int?
  /// Largest number of non-zero coordinates of one user's vector, from the plan.
  public var nonZeroCountMax: Int?
  /// L2 bound C of one user's whole message, before the encoding.
  public var clipNorm: Double?
  /// Grid units per unit of the contribution.
  public var scale: Double?
  /// How reals become integers: "stochastic rounding, accepted when Σv² ≤ Δ² in integers".
  public var rounding: String?
  /// Where noise and coins come from: "the operating system's generator, through ChaCha20".
  public var randomness: String?
  /// Δ² in grid units, checked in integers after the rounding.
  public var sensitivitySquared: Int?
  /// σ² in grid units of the noise in the released sum.
  public var noiseVariance: Int?
  /// s² in grid units of one partner's share (distributed noise only).
  public var noiseVariancePerPartner: Int?
  /// z = √(σ² − 4)/Δ, or √(m·s² − 4)/Δ in shares: what the accountant uses.
  public var noiseMultiplier: Double?
  /// Part of the budget 1/z² that one pass of this release takes, in (0, 1].
  public var budgetShare: Double?
  /// How often the plan makes this release.
  public var timesPlanned: Int?
  /// How often it was charged.
  public var timesCharged: Int?
  /// Bits b of the ring: sums are taken modulo 2^b.
  public var modulusBits: Int?
  /// log2 of the bound on the probability that any coordinate of any release wraps.
  public var wrapProbabilityLog2: Double?
  /// Who takes part: "every user, every round", "Poisson sampling inside each partner, secret coins".
  public var sampler: String?
  /// Sampling rate q in (0, 1].
  public var samplingRate: Double?
  /// q·N with the plan's nominal N: an expectation, never a realised number of users.
  public var cohortExpected: Double?

  public init(
    name: String, mechanism: String? = nil, dimension: Int? = nil, nonZeroCountMax: Int? = nil,
    clipNorm: Double? = nil, scale: Double? = nil, rounding: String? = nil, sensitivitySquared: Int? = nil,
    noiseVariance: Int? = nil, noiseVariancePerPartner: Int? = nil, noiseMultiplier: Double? = nil,
    budgetShare: Double? = nil, timesPlanned: Int? = nil, timesCharged: Int? = nil, modulusBits: Int? = nil,
    wrapProbabilityLog2: Double? = nil, sampler: String? = nil, samplingRate: Double? = nil,
    cohortExpected: Double? = nil
  ) {
    self.name = name
    self.mechanism = mechanism
    self.dimension = dimension
    self.nonZeroCountMax = nonZeroCountMax
    self.clipNorm = clipNorm
    self.scale = scale
    self.rounding = rounding
    self.sensitivitySquared = sensitivitySquared
    self.noiseVariance = noiseVariance
    self.noiseVariancePerPartner = noiseVariancePerPartner
    self.noiseMultiplier = noiseMultiplier
    self.budgetShare = budgetShare
    self.timesPlanned = timesPlanned
    self.timesCharged = timesCharged
    self.modulusBits = modulusBits
    self.wrapProbabilityLog2 = wrapProbabilityLog2
    self.sampler = sampler
    self.samplingRate = samplingRate
    self.cohortExpected = cohortExpected
  }
}

/// Extract of the privacy ledger: the charges in order, and where the chain stands.
public struct LedgerExtract: Codable, Sendable, Equatable {
  public var entries: [LedgerEntryExtract]
  /// Number of entries in the whole ledger (the extract may be shorter).
  public var size: Int
  /// Hash of the last entry, hexadecimal.
  public var head: String?
  /// ε that the cap leaves, at the cap's δ.
  public var epsilonRemaining: Double?
  /// "All entries", or which ones were left out.
  public var note: String?

  public init(
    entries: [LedgerEntryExtract], size: Int, head: String? = nil, epsilonRemaining: Double? = nil,
    note: String? = nil
  ) {
    self.entries = entries
    self.size = size
    self.head = head
    self.epsilonRemaining = epsilonRemaining
    self.note = note
  }
}

/// One charge of the ledger.
public struct LedgerEntryExtract: Codable, Sendable, Equatable {
  /// Position in the ledger, from 0.
  public var index: Int
  /// The plan that it was charged under, for people; `nil` where the ledger knows one plan only.
  public var plan: String?
  /// Name of the release that was charged.
  public var release: String
  /// From 0.
  public var round: Int?
  /// From 0.
  public var attempt: Int?
  /// ε of everything charged so far, this entry included, at the cap's δ (upper value).
  public var epsilonAfter: Double?
  /// Partners whose inputs are in the sum.
  public var survivorCount: Int?
  /// False for an attempt that was aborted after masked inputs were sent: charged, nothing released.
  public var released: Bool
  /// Hash of the entry, hexadecimal.
  public var hash: String?

  public init(
    index: Int, plan: String? = nil, release: String, round: Int? = nil, attempt: Int? = nil, epsilonAfter: Double? = nil,
    survivorCount: Int? = nil, released: Bool = true, hash: String? = nil
  ) {
    self.index = index
    self.plan = plan
    self.release = release
    self.round = round
    self.attempt = attempt
    self.epsilonAfter = epsilonAfter
    self.survivorCount = survivorCount
    self.released = released
    self.hash = hash
  }
}
