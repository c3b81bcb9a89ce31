internal import CSystemCrypto

/// X25519 key agreement (RFC 7748), computed by libsodium.
public enum X25519 {
  /// The u-coordinate of a public key.
  public struct PublicKey: FixedBytes {
    public static var byteCount: Int { 32 }
    public let bytes: [UInt8]

    public init?(bytes: [UInt8]) {
      guard bytes.count == Self.byteCount else { return nil }
      self.bytes = bytes
    }

    /// Whether every agreement with this key gives the all-zero secret (RFC 7748 §6.1): such a key is not a peer's.
    ///
    /// Scalars are multiples of the cofactor, so that any one of them shows it.
    public var isSmallOrder: Bool {
      let scalar = [UInt8](repeating: 1, count: 32)
      var product = [UInt8](repeating: 0, count: 32)
      return crypto_scalarmult(&product, scalar, bytes) != 0
    }
  }

  /// A scalar, clamped as RFC 7748 §5 says when it is used.
  public struct SecretKey: Sendable {
    private let scalar: SecretBytes
    public let publicKey: PublicKey

    /// - Parameter scalar: 32 uniform secret bytes.
    public init(scalar: SecretBytes) {
      precondition(scalar.count == 32, "an X25519 scalar has 32 bytes, found \(scalar.count)")
      Sodium.initialize()
      var point = [UInt8](repeating: 0, count: 32)
      scalar.withUnsafeBytes {
        _ = crypto_scalarmult_base(&point, $0.bytePointer)
      }
      self.scalar = scalar
      // Force-unwrapping is safe: the array has 32 bytes.
      publicKey = PublicKey(bytes: point)!
    }

    /// The secret shared with the holder of `peer`'s secret key; `nil` when `peer` is a point of small order, which
    /// would make the result a constant (RFC 7748 §6.1).
    public func sharedSecret(with peer: PublicKey) -> SecretBytes? {
      var status: Int32 = 0
      let secret = SecretBytes(count: 32) { output in
        scalar.withUnsafeBytes { scalar in
          status = crypto_scalarmult(
            output.bytePointer,
            scalar.bytePointer, peer.bytes)
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
