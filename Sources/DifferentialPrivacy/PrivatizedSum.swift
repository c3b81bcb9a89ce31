public import CryptoPrimitives

/// A sum over users that may be seen: (sum + noise) mod 2^b, reduced after the noise, centred. The only door from an
/// aggregate to a model.
public struct PrivatizedSum: Sendable {
  /// Centred residues in grid units, −2^(b−1)..<2^(b−1).
  public let values: [Int64]
  /// What this release costs.
  public let event: PrivacyEvent
  /// b, the width of the ring.
  public let bits: Int

  /// Adds central noise to an exact aggregate, then reduces.
  ///
  /// - Parameters:
  ///   - sum: the aggregate modulo 2^`bits`, one lane per entry of the release.
  ///   - noise: central noise of the release.
  ///   - event: the charge; made by `noise.event(…)`.
  ///   - random: the operating system's generator, or a stream keyed by it.
  public init(
    adding noise: GaussianNoise, to sum: [UInt64], bits: Int, event: PrivacyEvent,
    random: inout some RandomSource
  ) {
    precondition(noise.share == nil, "distributed noise is added by the partners, not to the sum")
    precondition(event.charges(noise), "the event of a release states the noise that the release has")
    precondition(sum.count == noise.dimension, "the sum and its noise have the same number of entries")
    var values = sum.map { Int64(bitPattern: $0) }
    DiscreteGaussianSampler(sigmaSquared: noise.sigmaSquared).add(to: &values, random: &random)
    for index in values.indices { values[index] = centred(UInt64(bitPattern: values[index]), bits: bits) }
    self.values = values
    self.event = event
    self.bits = bits
  }

  /// Adds central noise to an aggregate in 32-bit lanes.
  public init(
    adding noise: GaussianNoise, to sum: [UInt32], bits: Int, event: PrivacyEvent,
    random: inout some RandomSource
  ) {
    precondition((1...32).contains(bits), "a ring of 32-bit lanes has 1 to 32 bits")
    self.init(adding: noise, to: sum.map { UInt64($0) }, bits: bits, event: event, random: &random)
  }

  /// Takes an aggregate into which the partners put their noise shares before masking.
  ///
  /// - Parameter contributors: partners whose inputs are in the sum; at least the plan's n_min.
  /// - Returns: `nil` when fewer contributed, in which case the sum must not be looked at.
  public init?(
    noisedByPartners sum: [UInt64], bits: Int, noise: GaussianNoise, contributors: Int, event: PrivacyEvent
  ) {
    guard let share = noise.share, contributors >= share.minimumContributors else { return nil }
    precondition(event.charges(noise), "the event of a release states the noise that the release has")
    precondition(sum.count == noise.dimension, "the sum and its noise have the same number of entries")
    values = sum.map { centred($0, bits: bits) }
    self.event = event
    self.bits = bits
  }

  /// The sum in units of contributions.
  public func decoded(_ parameters: EncodingParameters) -> [Float] {
    precondition(values.count == parameters.dimension, "a sum is decoded by the parameters of its release")
    let unit = 1 / parameters.scale
    return values.map { Float(Double($0) * unit) }
  }
}

extension PrivacyEvent {
  /// Whether this is one release of such noise, claiming no more of it than a coalition faces.
  func charges(_ noise: GaussianNoise) -> Bool {
    switch self {
    case .gaussian(let release), .poissonSampled(_, let release):
      release.sigmaSquared <= noise.sigmaSquared && release.deltaSquared == noise.deltaSquared
        && release.dimension == noise.dimension
    case .repeated, .composed: false
    }
  }
}
