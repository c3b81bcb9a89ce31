/// CRC-32C (Castagnoli, reflected, initial value and final xor all ones; RFC 3720 §12.1), eight bytes at a step.
enum Checksum {
  static func crc32c(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { crc32c($0) } }

  static func crc32c(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    tables.withUnsafeBufferPointer { table in
      var crc = UInt32.max
      var index = 0
      while index + 8 <= bytes.count {
        let low = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self)) ^ crc
        let high = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index + 4, as: UInt32.self))
        crc =
          table[7 << 8 | Int(low & 255)] ^ table[6 << 8 | Int(low >> 8 & 255)] ^ table[5 << 8 | Int(low >> 16 & 255)]
          ^ table[4 << 8 | Int(low >> 24)] ^ table[3 << 8 | Int(high & 255)] ^ table[2 << 8 | Int(high >> 8 & 255)]
          ^ table[1 << 8 | Int(high >> 16 & 255)] ^ table[Int(high >> 24)]
        index += 8
      }
      while index < bytes.count {
        crc = crc >> 8 ^ table[Int((crc ^ UInt32(bytes[index])) & 255)]
        index += 1
      }
      return ~crc
    }
  }

  // tables[k << 8 | b]: remainder of byte b followed by k zero bytes.
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 << 8)
    for byte in 0..<256 {
      var remainder = UInt32(byte)
      for _ in 0..<8 { remainder = remainder & 1 == 1 ? remainder >> 1 ^ 0x82F6_3B78 : remainder >> 1 }
      tables[byte] = remainder
    }
    for power in 1..<8 {
      for byte in 0..<256 {
        let shorter = tables[(power - 1) << 8 | byte]
        tables[power << 8 | byte] = shorter >> 8 ^ tables[Int(shorter & 255)]
      }
    }
    return tables
  }()
}
