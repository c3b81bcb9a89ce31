internal import Glibc

/// How one user's real vector becomes integers: the clip, the grid, and the integer bound Δ² that every encoded
/// vector obeys (privacy.md §2, steps 1 and 2; Kairouz, Liu, Steinke 2021, Proposition 22, β = e^(−1/2)).
///
/// The privacy of a release depends on `deltaSquared` alone, never on how the reals were rounded.
public struct EncodingParameters: Hashable, Sendable {
  /// Entries of one user's vector (of the whole message of the release).
  public let dimension: Int
  /// k: the most entries that can differ from zero; a sparse contribution rounds fewer entries, so Δ is smaller.
  public let maximumNonZeros: Int
  /// C: the L2 norm that a user's whole message is clipped to, in units of contributions.
  public let clipNorm: Double
  /// Grid units per unit of contribution.
  public let scale: Double
  /// Δ²: the largest squared L2 norm of an encoded vector, in grid units:
  /// ⌊min{(c+√k)², c² + k/4 + √(2 ln(1/β))·(c + √k/2)}⌋ with c = C·scale.
  public let deltaSquared: Int64

  /// - Throws: `PrivacyParameterError` when a parameter is out of range, or when the grid is so fine that an encoded
  ///   entry would not fit 32 bits.
  public init(dimension: Int, maximumNonZeros: Int, clipNorm: Double, scale: Double)
    throws(PrivacyParameterError)
  {
    guard dimension >= 1, dimension <= Self.maximumDimension else {
      throw PrivacyParameterError(
        "a release has \(dimension) entries; expected 1 to \(Self.maximumDimension)")
    }
    guard maximumNonZeros >= 1, maximumNonZeros <= dimension else {
      throw PrivacyParameterError(
        "a user may have \(maximumNonZeros) non-zero entries; expected 1 to the dimension \(dimension)")
    }
    guard clipNorm.isFinite, clipNorm > 0 else {
      throw PrivacyParameterError("the clip norm is \(clipNorm); expected a positive number")
    }
    guard scale.isFinite, scale > 0 else {
      throw PrivacyParameterError("the scale is \(scale) grid units per unit; expected a positive number")
    }
    let clip = clipNorm * scale
    let reach = clip + Double(maximumNonZeros).squareRoot()
    guard reach <= Self.maximumReach else {
      throw PrivacyParameterError(
        "clip · scale + √(non-zero entries) is \(reach) grid units; expected at most \(Self.maximumReach): take a smaller scale"
      )
    }
    let delta = Self.deltaSquared(clip: clip, maximumNonZeros: maximumNonZeros)
    guard delta >= 1 else {
      throw PrivacyParameterError(
        "clip · scale is \(clip) grid units, so that every vector rounds to zero; expected at least 1: take a larger scale"
      )
    }
    self.dimension = dimension
    self.maximumNonZeros = maximumNonZeros
    self.clipNorm = clipNorm
    self.scale = scale
    self.deltaSquared = delta
  }

  /// c = C·scale, the clip in grid units.
  public var clipInGridUnits: Double { clipNorm * scale }

  /// Δ in grid units, rounded up to an integer: no entry of an encoded vector is larger.
  public var deltaCeiling: Int64 { ceilingOfSquareRoot(deltaSquared) }

  /// The smallest power of two as scale for which rounding raises the sensitivity by at most `overhead`
  /// (Δ ≤ (1 + overhead)·c) and noise of multiplier `noiseMultiplier` has σ² ≥ 4096.
  ///
  /// - Parameter noiseMultiplier: z of the release; 0 when it is not known yet.
  /// - Throws: `PrivacyParameterError` when no scale can do it.
  public static func smallestScale(
    dimension: Int, maximumNonZeros: Int, clipNorm: Double, noiseMultiplier: Double = 0,
    overhead: Double = 0.005
  ) throws(PrivacyParameterError) -> Double {
    guard overhead.isFinite, overhead > 0, clipNorm.isFinite, clipNorm > 0, noiseMultiplier >= 0 else {
      throw PrivacyParameterError(
        "no scale for overhead \(overhead), clip norm \(clipNorm), noise multiplier \(noiseMultiplier); expected positive numbers"
      )
    }
    var exponent = -40
    while exponent <= 40 {
      let scale = scalbn(1.0, Int32(exponent))
      let clip = clipNorm * scale
      if clip >= 1 {
        let parameters = try EncodingParameters(
          dimension: dimension, maximumNonZeros: maximumNonZeros, clipNorm: clipNorm, scale: scale)
        let delta = Double(parameters.deltaSquared).squareRoot()
        let wideEnough = noiseMultiplier == 0 || noiseMultiplier * delta >= 64
        if delta <= (1 + overhead) * clip, wideEnough { return scale }
      }
      exponent += 1
    }
    throw PrivacyParameterError("no power of two up to 2^40 is a scale for clip norm \(clipNorm)")
  }

  /// The formula behind `deltaSquared`, without validation.
  static func deltaSquared(clip c: Double, maximumNonZeros k: Int) -> Int64 {
    let root = Double(k).squareRoot()
    // √(2 ln(1/β)) is 1 at β = e^(−1/2).
    let always = (c + root) * (c + root)
    let conditional = c * c + Double(k) / 4 + (c + root / 2)
    return Int64(min(always, conditional).rounded(.down))
  }

  /// Vectors are indexed by 32 bits.
  static let maximumDimension = 1 << 31
  /// Encoded entries fit Int32 and squared norms fit Int64.
  static let maximumReach = 1_073_741_824.0
}

extension EncodingParameters: Codable {
  private enum CodingKeys: String, CodingKey {
    case dimension, maximumNonZeros, clipNorm, scale, deltaSquared
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      dimension: container.decode(Int.self, forKey: .dimension),
      maximumNonZeros: container.decode(Int.self, forKey: .maximumNonZeros),
      clipNorm: container.decode(Double.self, forKey: .clipNorm),
      scale: container.decode(Double.self, forKey: .scale))
    let claimed = try container.decode(Int64.self, forKey: .deltaSquared)
    guard claimed == deltaSquared else {
      throw PrivacyParameterError(
        "a plan claims Δ² = \(claimed); its clip, scale and non-zeros give \(deltaSquared)")
    }
  }
}

/// The smallest integer r ≥ 0 with r² ≥ n.
package func ceilingOfSquareRoot(_ n: Int64) -> Int64 {
  guard n > 0 else { return 0 }
  var root = Int64(Double(n).squareRoot())
  while root.multipliedFullWidth(by: root) > (0, UInt64(n)) { root -= 1 }
  while root.multipliedFullWidth(by: root) < (0, UInt64(n)) { root += 1 }
  return root
}
