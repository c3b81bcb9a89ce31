public import DifferentialPrivacy

/// One release of a plan: what a user contributes, how it is encoded, sampled and noised.
public struct PlannedRelease: Sendable, Equatable, Codable {
  public enum Purpose: String, Sendable, Equatable, Codable {
    /// Folds into the model by the algorithm's `advance`.
    case training
    /// Becomes a published metric.
    case evaluation
  }

  public var name: String
  public var purpose: Purpose
  /// Index of the algorithm's release; 0 for evaluation.
  public var step: Int
  public var dimension: Int
  /// How a user's real vector becomes integers that obey Δ²; `nil` where nothing is clipped and nothing claimed.
  public var encoding: EncodingParameters?
  /// The noise of the release; `nil` without noise. Present exactly when `encoding` is.
  public var noise: GaussianNoise?
  /// Without noise: the largest magnitude of one entry of the sum, per user, in units of contributions. It sizes the ring;
  /// a partner whose sum is larger refuses. `nil` where messages are clipped.
  public var entryBound: Double?
  /// Grid units per unit of contribution.
  public var scale: Double
  /// Poisson sampling rate of users; 1 means that every user takes part.
  public var samplingRate: Double
  /// This release's share of the budget, as a fraction of 1/z².
  public var budgetShare: Double
  /// b: the ring is Z_2^b.
  public var modulusBits: Int

  public init(
    name: String, purpose: Purpose, step: Int, dimension: Int, encoding: EncodingParameters?, noise: GaussianNoise?,
    entryBound: Double?, scale: Double, samplingRate: Double, budgetShare: Double, modulusBits: Int
  ) {
    self.name = name
    self.purpose = purpose
    self.step = step
    self.dimension = dimension
    self.encoding = encoding
    self.noise = noise
    self.entryBound = entryBound
    self.scale = scale
    self.samplingRate = samplingRate
    self.budgetShare = budgetShare
    self.modulusBits = modulusBits
  }

  /// What one attempt at this release costs, against the adversary of the cap; `nil` without noise.
  public func event(_ privacy: PrivacyPolicy, against adversary: GaussianNoise.Adversary = .coalition) -> PrivacyEvent? {
    guard let noise, let rate = try? SamplingRate(samplingRate) else { return nil }
    return noise.event(
      adjacency: privacy.adjacency, partnersPerUser: privacy.maximumPartnersPerUser, rate: rate, against: adversary)
  }

  /// The sampler in the ledger's words.
  public var sampler: String { samplingRate < 1 ? "poisson" : "everyone" }

  /// Standard deviation of the noise on each entry of the decoded sum; 0 without noise.
  ///
  /// For distributed noise that of n_min shares: the least that a reader faces.
  public var noiseDeviation: Double { noise.map { $0.deviation / scale } ?? 0 }

  /// The largest magnitude that any entry of an unclipped sum over `users` users may have, in grid units.
  func exactLimit(users: Int) -> Int64 {
    Int64(((entryBound ?? 0) * scale * Double(users)).rounded(.up))
  }
}
