/// The discrete Gaussian noise of one release: σ² and Δ² as integers of the plan, and who adds it.
///
/// What the accountants use of it is the theorem of `Protocols/privacy-accounting.md`: the noised integers are, up to a
/// factor e^(±κ), post-processing of a *continuous* Gaussian of variance σ² − 4 in all dimensions at once.
public struct GaussianNoise: Hashable, Sendable {
  /// The variance that every accounted adversary is guaranteed to face, in squared grid units: σ² of central noise, or
  /// m·s² with m = minimum contributors − colluders for distributed noise. 4096 to 2^62.
  public let sigmaSquared: Int64
  /// Δ² of the encoding, in squared grid units.
  public let deltaSquared: Int64
  /// Entries that get noise.
  public let dimension: Int
  /// How distributed noise is shared out; `nil` when the coordinator adds it all.
  public let share: NoiseShare?

  /// Noise added by the coordinator.
  ///
  /// - Parameter sigmaSquared: at least 4096.
  /// - Throws: `PrivacyParameterError` when a parameter is out of range.
  public init(central sigmaSquared: Int64, deltaSquared: Int64, dimension: Int) throws(PrivacyParameterError) {
    try self.init(sigmaSquared: sigmaSquared, deltaSquared: deltaSquared, dimension: dimension, share: nil)
  }

  /// Noise added by every partner, s² each.
  ///
  /// - Throws: `PrivacyParameterError` when the guaranteed sum of shares m·s² is below 4096 or a parameter is out of range.
  public init(distributed share: NoiseShare, deltaSquared: Int64, dimension: Int)
    throws(PrivacyParameterError)
  {
    let (guaranteed, overflow) = share.variance.multipliedReportingOverflow(
      by: Int64(share.honestContributors))
    guard !overflow else {
      throw PrivacyParameterError(
        "\(share.honestContributors) shares of variance \(share.variance) exceed 2^62")
    }
    try self.init(sigmaSquared: guaranteed, deltaSquared: deltaSquared, dimension: dimension, share: share)
  }

  /// The least central noise with √(σ² − 4) ≥ z · distance.
  ///
  /// - Parameters:
  ///   - noiseMultiplier: z, the standard deviation of the theorem's Gaussian over the distance between neighbours.
  ///   - deltaSquared: Δ² of the encoding; the distance is Δ times the adjacency's factor times `partnersPerUser`.
  ///   - partnersPerUser: m, the most partners at which one user may be.
  public init(
    noiseMultiplier: Double, deltaSquared: Int64, dimension: Int, adjacency: Adjacency,
    partnersPerUser: Int = 1
  ) throws(PrivacyParameterError) {
    let sigmaSquared = try Self.leastSigmaSquared(
      noiseMultiplier: noiseMultiplier, deltaSquared: deltaSquared, adjacency: adjacency,
      partnersPerUser: partnersPerUser)
    try self.init(central: sigmaSquared, deltaSquared: deltaSquared, dimension: dimension)
  }

  /// The least distributed noise with √(m·s² − 4) ≥ z · distance, m = minimum contributors − colluders.
  ///
  /// - Parameters:
  ///   - minimumContributors: n_min, the fewest partners whose inputs a sum may hold.
  ///   - colluders: c ≥ 1, how many of them may pool what they know with the coordinator. A partner that reads the model
  ///     knows its own share, so that 0 is never right.
  public init(
    noiseMultiplier: Double, deltaSquared: Int64, dimension: Int, adjacency: Adjacency,
    partnersPerUser: Int = 1,
    minimumContributors: Int, colluders: Int
  ) throws(PrivacyParameterError) {
    let total = try Self.leastSigmaSquared(
      noiseMultiplier: noiseMultiplier, deltaSquared: deltaSquared, adjacency: adjacency,
      partnersPerUser: partnersPerUser)
    let share = try NoiseShare(
      totalVariance: total, minimumContributors: minimumContributors, colluders: colluders)
    try self.init(distributed: share, deltaSquared: deltaSquared, dimension: dimension)
  }

  private init(sigmaSquared: Int64, deltaSquared: Int64, dimension: Int, share: NoiseShare?)
    throws(PrivacyParameterError)
  {
    guard (Self.minimumSigmaSquared...DiscreteGaussianSampler.maximumSigmaSquared).contains(sigmaSquared)
    else {
      throw PrivacyParameterError(
        "σ² is \(sigmaSquared) squared grid units; expected 4096 to 2^62: choose another scale")
    }
    guard deltaSquared >= 1 else {
      throw PrivacyParameterError("Δ² is \(deltaSquared); expected an integer of at least 1")
    }
    guard (1...EncodingParameters.maximumDimension).contains(dimension) else {
      throw PrivacyParameterError(
        "noise for \(dimension) entries; expected 1 to \(EncodingParameters.maximumDimension)")
    }
    self.sigmaSquared = sigmaSquared
    self.deltaSquared = deltaSquared
    self.dimension = dimension
    self.share = share
  }

  /// Standard deviation of the noise on an entry that a reader of the model faces at least, in grid units.
  public var deviation: Double { Double(sigmaSquaredAgainstOutsiders).squareRoot() }

  /// The variance that those face who know no share: n_min·s² for distributed noise, σ² for central noise.
  public var sigmaSquaredAgainstOutsiders: Int64 {
    guard let share else { return sigmaSquared }
    return share.variance * Int64(share.minimumContributors)
  }

  /// z: the theorem's √(σ² − 4) over the distance between neighbours, rounded down.
  public func noiseMultiplier(adjacency: Adjacency, partnersPerUser: Int = 1) -> Double {
    release(adjacency: adjacency, partnersPerUser: partnersPerUser).noiseMultiplier
  }

  /// What the ledger records of one release with this noise.
  public func release(
    adjacency: Adjacency, partnersPerUser: Int = 1, against adversary: Adversary = .coalition
  ) -> GaussianRelease {
    precondition(partnersPerUser >= 1, "a user is at one partner at least")
    let shares =
      switch (share, adversary) {
      case (nil, _): 1
      case (let share?, .coalition): share.honestContributors
      case (let share?, .outsiders): share.minimumContributors
      }
    return GaussianRelease(
      trustedSigmaSquared: adversary == .coalition ? sigmaSquared : sigmaSquaredAgainstOutsiders,
      shares: shares,
      deltaSquared: deltaSquared, dimension: dimension, adjacency: adjacency, partnersPerUser: partnersPerUser
    )
  }

  /// The event of one release in which every user takes part, or a Poisson sample of them.
  public func event(
    adjacency: Adjacency, partnersPerUser: Int = 1, rate: SamplingRate? = nil,
    against adversary: Adversary = .coalition
  ) -> PrivacyEvent {
    let release = release(adjacency: adjacency, partnersPerUser: partnersPerUser, against: adversary)
    guard let rate, rate.value < 1 else { return .gaussian(release: release) }
    return .poissonSampled(rate: rate, release: release)
  }

  /// Whom a figure of ε is about.
  public enum Adversary: String, Hashable, Sendable, Codable {
    /// The coordinator together with the plan's number of colluding partners, who know their own shares.
    case coalition
    /// Those who see the released values only.
    case outsiders
  }

  /// The theorem asks for σ² − η² with η = 2, and for σ² large enough that parameter and variance agree.
  static let minimumSigmaSquared: Int64 = 4096

  /// The smallest integer σ² ≥ 4096 with σ² − 4 ≥ z²·distance², in exact arithmetic.
  static func leastSigmaSquared(
    noiseMultiplier z: Double, deltaSquared: Int64, adjacency: Adjacency, partnersPerUser: Int
  ) throws(PrivacyParameterError) -> Int64 {
    guard z.isFinite, z > 0 else {
      throw PrivacyParameterError("the noise multiplier is \(z); expected a positive number")
    }
    guard deltaSquared >= 1, (1...1000).contains(partnersPerUser) else {
      throw PrivacyParameterError(
        "Δ² = \(deltaSquared) at \(partnersPerUser) partners per user; expected at least 1, and 1 to 1000")
    }
    let factor = UInt64(adjacency.distanceFactor) * UInt64(partnersPerUser)
    let distanceSquared = UInt128(deltaSquared) * UInt128(factor * factor)
    guard let product = ceilingOfSquareTimes(z, distanceSquared), product <= UInt64(1) << 62 - 4 else {
      throw PrivacyParameterError(
        "z = \(z) at distance √\(distanceSquared) needs a variance above 2^62: choose a smaller scale")
    }
    return max(minimumSigmaSquared, Int64(product) + 4)
  }

  /// ⌈z²·n⌉ exactly, or `nil` when it exceeds 64 bits.
  static func ceilingOfSquareTimes(_ z: Double, _ n: UInt128) -> UInt64? {
    // z = mantissa · 2^exponent with an integer mantissa of 53 bits.
    let mantissa = UInt128(z.significandBitPattern | (z.isNormal ? 1 << 52 : 0))
    let exponent = Int(z.exponentBitPattern == 0 ? 1 : z.exponentBitPattern) - 1075
    let product = n.multipliedFullWidth(by: mantissa * mantissa)
    let shift = 2 * exponent
    if shift >= 0 {
      guard product.high == 0, shift < 64, product.low.leadingZeroBitCount >= 64 + shift else { return nil }
      return UInt64(product.low << UInt128(shift))
    }
    let right = UInt128(-shift)
    var quotient: UInt128
    let dropped: Bool
    switch right {
    case 1..<128:
      guard product.high >> right == 0 else { return nil }
      quotient = (product.high << (128 - right)) | (product.low >> right)
      dropped = product.low & ((1 << right) - 1) != 0
    case 128:
      quotient = product.high
      dropped = product.low != 0
    case 129..<256:
      quotient = product.high >> (right - 128)
      dropped = product.low != 0 || product.high & ((1 << (right - 128)) - 1) != 0
    default:
      quotient = 0
      dropped = true
    }
    if dropped { quotient += 1 }
    return UInt64(exactly: quotient)
  }
}

/// One partner's share of distributed noise: N_Z(0, s²) with s² = ⌈σ²/(n_min − c)⌉.
public struct NoiseShare: Hashable, Sendable {
  /// s², at least 8, so that a sum of shares is a discrete Gaussian up to the theorem's κ'.
  public let variance: Int64
  /// n_min: the sum is not unmasked with fewer partners in it.
  public let minimumContributors: Int
  /// c ≥ 1: how many of them may subtract their own shares.
  public let colluders: Int

  /// The share with which n_min − c of them reach `totalVariance`.
  ///
  /// - Throws: `PrivacyParameterError` unless 1 ≤ c < n_min.
  public init(totalVariance: Int64, minimumContributors: Int, colluders: Int) throws(PrivacyParameterError) {
    try Self.check(minimumContributors, colluders)
    guard totalVariance >= 1, totalVariance <= DiscreteGaussianSampler.maximumSigmaSquared else {
      throw PrivacyParameterError("the total variance is \(totalVariance); expected 1 to 2^62")
    }
    let honest = Int64(minimumContributors - colluders)
    try self.init(
      variance: max(8, (totalVariance + honest - 1) / honest), minimumContributors: minimumContributors,
      colluders: colluders)
  }

  /// A share of given variance, as a plan or a ledger states it.
  public init(variance: Int64, minimumContributors: Int, colluders: Int) throws(PrivacyParameterError) {
    try Self.check(minimumContributors, colluders)
    let (all, overflow) = variance.multipliedReportingOverflow(by: Int64(minimumContributors))
    guard variance >= 8, !overflow, all <= DiscreteGaussianSampler.maximumSigmaSquared else {
      throw PrivacyParameterError(
        "a noise share of variance \(variance) for \(minimumContributors) partners; expected at least 8, and a sum of at most 2^62"
      )
    }
    self.variance = variance
    self.minimumContributors = minimumContributors
    self.colluders = colluders
  }

  /// m = n_min − c: shares that nobody in the coalition knows.
  public var honestContributors: Int { minimumContributors - colluders }

  var sampler: DiscreteGaussianSampler { DiscreteGaussianSampler(sigmaSquared: variance) }

  private static func check(_ minimumContributors: Int, _ colluders: Int) throws(PrivacyParameterError) {
    guard colluders >= 1 else {
      throw PrivacyParameterError(
        "\(colluders) colluding partners; expected at least 1: a partner reads the model and can subtract its own share"
      )
    }
    guard minimumContributors > colluders, minimumContributors <= 1 << 20 else {
      throw PrivacyParameterError(
        "\(minimumContributors) contributors of whom \(colluders) collude; expected more contributors than colluders, at most 2^20"
      )
    }
  }
}

extension NoiseShare: Codable {
  private enum CodingKeys: String, CodingKey { case variance, minimumContributors, colluders }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      variance: container.decode(Int64.self, forKey: .variance),
      minimumContributors: container.decode(Int.self, forKey: .minimumContributors),
      colluders: container.decode(Int.self, forKey: .colluders))
  }
}

extension GaussianNoise: Codable {
  private enum CodingKeys: String, CodingKey { case sigmaSquared, deltaSquared, dimension, share }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let sigmaSquared = try container.decode(Int64.self, forKey: .sigmaSquared)
    let deltaSquared = try container.decode(Int64.self, forKey: .deltaSquared)
    let dimension = try container.decode(Int.self, forKey: .dimension)
    guard let share = try container.decodeIfPresent(NoiseShare.self, forKey: .share) else {
      try self.init(central: sigmaSquared, deltaSquared: deltaSquared, dimension: dimension)
      return
    }
    try self.init(distributed: share, deltaSquared: deltaSquared, dimension: dimension)
    guard self.sigmaSquared == sigmaSquared else {
      throw PrivacyParameterError(
        "distributed noise claims σ² = \(sigmaSquared); its shares guarantee \(self.sigmaSquared)")
    }
  }
}
