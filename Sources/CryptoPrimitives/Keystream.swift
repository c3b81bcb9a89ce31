internal import CSystemCrypto

/// The cipher that a one-time 256-bit key is expanded with, IV and counter starting at zero.
public enum KeystreamSuite: UInt8, Sendable, CaseIterable {
  /// AES-256 in counter mode (SP 800-38A): block i is AES(key, i as 128 bits, most significant byte first).
  case aes256CTR = 1
  /// ChaCha20 (RFC 8439) with a zero nonce and the 32-bit block counter starting at 0.
  case chaCha20 = 2
}

/// A keystream that is read from front to back, computed by libcrypto.
///
/// Not `Sendable`: it has a position. Releasing it wipes the key schedule.
public final class Keystream {
  /// Offsets at which a stream may start are multiples of this, in bytes.
  public static let alignment = 64
  /// The most bytes that one key gives: the reach of ChaCha20's block counter.
  public static let limit = 64 << 32

  private let context: OpaquePointer
  // The algorithms are fetched once: a drawn graph opens tens of thousands of streams.
  private nonisolated(unsafe) static let aes = EVP_CIPHER_fetch(nil, "AES-256-CTR", nil)
  private nonisolated(unsafe) static let chaCha = EVP_CIPHER_fetch(nil, "ChaCha20", nil)

  /// - Parameters:
  ///   - key: 32 bytes, used for one stream only.
  ///   - byteOffset: where in the stream to start, a multiple of 64 below `limit`.
  public init(suite: KeystreamSuite, key: SecretBytes, byteOffset: Int = 0) {
    precondition(key.count == 32, "a keystream key has 32 bytes, found \(key.count)")
    precondition(
      byteOffset >= 0 && byteOffset < Self.limit && byteOffset.isMultiple(of: Self.alignment),
      "a keystream cannot start at byte \(byteOffset)")
    guard let context = EVP_CIPHER_CTX_new() else {
      preconditionFailure("libcrypto could not allocate a cipher")
    }
    self.context = context
    let cipher: OpaquePointer?
    var iv = [UInt8](repeating: 0, count: 16)
    switch suite {
    case .aes256CTR:
      cipher = Self.aes
      let block = UInt64(byteOffset / 16)
      for index in 0..<8 { iv[15 - index] = UInt8(truncatingIfNeeded: block >> (8 * UInt64(index))) }
    case .chaCha20:
      cipher = Self.chaCha
      let block = UInt64(byteOffset / 64)
      for index in 0..<4 { iv[index] = UInt8(truncatingIfNeeded: block >> (8 * UInt64(index))) }
    }
    let status = key.withUnsafeBytes {
      EVP_EncryptInit_ex(context, cipher, nil, $0.bytePointer, iv)
    }
    precondition(status == 1, "libcrypto could not start the keystream")
  }

  deinit { EVP_CIPHER_CTX_free(context) }

  /// Overwrites `output` with the next bytes of the stream.
  ///
  /// - Parameter zeros: at least as many zero bytes as `output` has; a cipher turns them into its keystream.
  public func next(into output: UnsafeMutableRawBufferPointer, zeros: UnsafeRawBufferPointer) {
    precondition(
      output.count <= zeros.count && output.count <= Int(Int32.max), "a keystream chunk needs as many zeros")
    guard let target = output.baseAddress, let source = zeros.baseAddress else { return }
    var written: Int32 = 0
    let status = EVP_EncryptUpdate(
      context, target.assumingMemoryBound(to: UInt8.self), &written,
      source.assumingMemoryBound(to: UInt8.self), Int32(output.count))
    precondition(status == 1 && Int(written) == output.count, "libcrypto failed in the keystream")
  }

  /// The next `count` bytes of the stream, for tests and small uses.
  public func next(_ count: Int) -> [UInt8] {
    let zeros = [UInt8](repeating: 0, count: count)
    var output = zeros
    output.withUnsafeMutableBytes { output in zeros.withUnsafeBytes { next(into: output, zeros: $0) } }
    return output
  }
}

/// The second implementation of suite 2, by libsodium, for the test that proves both bit for bit the same.
package func sodiumChaCha20Keystream(key: SecretBytes, count: Int) -> [UInt8] {
  Sodium.initialize()
  var output = [UInt8](repeating: 0, count: count)
  let nonce = [UInt8](repeating: 0, count: 12)
  key.withUnsafeBytes {
    _ = crypto_stream_chacha20_ietf(
      &output, UInt64(count), nonce, $0.bytePointer)
  }
  return output
}
