/// 120 bits of a hash as 24 characters, `K7QF-2M9X-…`, short enough to be read out on the phone.
///
/// Crockford's base 32 (no I, L, O, U). Reading (`init(parsing:)` of PeerIdentity) is tolerant of case, of hyphens and spaces
/// anywhere, and of O for 0 and I or L for 1; two fingerprints are equal when they mean the same bits. Finding other content for a
/// given fingerprint takes 2^120 hashes; making two contents with one fingerprint takes 2^60, which only whoever writes both
/// could try.
public struct ShortFingerprint: Hashable, Sendable, CustomStringConvertible {
  /// 15 bytes.
  private let bytes: [UInt8]

  /// SHA-256("tacit/v1/fingerprint" ‖ LF ‖ digests), cut to 15 bytes.
  public init(of digests: Digest...) {
    bytes = Array(SHA256.hash(Array("tacit/v1/fingerprint\n".utf8) + digests.flatMap(\.bytes)).bytes.prefix(15))
  }

  /// - Precondition: 24 values below 32.
  package init(values: [UInt8]) {
    precondition(values.count == 24 && values.allSatisfy { $0 < 32 }, "a fingerprint has 24 characters of 5 bits")
    bytes = stride(from: 0, to: 24, by: 8).flatMap { start -> [UInt8] in
      let word = values[start..<start + 8].reduce(UInt64(0)) { $0 << 5 | UInt64($1) }
      return (0..<5).map { UInt8(truncatingIfNeeded: word >> UInt64(32 - 8 * $0)) }
    }
  }

  /// Upper case, in groups of 4.
  public var text: String {
    var characters = ""
    for start in stride(from: 0, to: 15, by: 5) {
      let word = bytes[start..<start + 5].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      for position in 0..<8 {
        if !characters.isEmpty, position.isMultiple(of: 4) { characters += "-" }
        characters.unicodeScalars.append(Unicode.Scalar(Self.digits[Int(word >> UInt64(35 - 5 * position)) & 31]))
      }
    }
    return characters
  }

  public var description: String { text }

  private static let digits = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

  /// What a character stands for, or `nil`.
  package static func value(of character: UInt8) -> UInt8? {
    let isLower = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(character)
    switch isLower ? character - 32 : character {
    case UInt8(ascii: "O"): return 0
    case UInt8(ascii: "I"), UInt8(ascii: "L"): return 1
    case let upper: return digits.firstIndex(of: upper).map(UInt8.init)
    }
  }
}
