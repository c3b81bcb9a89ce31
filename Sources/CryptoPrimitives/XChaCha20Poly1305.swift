internal import CSystemCrypto

/// XChaCha20-Poly1305 authenticated encryption (draft-irtf-cfrg-xchacha-03), computed by libsodium.
public enum XChaCha20Poly1305 {
  public static let keyBytes = 32
  public static let nonceBytes = 24
  public static let tagBytes = 16

  /// The ciphertext followed by its 16-byte tag.
  ///
  /// - Parameters:
  ///   - key: 32 bytes.
  ///   - nonce: 24 bytes, never used twice with one key; zero is right for a key that seals one message only.
  public static func seal(
    _ plaintext: SecretBytes, key: SecretBytes, nonce: [UInt8], additionalData: [UInt8]
  ) -> [UInt8] {
    check(key: key, nonce: nonce)
    var output = [UInt8](repeating: 0, count: plaintext.count + tagBytes)
    key.withUnsafeBytes { key in
      plaintext.withUnsafeBytes { plaintext in
        _ = crypto_aead_xchacha20poly1305_ietf_encrypt(
          &output, nil, plaintext.bytePointer, UInt64(plaintext.count),
          additionalData, UInt64(additionalData.count), nil, nonce,
          key.bytePointer)
      }
    }
    return output
  }

  /// The plaintext; `nil` when the ciphertext, the additional data, the nonce or the key is not the one sealed with.
  public static func open(
    _ sealed: [UInt8], key: SecretBytes, nonce: [UInt8], additionalData: [UInt8]
  ) -> SecretBytes? {
    check(key: key, nonce: nonce)
    guard sealed.count >= tagBytes else { return nil }
    var status: Int32 = 0
    let plaintext = SecretBytes(count: sealed.count - tagBytes) { output in
      key.withUnsafeBytes { key in
        status = crypto_aead_xchacha20poly1305_ietf_decrypt(
          output.bytePointer, nil, nil, sealed, UInt64(sealed.count),
          additionalData, UInt64(additionalData.count), nonce,
          key.bytePointer)
      }
    }
    return status == 0 ? plaintext : nil
  }

  private static func check(key: SecretBytes, nonce: [UInt8]) {
    precondition(key.count == keyBytes, "an XChaCha20-Poly1305 key has 32 bytes, found \(key.count)")
    precondition(nonce.count == nonceBytes, "an XChaCha20-Poly1305 nonce has 24 bytes, found \(nonce.count)")
    Sodium.initialize()
  }
}
