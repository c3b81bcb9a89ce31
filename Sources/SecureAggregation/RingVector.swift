internal import CVectorKernels

/// A vector over the integers modulo 2^b, b from 2 to 62.
///
/// Entries live in 32-bit lanes when b ≤ 32 and in 64-bit lanes otherwise. Sums are taken modulo 2^32 or 2^64, whose
/// low b bits are the sum modulo 2^b; bits above b are dropped when entries are read, compared or packed.
public struct RingVector: Sendable {
  /// The ring has 2^modulusBits elements.
  public let modulusBits: Int
  /// Number of entries.
  public let count: Int
  // Exactly one of the two holds the entries.
  var narrow: [UInt32]
  var wide: [UInt64]

  /// Values that `modulusBits` may take.
  public static let modulusBitsRange = 2...62

  /// All zeros.
  public init(count: Int, modulusBits: Int) {
    precondition(Self.modulusBitsRange.contains(modulusBits), "a ring has 2 to 62 bits, found \(modulusBits)")
    precondition(count >= 0, "a vector cannot have \(count) entries")
    self.modulusBits = modulusBits
    self.count = count
    narrow = modulusBits <= 32 ? [UInt32](repeating: 0, count: count) : []
    wide = modulusBits <= 32 ? [] : [UInt64](repeating: 0, count: count)
  }

  /// Signed integers reduced modulo 2^b: −1 becomes 2^b − 1.
  public init(integers: [Int64], modulusBits: Int) {
    precondition(Self.modulusBitsRange.contains(modulusBits), "a ring has 2 to 62 bits, found \(modulusBits)")
    self.modulusBits = modulusBits
    count = integers.count
    if modulusBits <= 32 {
      wide = []
      narrow = [UInt32](unsafeUninitializedCapacity: integers.count) { lanes, initialized in
        integers.withUnsafeBufferPointer { integers in
          for index in integers.indices {
            (lanes.baseAddress! + index).initialize(to: UInt32(truncatingIfNeeded: integers[index]))
          }
        }
        initialized = integers.count
      }
    } else {
      narrow = []
      wide = integers.map { UInt64(bitPattern: $0) }
    }
  }

  /// Real numbers times `scale`, each rounded to the nearest integer (ties to even) and reduced modulo 2^b.
  ///
  /// - Parameter limit: at least 0.
  /// - Returns: `nil` when a product is not finite, or its rounded magnitude is larger than `limit`.
  public init?(rounding values: [Double], scale: Double, limit: Int64, modulusBits: Int) {
    precondition(limit >= 0, "a magnitude is at least 0, so that no limit can be \(limit)")
    self.init(count: values.count, modulusBits: modulusBits)
    // 2^63 itself is no Int64, but what Double(limit) may round to.
    let limit = min(Double(limit), 0x1p63.nextDown)
    let fits = values.withUnsafeBufferPointer { values in
      isNarrow
        ? narrow.withUnsafeMutableBufferPointer {
          tacit_nearest_u32($0.baseAddress, values.baseAddress, values.count, scale, limit)
        }
        : wide.withUnsafeMutableBufferPointer {
          tacit_nearest_u64($0.baseAddress, values.baseAddress, values.count, scale, limit)
        }
    }
    guard fits == 1 else { return nil }
  }

  /// Entry `index`, in 0..<2^b.
  public subscript(index: Int) -> UInt64 {
    (isNarrow ? UInt64(narrow[index]) : wide[index]) & mask
  }

  /// The representatives in −2^(b−1)..<2^(b−1).
  public func centred() -> [Int64] {
    let shift = Int64(64 - modulusBits)
    if isNarrow {
      return narrow.map { (Int64(bitPattern: UInt64($0)) &<< shift) &>> shift }
    }
    return wide.map { (Int64(bitPattern: $0) &<< shift) &>> shift }
  }

  /// Adds `other` entry by entry. Both must have the same count and modulus.
  public mutating func add(_ other: RingVector) {
    requireSameShape(other)
    if isNarrow {
      narrow.withUnsafeMutableBufferPointer { target in
        other.narrow.withUnsafeBufferPointer { tacit_add_u32(target.baseAddress, $0.baseAddress, $0.count) }
      }
    } else {
      wide.withUnsafeMutableBufferPointer { target in
        other.wide.withUnsafeBufferPointer { tacit_add_u64(target.baseAddress, $0.baseAddress, $0.count) }
      }
    }
  }

  /// Subtracts `other` entry by entry. Both must have the same count and modulus.
  public mutating func subtract(_ other: RingVector) {
    requireSameShape(other)
    if isNarrow {
      narrow.withUnsafeMutableBufferPointer { target in
        other.narrow.withUnsafeBufferPointer { tacit_sub_u32(target.baseAddress, $0.baseAddress, $0.count) }
      }
    } else {
      wide.withUnsafeMutableBufferPointer { target in
        other.wide.withUnsafeBufferPointer { tacit_sub_u64(target.baseAddress, $0.baseAddress, $0.count) }
      }
    }
  }

  var isNarrow: Bool { modulusBits <= 32 }
  var mask: UInt64 { (1 << UInt64(modulusBits)) - 1 }

  private func requireSameShape(_ other: RingVector) {
    precondition(
      other.count == count && other.modulusBits == modulusBits,
      "vectors of \(count) and \(other.count) entries modulo 2^\(modulusBits) and 2^\(other.modulusBits) do not add"
    )
  }
}

extension RingVector: Equatable {
  public static func == (left: RingVector, right: RingVector) -> Bool {
    left.modulusBits == right.modulusBits && left.count == right.count
      && left.centred() == right.centred()
  }
}
