internal import CVectorKernels

/// Bytes that are no packed vector of the expected shape.
public enum RingDecodingError: Error, Hashable, CustomStringConvertible {
  /// Too few or too many bytes.
  case length(found: Int, expected: Int)
  /// The bits after the last entry are not all zero.
  case padding

  public var description: String {
    switch self {
    case .length(let found, let expected): "A packed vector has \(found) bytes, expected \(expected)."
    case .padding: "The bits after the last entry of a packed vector are not zero."
    }
  }
}

/// The wire form: entry i occupies bits i·b to (i+1)·b − 1, where bit k is bit k mod 8 of byte ⌊k/8⌋ counted from the
/// least significant; the last byte is filled up with zero bits.
extension RingVector {
  /// ⌈count · modulusBits / 8⌉.
  public static func packedByteCount(count: Int, modulusBits: Int) -> Int {
    (count * modulusBits + 7) / 8
  }

  /// The packed bytes.
  public func packed() -> [UInt8] {
    let byteCount = Self.packedByteCount(count: count, modulusBits: modulusBits)
    return [UInt8](unsafeUninitializedCapacity: byteCount) { bytes, initialized in
      if isNarrow {
        narrow.withUnsafeBufferPointer {
          tacit_pack_u32(bytes.baseAddress, $0.baseAddress, $0.count, UInt32(modulusBits))
        }
      } else {
        wide.withUnsafeBufferPointer {
          tacit_pack_u64(bytes.baseAddress, $0.baseAddress, $0.count, UInt32(modulusBits))
        }
      }
      initialized = byteCount
    }
  }

  /// The vector that `packed()` made these bytes of.
  ///
  /// - Throws: `RingDecodingError` when the length is not exactly right or a padding bit is set.
  public init(packed bytes: [UInt8], count: Int, modulusBits: Int) throws(RingDecodingError) {
    self.init(count: count, modulusBits: modulusBits)
    try add(packed: bytes)
  }

  /// Adds a packed vector of the same shape without unpacking it into memory of its own.
  ///
  /// - Throws: `RingDecodingError`; the vector is then unchanged.
  public mutating func add(packed bytes: [UInt8]) throws(RingDecodingError) {
    try Self.check(packed: bytes, count: count, modulusBits: modulusBits)
    if isNarrow {
      narrow.withUnsafeMutableBufferPointer { lanes in
        bytes.withUnsafeBufferPointer {
          tacit_add_packed_u32(lanes.baseAddress, $0.baseAddress, lanes.count, UInt32(modulusBits))
        }
      }
    } else {
      wide.withUnsafeMutableBufferPointer { lanes in
        bytes.withUnsafeBufferPointer {
          tacit_add_packed_u64(lanes.baseAddress, $0.baseAddress, lanes.count, UInt32(modulusBits))
        }
      }
    }
  }

  /// Whether `bytes` is the packed form of some vector of this shape.
  static func check(packed bytes: [UInt8], count: Int, modulusBits: Int) throws(RingDecodingError) {
    let expected = packedByteCount(count: count, modulusBits: modulusBits)
    guard bytes.count == expected else { throw .length(found: bytes.count, expected: expected) }
    let usedBits = (count * modulusBits) % 8
    if usedBits != 0, let last = bytes.last, last >> UInt8(usedBits) != 0 { throw .padding }
  }
}
