package import CryptoPrimitives

/// Shamir's scheme over 2^61 − 1 for 256-bit seeds: five limbs of 52 bits, a polynomial of degree t − 1 for each.
///
/// Limb i holds bits 52i to 52i + 51 of the seed read as a 256-bit integer, least significant byte first; the last has
/// 48 bits. Coefficients are uniform in 0..<p by rejection; a leading coefficient of zero is allowed, for excluding it
/// would tell something about the secret. A share is the five values at the holder's point, 8 bytes each.
package enum SecretSharing {
  package static let limbCount = 5
  package static let limbBits: UInt64 = 52
  /// Bytes of one share.
  package static let shareBytes = 40

  /// The shares of `seed` at `points`, one after another, 40 bytes each.
  ///
  /// Draws (t − 1) coefficients for limb 0, from x¹ upwards, then for limb 1 and so on.
  package static func deal(
    seed: SecretBytes, threshold: Int, points: [UInt64], random: inout any RandomSource
  ) -> SecretBytes {
    precondition(seed.count == 32, "a seed has 32 bytes, found \(seed.count)")
    let coefficients = SecretBytes(count: 8 * limbCount * threshold) { memory in
      let target = memory.assumingMemoryBound(to: UInt64.self)
      seed.withUnsafeBytes { seed in
        for limb in 0..<limbCount {
          target[limb * threshold] = extractLimb(limb, of: seed)
          for degree in 1..<threshold { target[limb * threshold + degree] = uniformElement(&random) }
        }
      }
    }
    return SecretBytes(count: points.count * shareBytes) { output in
      coefficients.withUnsafeBytes { memory in
        let coefficients = memory.assumingMemoryBound(to: UInt64.self)
        for (index, point) in points.enumerated() {
          for limb in 0..<limbCount {
            var value: UInt64 = 0
            for degree in stride(from: threshold - 1, through: 0, by: -1) {
              value = PrimeField.add(
                PrimeField.multiply(value, point), coefficients[limb * threshold + degree])
            }
            output.storeBytes(
              of: value.littleEndian, toByteOffset: index * shareBytes + 8 * limb, as: UInt64.self)
          }
        }
      }
    }
  }

  /// Lagrange weights at 0 for distinct points: the secret is Σ weight · share. Once per survivor pattern.
  package static func weights(points: [UInt64]) -> [UInt64] {
    points.indices.map { index in
      var numerator: UInt64 = 1
      var denominator: UInt64 = 1
      for other in points.indices where other != index {
        numerator = PrimeField.multiply(numerator, points[other])
        denominator = PrimeField.multiply(
          denominator, PrimeField.subtract(points[other], points[index]))
      }
      return PrimeField.multiply(numerator, PrimeField.inverse(denominator))
    }
  }

  /// The seed behind shares taken at the points that `weights` were made for, in the same order.
  ///
  /// `nil` when a limb is 2^52 or more (2^48 for the last): no seed has such shares.
  package static func reconstruct(shares: [ShareValue], weights: [UInt64]) -> SecretBytes? {
    precondition(shares.count == weights.count, "one weight for each share")
    var canonical = true
    let seed = SecretBytes(count: 32) { output in
      for limb in 0..<limbCount {
        var value: UInt64 = 0
        for (share, weight) in zip(shares, weights) {
          value = PrimeField.add(value, PrimeField.multiply(share.element(limb), weight))
        }
        if value >> (limb == limbCount - 1 ? 48 : limbBits) != 0 { canonical = false }
        insertLimb(value, limb, into: output)
      }
    }
    return canonical ? seed : nil
  }

  /// Uniform in 0..<p: 8 bytes, least significant first, of which the low 61 bits count; p itself is drawn again.
  private static func uniformElement(_ random: inout any RandomSource) -> UInt64 {
    while true {
      let value = random.nextUInt64() & PrimeField.modulus
      if value != PrimeField.modulus { return value }
    }
  }

  private static func extractLimb(_ limb: Int, of seed: UnsafeRawBufferPointer) -> UInt64 {
    // Limb i starts at bit 52i: byte 6.5i, so odd limbs start in the middle of a byte. Bytes past the end are zero.
    let start = 52 * limb / 8
    var word: UInt64 = 0
    for index in 0..<8 where start + index < 32 {
      word |= UInt64(seed[start + index]) << UInt64(8 * index)
    }
    return (word >> UInt64(52 * limb % 8)) & ((1 << limbBits) - 1)
  }

  private static func insertLimb(_ value: UInt64, _ limb: Int, into seed: UnsafeMutableRawBufferPointer) {
    let shifted = (value & ((1 << limbBits) - 1)) << UInt64(52 * limb % 8)
    let start = 52 * limb / 8
    for index in 0..<8 where start + index < 32 {
      seed[start + index] |= UInt8(truncatingIfNeeded: shifted >> UInt64(8 * index))
    }
  }
}
