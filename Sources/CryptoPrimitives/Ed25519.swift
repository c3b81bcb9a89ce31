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
    var point = [UInt8](repeating: 0, count: 32)
    expanded = SecretBytes(count: 64) { output in
      seed.withUnsafeBytes { seed in
        _ = crypto_sign_seed_keypair(
          &point, output.bytePointer,
          seed.bytePointer)
      }
    }
    self.seed = seed
    // Force-unwrapping is safe: the array has 32 bytes.
    verificationKey = VerificationKey(bytes: point)!
  }

  /// A fresh identity.
  public init(random: inout some RandomSource) {
    self.init(seed: SecretBytes(count: 32, random: &random))
  }

  /// Signs `message`; the same message gives the same signature.
  public func sign(_ message: [UInt8]) -> Signature {
    var signature = [UInt8](repeating: 0, count: Signature.byteCount)
    expanded.withUnsafeBytes { key in
      _ = crypto_sign_detached(
        &signature, nil, message, UInt64(message.count), key.bytePointer)
    }
    // Force-unwrapping is safe: the array has 64 bytes.
    return Signature(bytes: signature)!
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
  public static var byteCount: Int { 32 }
  public let bytes: [UInt8]

  public init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }

  /// Whether `signature` is this identity's on exactly these bytes. Small-order keys and non-canonical encodings are
  /// refused, as libsodium does.
  public func verifies(_ signature: Signature, of message: [UInt8]) -> Bool {
    Sodium.initialize()
    return crypto_sign_verify_detached(signature.bytes, message, UInt64(message.count), bytes) == 0
  }
}

/// An Ed25519 signature.
public struct Signature: FixedBytes {
  public static var byteCount: Int { 64 }
  public let bytes: [UInt8]

  public init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }
}
