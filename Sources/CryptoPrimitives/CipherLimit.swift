internal import CSystemCrypto

/// The machine's own limit, measured beside our figures: a loop in C that does nothing but what no implementation can leave
/// out.
public enum CipherLimit {
  /// Expands one mask of AES-256-CTR over 32-bit lanes in blocks of 16 KiB and adds it.
  public static func expandAndAdd(key: SecretBytes, to lanes: inout [UInt32]) {
    precondition(key.count == 32, "an AES-256 key has 32 bytes, found \(key.count)")
    let status = key.withUnsafeBytes { key in
      lanes.withUnsafeMutableBufferPointer { tacit_limit_loop(key.bytePointer, $0.baseAddress, UInt($0.count)) }
    }
    precondition(status == 1, "libcrypto failed in the keystream")
  }

  /// The bare cipher: as many lanes of keystream, added to nothing.
  public static func expand(key: SecretBytes, count: Int) {
    precondition(key.count == 32, "an AES-256 key has 32 bytes, found \(key.count)")
    let status = key.withUnsafeBytes { tacit_limit_loop($0.bytePointer, nil, UInt(count)) }
    precondition(status == 1, "libcrypto failed in the keystream")
  }
}
