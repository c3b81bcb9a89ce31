internal import CSystemCrypto

/// A long-lived Ed25519 identity (RFC 8032), computed by libsodium.
public struct SigningKey: Sendable {
  private let seed: SecretBytes
  private let expanded: SecretBytes
  public let verificationKey: VerificationKey

  /// - Parameter seed: 32 secret bytes (the private key of RFC 8032 §5.1.5).
  public init(seed: SecretBytes) {
    precondition(seed.count == 32, "an Ed25519 seed has 32 bytes, found \(seed.count)")
    Sodium.initialize()
    var expanded: SecretBytes?
    verificationKey = VerificationKey { point in
      expanded = SecretBytes(count: 64) { output in
        seed.withUnsafeBytes { seed in
          _ = crypto_sign_seed_keypair(point.bytePointer, output.bytePointer, seed.bytePointer)
        }
      }
    }
    self.seed = seed
    // Force-unwrapping is safe: it was set just now.
    self.expanded = expanded!
  }

  /// A fresh identity.
  public init(random: inout some RandomSource) {
    self.init(seed: SecretBytes(count: 32, random: &random))
  }

  /// Signs `message`; the same message gives the same signature.
  public func sign(_ message: [UInt8]) -> Signature {
    Signature { signature in
      expanded.withUnsafeBytes { key in
        _ = crypto_sign_detached(signature.bytePointer, nil, message, UInt64(message.count), key.bytePointer)
      }
    }
  }

  /// Lends the 32-byte seed, for a key file.
  ///
  /// - Warning: whoever holds these bytes is this identity.
  public func withUnsafeSeed<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try seed.withUnsafeBytes(body)
  }
}

extension SigningKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "SigningKey" }
  public var debugDescription: String { "SigningKey" }
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// The public half of an Ed25519 identity.
public struct VerificationKey: FixedBytes {
  private let storage: InlineArray<4, UInt64>

  /// Whether `signature` is this identity's on exactly these bytes. Small-order keys and non-canonical encodings are
  /// refused, as libsodium does.
  public func verifies(_ signature: Signature, of message: [UInt8]) -> Bool {
    Sodium.initialize()
    return withUnsafeBytes { key in
      signature.withUnsafeBytes {
        crypto_sign_verify_detached($0.bytePointer, message, UInt64(message.count), key.bytePointer) == 0
      }
    }
  }
}

/// An Ed25519 signature.
public struct Signature: FixedBytes {
  private let storage: InlineArray<8, UInt64>
}
