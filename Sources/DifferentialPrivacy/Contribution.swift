internal import CVectorKernels
public import CryptoPrimitives

/// The exact integer sum of a partner's encoded users for one release. Nothing is rounded after this point.
///
/// Only `EncodedUpdate`s can be added. It does not say how many users were added: that number is private.
public struct Contribution: Sendable {
  public let parameters: EncodingParameters
  /// The exact sum in grid units, `parameters.dimension` entries.
  ///
  /// - Warning: not private. It stays with the partner; only masked, or noised, may it leave.
  public private(set) var exactValues: [Int64]
  private var additions: Int64 = 0

  public init(parameters: EncodingParameters) {
    self.parameters = parameters
    exactValues = [Int64](repeating: 0, count: parameters.dimension)
  }

  /// Adds one user.
  public mutating func add(_ update: EncodedUpdate) {
    precondition(
      update.parameters == parameters, "updates of one contribution share their encoding parameters")
    countAdditions(1)
    if update.isZero { return }
    exactValues.withUnsafeMutableBufferPointer { sum in
      update.values.withUnsafeBufferPointer { values in
        if update.indices.isEmpty {
          tacit_accumulate_i32(sum.baseAddress!, values.baseAddress!, values.count)
        } else {
          for (position, index) in update.indices.enumerated() { sum[Int(index)] += Int64(values[position]) }
        }
      }
    }
  }

  /// Adds what another thread summed.
  public mutating func add(_ other: Contribution) {
    precondition(
      other.parameters == parameters, "contributions of one release share their encoding parameters")
    countAdditions(other.additions)
    for index in exactValues.indices { exactValues[index] += other.exactValues[index] }
  }

  /// The sum modulo 2^`bits`, as secure aggregation masks it (central noise).
  ///
  /// - Parameter bits: width of the ring, 1 to 64.
  public func residues(bits: Int) -> [UInt64] { DifferentialPrivacy.residues(of: exactValues, bits: bits) }

  /// The same for rings of at most 32 bits.
  public func residues32(bits: Int) -> [UInt32] {
    DifferentialPrivacy.residues32(of: exactValues, bits: bits)
  }

  /// Adds this partner's own noise share (distributed noise).
  public consuming func noised(
    with share: NoiseShare, random: inout some RandomSource
  ) -> NoisedContribution {
    var values = exactValues
    share.sampler.add(to: &values, random: &random)
    return NoisedContribution(parameters: parameters, share: share, values: values)
  }

  /// An entry of one update is below 2^31 in magnitude, so that 2^31 updates cannot overflow 64 bits.
  private mutating func countAdditions(_ count: Int64) {
    additions += count
    precondition(additions < 1 << 31, "a contribution holds fewer than 2^31 users")
  }
}

/// A partner's sum with the partner's own noise share in it (distributed noise). Only `Contribution.noised` makes one.
///
/// - Warning: the share alone protects nobody; the sum over the guaranteed survivors does.
public struct NoisedContribution: Sendable {
  public let parameters: EncodingParameters
  public let share: NoiseShare
  private let values: [Int64]

  init(parameters: EncodingParameters, share: NoiseShare, values: [Int64]) {
    self.parameters = parameters
    self.share = share
    self.values = values
  }

  /// The noised sum modulo 2^`bits`, as secure aggregation masks it.
  public func residues(bits: Int) -> [UInt64] { DifferentialPrivacy.residues(of: values, bits: bits) }

  /// The same for rings of at most 32 bits.
  public func residues32(bits: Int) -> [UInt32] { DifferentialPrivacy.residues32(of: values, bits: bits) }
}

/// Integers modulo 2^bits.
func residues(of values: [Int64], bits: Int) -> [UInt64] {
  precondition((1...64).contains(bits), "a ring has 1 to 64 bits")
  let mask = UInt64.max >> UInt64(64 - bits)
  return values.map { UInt64(bitPattern: $0) & mask }
}

func residues32(of values: [Int64], bits: Int) -> [UInt32] {
  precondition((1...32).contains(bits), "a ring of 32-bit lanes has 1 to 32 bits")
  let mask = UInt32.max >> UInt32(32 - bits)
  return values.map { UInt32(truncatingIfNeeded: $0) & mask }
}

/// The representative of a residue modulo 2^`bits` that is nearest to zero, in −2^(bits−1)..<2^(bits−1).
public func centred(_ residue: UInt64, bits: Int) -> Int64 {
  precondition((1...64).contains(bits), "a ring has 1 to 64 bits")
  let shift = Int64(64 - bits)
  return (Int64(bitPattern: residue) << shift) >> shift
}
