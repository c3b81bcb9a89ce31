internal import Glibc

/// Events folded into what accountants add up: Gaussian terms with their multiplicities, and κ.
///
/// Here the theorem's z is derived from σ², Δ² and adjacency; accountants see nothing else.
package struct PrivacyLoss: Hashable, Sendable {
  /// One kind of release.
  package struct Term: Hashable, Sendable {
    /// z over the distance between neighbours without sampling (2Δ under replace-one).
    package let noiseMultiplier: Double
    /// The probability that a user takes part at all; 1 for full participation.
    package let rate: Double
    /// m: at how many partners the user tosses a coin; 1 where participation is one coin with the whole distance.
    package let partners: Int
    /// q: the probability of one partner's coin.
    package let coinRate: Double
    /// z that an attacker faces at most, for lower values; above `noiseMultiplier` where integers are released.
    package let attackMultiplier: Double

    package init(
      noiseMultiplier: Double, rate: Double, partners: Int = 1, coinRate: Double? = nil, attackMultiplier: Double? = nil
    ) {
      self.noiseMultiplier = noiseMultiplier
      self.attackMultiplier = attackMultiplier ?? noiseMultiplier
      self.rate = rate
      self.partners = partners
      self.coinRate = coinRate ?? rate
    }
  }

  /// How often each kind of Gaussian release happens.
  package private(set) var counts: [Term: Int] = [:]
  /// How often each other kind of release happens.
  package private(set) var kernels: [ReleaseKernel: Int] = [:]
  package private(set) var adjacency: Adjacency?
  /// Sum of κ over all releases.
  package private(set) var kappa = 0.0
  /// Σ 1/z² of the releases with full participation.
  package private(set) var fullParticipationMuSquared = 0.0
  /// The same with the z that an attacker faces at most.
  package private(set) var attackMuSquared = 0.0

  package init() {}

  /// - Throws: `PrivacyParameterError` when an event is not covered, before anything is composed.
  package init(_ event: PrivacyEvent) throws(PrivacyParameterError) {
    try add(event)
  }

  /// Adds an event, or nothing at all when it is refused.
  package mutating func add(_ event: PrivacyEvent) throws(PrivacyParameterError) {
    var copy = self
    try copy.fold(event, count: 1)
    guard copy.kappa < Self.kappaLimit else {
      throw PrivacyParameterError(
        "κ over all releases is \(copy.kappa); the theorem is used below 1e-20: plan fewer or smaller releases"
      )
    }
    self = copy
  }

  private mutating func fold(_ event: PrivacyEvent, count: Int) throws(PrivacyParameterError) {
    switch event {
    case .gaussian(let release):
      try add(release, rate: 1, count: count)
    case .poissonSampled(let rate, let release):
      // A user at m partners tosses m coins. Loss distributions compose that; Rényi divergences take one coin of rate
      // 1 − (1−q)^m with the whole shift m·Δ.
      let m = release.partnersPerUser
      try add(
        release, rate: GaussianRelease.anyPartnerRate(rate.value, partners: m), partners: rate.value < 1 ? m : 1,
        coinRate: rate.value, count: count)
    case .repeated(let inner, let times):
      guard times >= 0 else {
        throw PrivacyParameterError("an event repeated \(times) times; expected 0 or more")
      }
      let (total, overflow) = count.multipliedReportingOverflow(by: times)
      guard !overflow, total <= Self.countLimit else {
        throw PrivacyParameterError("more than \(Self.countLimit) releases")
      }
      try fold(inner, count: total)
    case .composed(let events):
      for inner in events { try fold(inner, count: count) }
    }
  }

  private mutating func add(
    _ release: GaussianRelease, rate: Double, partners: Int = 1, coinRate: Double? = nil, count: Int
  ) throws(PrivacyParameterError) {
    if let adjacency, adjacency != release.adjacency {
      throw PrivacyParameterError(
        "events under \(adjacency.rawValue) and under \(release.adjacency.rawValue) do not compose; expected one adjacency"
      )
    }
    add(
      noiseMultiplier: release.noiseMultiplier, rate: rate, count: count, adjacency: release.adjacency,
      kappa: release.kappa, partners: partners, coinRate: coinRate, attackMultiplier: release.attackMultiplier)
  }

  /// Adds releases given by z alone, for calibration and for comparison with published tables.
  package mutating func add(
    noiseMultiplier: Double, rate: Double = 1, count: Int, adjacency: Adjacency, kappa: Double = 0, partners: Int = 1,
    coinRate: Double? = nil, attackMultiplier: Double? = nil
  ) {
    precondition(
      noiseMultiplier > 0 && rate > 0 && rate <= 1 && count >= 0, "a term has a positive z and a rate")
    precondition(attackMultiplier ?? noiseMultiplier >= noiseMultiplier, "no attack is better than what is charged")
    guard count > 0 else { return }
    self.adjacency = adjacency
    let term = Term(
      noiseMultiplier: noiseMultiplier, rate: rate, partners: partners, coinRate: coinRate, attackMultiplier: attackMultiplier)
    counts[term, default: 0] += count
    self.kappa += kappa * Double(count)
    guard rate == 1 else { return }
    fullParticipationMuSquared += Double(count) / (noiseMultiplier * noiseMultiplier)
    attackMuSquared += Double(count) / (term.attackMultiplier * term.attackMultiplier)
  }

  /// Adds releases of another kind.
  package mutating func add(_ kernel: ReleaseKernel, count: Int, adjacency: Adjacency) {
    precondition(count >= 0, "a release does not happen less than never")
    guard count > 0 else { return }
    self.adjacency = adjacency
    kernels[kernel, default: 0] += count
  }

  /// Whether nothing was released.
  package var isEmpty: Bool { counts.isEmpty && kernels.isEmpty }

  /// Whether all releases are Gaussian and without sampling, so that the composition is one Gaussian mechanism.
  package var isGaussian: Bool { kernels.isEmpty && counts.keys.allSatisfy { $0.rate == 1 } }

  /// Whether an attacker faces just what is charged: continuous noise, as questions name it.
  package var isAttackedAsCharged: Bool { counts.keys.allSatisfy { $0.attackMultiplier == $0.noiseMultiplier } }

  /// The other kinds of releases in a fixed order.
  package var orderedKernels: [(kernel: ReleaseKernel, count: Int)] {
    if kernels.count < 2 { return kernels.map { ($0.key, $0.value) } }
    return kernels.map { (name: "\($0.key)", entry: ($0.key, $0.value)) }.sorted { $0.name < $1.name }.map(\.entry)
  }

  /// The sampled terms in a fixed order.
  package var sampledTerms: [(term: Term, count: Int)] {
    counts.filter { $0.key.rate < 1 }
      .sorted {
        ($0.key.rate, $0.key.noiseMultiplier, $0.key.partners) < ($1.key.rate, $1.key.noiseMultiplier, $1.key.partners)
      }
      .map { ($0.key, $0.value) }
  }

  /// ρ of zCDP: Σ 1/(2z²) and what other mechanisms add; sampling only helps, so that it bounds sampled releases too. Infinite where
  /// a release has no known ρ.
  package var rho: Double {
    let gaussian = counts.reduce(0) {
      $0 + Double($1.value) / (2 * $1.key.noiseMultiplier * $1.key.noiseMultiplier)
    }
    return kernels.reduce(gaussian) { $0 + Double($1.value) * ($1.key.rho ?? .infinity) }
  }

  static let kappaLimit = 1e-20
  static let countLimit = 1 << 40
}
