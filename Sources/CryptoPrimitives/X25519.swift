internal import CSystemCrypto

/// X25519 key agreement (RFC 7748), computed by libsodium.
public enum X25519 {
  /// The u-coordinate of a public key.
  public struct PublicKey: FixedBytes {
    private let storage: InlineArray<4, UInt64>

    /// Whether every agreement with this key gives the all-zero secret (RFC 7748 §6.1): such a key is not a peer's.
    ///
    /// There are seven encodings of such points below 2^255, the highest bit set aside.
    public var isSmallOrder: Bool {
      var reduced = bytes
      reduced[31] &= 127
      return Self.smallOrder.contains(reduced)
    }

    /// u = 0, 1, the two points of order 8, and p − 1, p, p + 1 for p = 2^255 − 19.
    private static let smallOrder: Set<[UInt8]> = {
      func bytes(_ first: UInt8, _ middle: UInt8, _ last: UInt8) -> [UInt8] {
        [first] + [UInt8](repeating: middle, count: 30) + [last]
      }
      let orderEight = [
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      ]
      return Set(
        [bytes(0, 0, 0), bytes(1, 0, 0)] + orderEight.compactMap { Hexadecimal.decode($0) }
          + [0xEC, 0xED, 0xEE].map { bytes($0, 0xFF, 0x7F) })
    }()
  }

  /// A scalar, clamped as RFC 7748 §5 says when it is used.
  public struct SecretKey: Sendable {
    private let scalar: SecretBytes
    public let publicKey: PublicKey

    /// - Parameter scalar: 32 uniform secret bytes.
    public init(scalar: SecretBytes) {
      precondition(scalar.count == 32, "an X25519 scalar has 32 bytes, found \(scalar.count)")
      Sodium.initialize()
      publicKey = PublicKey { point in
        scalar.withUnsafeBytes { _ = crypto_scalarmult_base(point.bytePointer, $0.bytePointer) }
      }
      self.scalar = scalar
    }

    /// The secret shared with the holder of `peer`'s secret key; `nil` when `peer` is a point of small order, which
    /// would make the result a constant (RFC 7748 §6.1).
    public func sharedSecret(with peer: PublicKey) -> SecretBytes? {
      var status: Int32 = 0
      let secret = SecretBytes(count: 32) { output in
        scalar.withUnsafeBytes { scalar in
          peer.withUnsafeBytes { status = crypto_scalarmult(output.bytePointer, scalar.bytePointer, $0.bytePointer) }
        }
      }
      return status == 0 ? secret : nil
    }
  }
}

extension X25519.SecretKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "X25519.SecretKey" }
  public var debugDescription: String { "X25519.SecretKey" }
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}
