internal import Glibc

/// The width of the ring: wide enough that no coordinate of any release of the task wraps, except with probability
/// below 2^-40. A wrap costs utility, never privacy: the reduction is post-processing of the noised sum.
///
/// |S| ≤ users·⌈Δ⌉ on every coordinate. The noise is sub-Gaussian with its parameter as variance proxy (Canonne, Kamath,
/// Steinke 2020, also sums of shares): P(|noise| ≥ λ) ≤ 2e^(−λ²/(2σ²)).
public struct ModulusPlan: Hashable, Sendable, Codable {
  /// b: residues are modulo 2^b.
  public let bits: Int
  /// log2 of the bound on the probability that any coordinate of any release wraps.
  public let wrapProbabilityLog2: Double

  /// One release, as the ring sees it.
  public struct Load: Hashable, Sendable {
    /// Δ² of one contribution.
    public let deltaSquared: Int64
    public let noise: GaussianNoise
    /// The most contributions (users times partners per user) that one sum can hold.
    public let maximumUsers: Int
    /// The most partners that can add a share; ignored for central noise.
    public let maximumPartners: Int
    /// How often this release happens, attempts included.
    public let count: Int

    public init(
      encoding: EncodingParameters, noise: GaussianNoise, maximumUsers: Int, maximumPartners: Int = 1,
      count: Int = 1
    ) {
      self.init(
        deltaSquared: encoding.deltaSquared, noise: noise, maximumUsers: maximumUsers,
        maximumPartners: maximumPartners, count: count)
    }

    public init(
      deltaSquared: Int64, noise: GaussianNoise, maximumUsers: Int, maximumPartners: Int = 1, count: Int = 1
    ) {
      precondition(
        maximumUsers >= 0 && maximumPartners >= 1 && count >= 1, "a load counts users, partners, releases")
      self.deltaSquared = deltaSquared
      self.noise = noise
      self.maximumUsers = maximumUsers
      self.maximumPartners = maximumPartners
      self.count = count
    }

    /// Upper bound of the variance proxy of the noise that can be in one sum.
    var variance: Double {
      guard let share = noise.share else { return Double(noise.sigmaSquared) }
      return Double(share.variance) * Double(max(maximumPartners, share.minimumContributors))
    }

    /// log2 of a bound on the probability that some coordinate leaves −2^(bits−1)..<2^(bits−1).
    func wrapProbabilityLog2(bits: Int) -> Double {
      let room =
        scalbn(1.0, Int32(bits - 1)) - 1 - Double(maximumUsers) * Double(ceilingOfSquareRoot(deltaSquared))
      guard room > 0 else { return 0 }
      let perDraw = 1 - room * room / (2 * variance) * M_LOG2E
      return min(0, perDraw + log2(Double(noise.dimension)) + log2(Double(count)))
    }
  }

  /// The narrowest ring for all releases of a task.
  ///
  /// - Throws: `PrivacyParameterError` when even 64 bits could wrap.
  public init(for loads: [Load]) throws(PrivacyParameterError) {
    for bits in 2...64 {
      let probability = Self.wrapProbabilityLog2(of: loads, bits: bits)
      if probability < Self.limitLog2 {
        self.bits = bits
        wrapProbabilityLog2 = probability
        return
      }
    }
    throw PrivacyParameterError("no ring of up to 64 bits holds these sums: choose a smaller scale")
  }

  /// Checks a given ring.
  ///
  /// - Throws: `PrivacyParameterError` when a sum could wrap with probability 2^-40 or more.
  public init(bits: Int, for loads: [Load]) throws(PrivacyParameterError) {
    guard (2...64).contains(bits) else {
      throw PrivacyParameterError("a ring of \(bits) bits; expected 2 to 64")
    }
    let probability = Self.wrapProbabilityLog2(of: loads, bits: bits)
    guard probability < Self.limitLog2 else {
      let needed = (try? ModulusPlan(for: loads)).map { "at least \($0.bits) bits" } ?? "a smaller scale"
      throw PrivacyParameterError(
        "a ring of \(bits) bits wraps with probability up to 2^\(probability.rounded()); expected below 2^-40: take \(needed)"
      )
    }
    self.bits = bits
    wrapProbabilityLog2 = probability
  }

  /// The bound over all releases together.
  static func wrapProbabilityLog2(of loads: [Load], bits: Int) -> Double {
    let terms = loads.map { $0.wrapProbabilityLog2(bits: bits) }
    guard let largest = terms.max() else { return -.infinity }
    guard largest > -.infinity else { return largest }
    return min(0, largest + log2(terms.reduce(0) { $0 + exp2($1 - largest) }))
  }

  static let limitLog2 = -40.0
}
