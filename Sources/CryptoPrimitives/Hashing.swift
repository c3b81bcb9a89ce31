internal import CSystemCrypto

/// SHA-256 (FIPS 180-4), computed by libcrypto.
public enum SHA256 {
  public static func hash(_ bytes: [UInt8]) -> Digest {
    var hasher = SHA256Hasher()
    hasher.update(bytes)
    return hasher.finalize()
  }

  public static func hash(_ bytes: UnsafeRawBufferPointer) -> Digest {
    var hasher = SHA256Hasher()
    hasher.update(bytes)
    return hasher.finalize()
  }
}

/// SHA-256 over pieces that arrive one after another.
public struct SHA256Hasher: ~Copyable {
  private let context: OpaquePointer
  // The algorithm is fetched once: a fetch costs more than a short hash.
  private nonisolated(unsafe) static let algorithm = EVP_MD_fetch(nil, "SHA256", nil)

  public init() {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, Self.algorithm, nil) == 1 else {
      preconditionFailure("libcrypto could not start SHA-256")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  public mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let address = bytes.baseAddress, !bytes.isEmpty else { return }
    precondition(EVP_DigestUpdate(context, address, bytes.count) == 1, "libcrypto failed in SHA-256")
  }

  public mutating func update(_ digest: Digest) { digest.withUnsafeBytes { update($0) } }

  public mutating func update(_ secret: SecretBytes) { secret.withUnsafeBytes { update($0) } }

  package mutating func update(_ byte: UInt8) { withUnsafeBytes(of: byte) { update($0) } }

  public consuming func finalize() -> Digest { digest() }

  /// The digest of what came so far; what comes next begins another hash. Making a context anew costs as much as a short hash.
  package mutating func next() -> Digest {
    let digest = digest()
    precondition(EVP_DigestInit_ex(context, nil, nil) == 1, "libcrypto could not start SHA-256")
    return digest
  }

  private mutating func digest() -> Digest {
    Digest { precondition(EVP_DigestFinal_ex(context, $0.bytePointer, nil) == 1, "libcrypto failed in SHA-256") }
  }
}

/// BLAKE2b (RFC 7693) with 32 bytes of output, computed by libsodium.
public enum BLAKE2b {
  /// - Parameter key: empty, or 16 to 64 bytes.
  public static func hash(_ bytes: [UInt8], key: [UInt8] = []) -> Digest {
    precondition(
      key.isEmpty || (16...64).contains(key.count), "a BLAKE2b key has 16 to 64 bytes, found \(key.count)")
    Sodium.initialize()
    return Digest {
      _ = crypto_generichash(
        $0.bytePointer, $0.count, bytes, UInt64(bytes.count), key.isEmpty ? nil : key, key.count)
    }
  }
}

/// HKDF with SHA-256 (RFC 5869), computed by libcrypto.
public enum HKDF {
  /// Extract and expand in one step.
  ///
  /// - Parameters:
  ///   - secret: input keying material.
  ///   - salt: may be empty, which means 32 zero bytes (RFC 5869 §2.2).
  ///   - info: what the key is for; two different purposes must never share it.
  ///   - count: bytes of output, 1 to 8160.
  public static func derive(
    from secret: SecretBytes, salt: [UInt8] = [], info: [UInt8], count: Int = 32
  ) -> SecretBytes {
    precondition((1...8160).contains(count), "HKDF-SHA256 gives 1 to 8160 bytes, asked for \(count)")
    return SecretBytes(count: count) { output in
      secret.withUnsafeBytes { derive(into: output, from: $0, salt: salt, info: info) }
    }
  }

  // The algorithm is fetched once: a fetch costs more than a derivation.
  private nonisolated(unsafe) static let algorithm = EVP_KDF_fetch(nil, "HKDF", nil)

  private static func derive(
    into output: UnsafeMutableRawBufferPointer, from secret: UnsafeRawBufferPointer, salt: [UInt8],
    info: [UInt8]
  ) {
    guard let context = EVP_KDF_CTX_new(algorithm) else {
      preconditionFailure("libcrypto could not start HKDF")
    }
    defer { EVP_KDF_CTX_free(context) }
    var digestName = Array("SHA256".utf8CString)
    var salt = salt
    var info = info
    let status = digestName.withUnsafeMutableBufferPointer { digestName in
      salt.withUnsafeMutableBytes { salt in
        info.withUnsafeMutableBytes { info in
          var parameters = [
            OSSL_PARAM_construct_utf8_string("digest", digestName.baseAddress, 0),
            OSSL_PARAM_construct_octet_string(
              "key", UnsafeMutableRawPointer(mutating: secret.baseAddress), secret.count),
          ]
          if !salt.isEmpty {
            parameters.append(OSSL_PARAM_construct_octet_string("salt", salt.baseAddress, salt.count))
          }
          if !info.isEmpty {
            parameters.append(OSSL_PARAM_construct_octet_string("info", info.baseAddress, info.count))
          }
          parameters.append(OSSL_PARAM_construct_end())
          return EVP_KDF_derive(
            context, output.baseAddress?.assumingMemoryBound(to: UInt8.self), output.count, parameters)
        }
      }
    }
    precondition(status == 1, "libcrypto failed in HKDF")
  }
}

/// Argon2id (RFC 9106), computed by libsodium: a key from a passphrase.
public enum Argon2id {
  /// - Parameters:
  ///   - salt: 16 bytes.
  ///   - passes: at least 1.
  ///   - memoryBytes: at least 8192.
  /// - Throws: `Argon2Error` when the memory cannot be had.
  public static func derive(
    from passphrase: SecretBytes, salt: [UInt8], passes: UInt64 = 3, memoryBytes: Int = 64 << 20,
    count: Int = 32
  ) throws(Argon2Error) -> SecretBytes {
    precondition(salt.count == 16, "an Argon2id salt has 16 bytes, found \(salt.count)")
    precondition(passes >= 1 && memoryBytes >= 8192 && count >= 16, "Argon2id parameters below its minimum")
    Sodium.initialize()
    var status: Int32 = 0
    let output = SecretBytes(count: count) { output in
      passphrase.withUnsafeBytes { passphrase in
        status = crypto_pwhash(
          output.bytePointer, UInt64(count),
          UnsafeRawPointer(passphrase.bytePointer).assumingMemoryBound(to: CChar.self),
          UInt64(passphrase.count), salt, passes, memoryBytes, crypto_pwhash_ALG_ARGON2ID13)
      }
    }
    guard status == 0 else { throw Argon2Error(memoryBytes: memoryBytes) }
    return output
  }
}

/// The memory that a passphrase hash asked for could not be had.
public struct Argon2Error: Error, Equatable, CustomStringConvertible {
  public let memoryBytes: Int
  public var description: String {
    "Deriving a key from the passphrase needs \(memoryBytes) bytes of memory, which the system does not give; free some and try again."
  }
}
