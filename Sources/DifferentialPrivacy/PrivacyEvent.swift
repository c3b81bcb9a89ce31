internal import Glibc

/// What happened to private data, as a fact that nobody edits: accountants fold over events.
///
/// The meaning of an event never changes; new mechanisms are new cases.
public indirect enum PrivacyEvent: Hashable, Sendable, Codable {
  /// One release in which every user takes part.
  case gaussian(release: GaussianRelease)
  /// One release in which every user takes part with probability `rate`, by independent secret coins. A user at several
  /// partners tosses one coin at each.
  case poissonSampled(rate: SamplingRate, release: GaussianRelease)
  /// The same event `count` times.
  case repeated(event: PrivacyEvent, count: Int)
  /// One after another, each possibly chosen after the noised results of those before.
  case composed(events: [PrivacyEvent])
}

/// A discrete Gaussian release as the accountant sees it: σ², Δ², adjacency. The noise multiplier is derived, never given.
public struct GaussianRelease: Hashable, Sendable {
  /// The variance that counts, in squared grid units; with distributed noise the sum of the shares that count.
  public let sigmaSquared: Int64
  /// How many independent discrete Gaussians make up `sigmaSquared`; 1 for central noise.
  public let shares: Int
  /// Δ², the largest squared norm of one encoded contribution.
  public let deltaSquared: Int64
  /// Entries released.
  public let dimension: Int
  public let adjacency: Adjacency
  /// m: the most partners at which one user may contribute, each contribution obeying Δ².
  public let partnersPerUser: Int

  /// - Throws: `PrivacyParameterError` for a release that the theorem does not cover.
  public init(
    sigmaSquared: Int64, shares: Int = 1, deltaSquared: Int64, dimension: Int, adjacency: Adjacency,
    partnersPerUser: Int = 1
  ) throws(PrivacyParameterError) {
    guard
      (GaussianNoise.minimumSigmaSquared...DiscreteGaussianSampler.maximumSigmaSquared).contains(sigmaSquared)
    else {
      throw PrivacyParameterError("a release with σ² = \(sigmaSquared); expected 4096 to 2^62")
    }
    guard shares >= 1, shares <= 1 << 20, sigmaSquared % Int64(shares) == 0, sigmaSquared / Int64(shares) >= 8
    else {
      throw PrivacyParameterError(
        "σ² = \(sigmaSquared) as a sum of \(shares) equal shares; expected integer shares of at least 8")
    }
    guard deltaSquared >= 1, (1...EncodingParameters.maximumDimension).contains(dimension) else {
      throw PrivacyParameterError(
        "a release with Δ² = \(deltaSquared) and \(dimension) entries; expected at least 1")
    }
    guard (1...1000).contains(partnersPerUser) else {
      throw PrivacyParameterError("a user at \(partnersPerUser) partners; expected 1 to 1000")
    }
    self.init(
      trustedSigmaSquared: sigmaSquared, shares: shares, deltaSquared: deltaSquared, dimension: dimension,
      adjacency: adjacency, partnersPerUser: partnersPerUser)
  }

  init(
    trustedSigmaSquared: Int64, shares: Int, deltaSquared: Int64, dimension: Int, adjacency: Adjacency,
    partnersPerUser: Int
  ) {
    sigmaSquared = trustedSigmaSquared
    self.shares = shares
    self.deltaSquared = deltaSquared
    self.dimension = dimension
    self.adjacency = adjacency
    self.partnersPerUser = partnersPerUser
  }

  /// Distance between the sums of neighbouring data sets, in grid units: Δ · adjacency factor · m.
  public var distance: Double {
    Double(deltaSquared).squareRoot() * adjacency.distanceFactor * Double(partnersPerUser)
  }

  /// z = √(σ² − 4) / distance, rounded down.
  public var noiseMultiplier: Double {
    Double(sigmaSquared - 4).squareRoot() / distance * (1 - 0x1p-50)
  }

  /// z that an attacker faces at most, rounded up: √(σ² + 4) over the distance of two users who can be.
  ///
  /// z of `noiseMultiplier` proves upper values only: it belongs to a Gaussian that the integers are post-processing *of*. What is
  /// post-processing of the integers is the Gaussian of variance σ² + 4, up to the same κ: adding N(0, 4) to each entry makes it
  /// (Protocols/privacy-accounting.md, section 4). What an attack on that proves holds for the integers.
  package var attackMultiplier: Double {
    let reached = Double(attackedSquare).squareRoot() * adjacency.distanceFactor * Double(partnersPerUser)
    return Double(sigmaSquared + 4).squareRoot() / reached * (1 + 0x1p-50)
  }

  /// A squared norm, at most Δ², that a vector of `dimension` integers has. Every number is a sum of four squares (Lagrange); of
  /// fewer, the largest possible ones are taken in turn.
  private var attackedSquare: Int64 {
    guard dimension < 4 else { return deltaSquared }
    var rest = deltaSquared
    for _ in 0..<dimension {
      var root = Int64(Double(rest).squareRoot())
      while root.multipliedReportingOverflow(by: root).overflow || root * root > rest { root -= 1 }
      rest -= root * root
    }
    return deltaSquared - rest
  }

  /// κ of the theorem: the released distribution is that of a post-processed continuous Gaussian up to e^(±κ).
  ///
  /// 5d·e^(−8π²) for one discrete Gaussian; a sum of m > 1 shares of at least 8 adds 5dm·e^(−8π²).
  public var kappa: Double {
    let terms = shares == 1 ? 1 : 1 + Double(shares)
    return 5 * Double(dimension) * terms * 5.2e-35
  }
}

extension GaussianRelease {
  /// 1 − (1 − q)^m, rounded up: the probability that a user with a coin of rate q at each of m partners takes part anywhere.
  package static func anyPartnerRate(_ rate: Double, partners: Int) -> Double {
    guard rate < 1 else { return 1 }
    return partners == 1 ? rate : min(1, -expm1(Double(partners) * log1p(-rate)) * (1 + 0x1p-50))
  }

  /// Probabilities that such a user takes part at 0, 1, …, m partners: C(m, j)·q^j·(1 − q)^(m − j).
  package static func partnerCountProbabilities(_ rate: Double, partners: Int) -> [Double] {
    (0...partners).map { exp(logPartnerCountProbability($0, rate, partners: partners)) }
  }

  static func logPartnerCountProbability(_ count: Int, _ rate: Double, partners: Int) -> Double {
    let (j, m) = (Double(count), Double(partners))
    return lgamma(m + 1) - lgamma(j + 1) - lgamma(m - j + 1) + j * log(rate) + (m - j) * log1p(-rate)
  }
}

extension GaussianRelease: Codable {
  private enum CodingKeys: String, CodingKey {
    case sigmaSquared, shares, deltaSquared, dimension, adjacency, partnersPerUser
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      sigmaSquared: container.decode(Int64.self, forKey: .sigmaSquared),
      shares: container.decode(Int.self, forKey: .shares),
      deltaSquared: container.decode(Int64.self, forKey: .deltaSquared),
      dimension: container.decode(Int.self, forKey: .dimension),
      adjacency: container.decode(Adjacency.self, forKey: .adjacency),
      partnersPerUser: container.decode(Int.self, forKey: .partnersPerUser))
  }
}

/// q: the probability with which a user takes part, 0 < q ≤ 1.
public struct SamplingRate: Hashable, Sendable {
  public let value: Double

  /// - Throws: `PrivacyParameterError` outside 0 < q ≤ 1.
  public init(_ value: Double) throws(PrivacyParameterError) {
    guard value > 0, value <= 1 else {
      throw PrivacyParameterError("the sampling rate is \(value); expected a number above 0 and at most 1")
    }
    self.value = value
  }
}

extension SamplingRate: Codable {
  public init(from decoder: any Decoder) throws {
    try self.init(decoder.singleValueContainer().decode(Double.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value)
  }
}
