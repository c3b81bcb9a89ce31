/// An id in 16 bytes: whole if it is short, otherwise its hash, so that most ids are compared without looking at their text.
struct IdentifierKey: Equatable {
  /// The first eight bytes of a short id (byte 0 lowest, zeros behind the end), the value of a small number, or the hash of a long id.
  let low: UInt64
  /// Bytes 8 to 10 of a short id; the highest byte is its length, or one of the two kinds below.
  let high: UInt32

  /// The longest id that is its own key.
  static let shortMax = 11
  /// Numbers below this have a kind of their own.
  static let numberLimit = 1 << 22

  private static let numberKind: UInt32 = 0xFE
  private static let longKind: UInt32 = 0xFF

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    let count = bytes.count
    if count <= 7, let value = FieldValues.denseID(bytes), value < Self.numberLimit {
      low = UInt64(value)
      high = Self.numberKind << 24
      return
    }
    let raw = UnsafeRawBufferPointer(bytes)
    if count > Self.shortMax {
      low = Self.hash(raw)
      high = Self.longKind << 24
    } else if count >= 8 {
      low = UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self))
      var rest = UInt32(count) << 24
      for position in 8..<count { rest |= UInt32(raw[position]) << UInt32(8 * (position - 8)) }
      high = rest
    } else if count >= 4 {
      // Two loads that overlap: equal bits meet where they do.
      let first = UInt64(UInt32(littleEndian: raw.loadUnaligned(as: UInt32.self)))
      let last = UInt64(UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self)))
      low = first | last << UInt64(8 * (count - 4))
      high = UInt32(count) << 24
    } else {
      var word: UInt64 = 0
      for position in 0..<count { word |= UInt64(raw[position]) << UInt64(8 * position) }
      low = word
      high = UInt32(count) << 24
    }
  }

  /// The id's value where it is a number below `numberLimit` in its shortest form.
  var number: Int? { high >> 24 == Self.numberKind ? Int(low) : nil }

  /// Whether equal keys may belong to different ids.
  var isHash: Bool { high >> 24 == Self.longKind }

  /// Where a table may look for the key first; all bits are well mixed (SplitMix64's constants).
  var spread: UInt64 {
    var hash = (low ^ UInt64(high) &* 0x9E37_79B9_7F4A_7C15) &* 0xBF58_476D_1CE4_E5B9
    hash ^= hash >> 29
    hash = hash &* 0x94D0_49BB_1331_11EB
    return hash ^ hash >> 32
  }

  /// Eight bytes at a time, multiplied and mixed; the length is part of it, so that zeros at the end count.
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash = UInt64(bytes.count) &* 0x9E37_79B9_7F4A_7C15
    var position = 0
    while position < bytes.count {
      var word: UInt64 = 0
      if position + 8 <= bytes.count {
        word = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
      } else {
        for byte in bytes[position...] { word = word << 8 | UInt64(byte) }
      }
      hash = (hash ^ word) &* 0xBF58_476D_1CE4_E5B9
      hash ^= hash >> 29
      position += 8
    }
    return hash
  }
}
