/// Base64 (RFC 4648 §4 and §5) over bytes in place, so that a secret's digits can be wiped; decoding is strict: no
/// characters of the other alphabet, no missing or superfluous padding, no set bits after the last byte.
package enum Base64 {
  package enum Alphabet {
    /// `+` and `/`, with padding.
    case standard
    /// `-` and `_`, without padding.
    case url

    var digits: [UInt8] {
      Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
        + Array((self == .standard ? "+/" : "-_").utf8)
    }
  }

  package static func encode(_ bytes: some RandomAccessCollection<UInt8>, _ alphabet: Alphabet) -> [UInt8] {
    let digits = alphabet.digits
    var output: [UInt8] = []
    output.reserveCapacity((bytes.count + 2) / 3 * 4)
    var rest = bytes[...]
    while !rest.isEmpty {
      let group = rest.prefix(3)
      rest = rest.dropFirst(3)
      var word: UInt32 = 0
      for byte in group { word = word << 8 | UInt32(byte) }
      word <<= UInt32(8 * (3 - group.count))
      for position in 0...group.count { output.append(digits[Int(word >> UInt32(18 - 6 * position)) & 63]) }
      if alphabet == .standard { for _ in group.count..<3 { output.append(UInt8(ascii: "=")) } }
    }
    return output
  }

  /// `nil` when `text` is not exactly what `encode` gives for some bytes.
  package static func decode(_ text: some RandomAccessCollection<UInt8>, _ alphabet: Alphabet) -> [UInt8]? {
    var values = [UInt8](repeating: 255, count: 256)
    for (value, digit) in alphabet.digits.enumerated() { values[Int(digit)] = UInt8(value) }
    var body = text[...]
    if alphabet == .standard {
      guard body.count.isMultiple(of: 4) else { return nil }
      var padding = 0
      while padding < 2, body.last == UInt8(ascii: "=") {
        body = body.dropLast()
        padding += 1
      }
    }
    guard body.count % 4 != 1 else { return nil }
    var output: [UInt8] = []
    output.reserveCapacity(body.count / 4 * 3 + 2)
    while !body.isEmpty {
      let group = body.prefix(4)
      body = body.dropFirst(4)
      var word: UInt32 = 0
      for digit in group {
        let value = values[Int(digit)]
        guard value < 64 else { return nil }
        word = word << 6 | UInt32(value)
      }
      word <<= UInt32(6 * (4 - group.count))
      let count = group.count - 1
      guard word & (0xFFFFFF >> UInt32(8 * count)) == 0 || count == 3 else { return nil }
      for position in 0..<count { output.append(UInt8(truncatingIfNeeded: word >> UInt32(16 - 8 * position))) }
    }
    return output
  }
}
