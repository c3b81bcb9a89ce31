public import CryptoPrimitives
internal import Glibc

/// An Ed25519 identity on disk: one line, `tacit-signing-key-v1` and the seed in 64 hexadecimal digits.
///
/// The file belongs to the user who runs the program and nobody else may read it: permissions 0600 or stricter, checked
/// on the open file before a byte is read.
public enum KeyFile {
  /// Makes a fresh identity and syncs it; the file must not exist.
  public static func create(at path: String, random: inout some RandomSource) throws -> SigningKey {
    let key = SigningKey(random: &random)
    try write(key, to: path)
    return key
  }

  /// Writes an identity that exists already, for tests and repeatable simulations.
  public static func write(_ key: SigningKey, to path: String) throws {
    guard !Directory.exists(path) else {
      throw StorageError(.exists, "the key file \(path) exists; an identity is never overwritten")
    }
    // Written under another name and linked when it is whole, so that nobody meets half a key.
    let draft = "\(path).\(getpid()).new"
    unlink(draft)
    let file = try FileDescriptor(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
    defer { unlink(draft) }
    // One array that never grows, so that wiping it leaves no copy of the digits.
    var content = Array(prefix.utf8)
    content.reserveCapacity(byteCount)
    defer { wipe(&content) }
    key.withUnsafeSeed { seed in
      for byte in seed { content += [Hexadecimal.digit(byte >> 4), Hexadecimal.digit(byte & 15)] }
    }
    content.append(UInt8(ascii: "\n"))
    try file.write(content)
    try file.synchronize()
    guard link(draft, path) == 0 else { throw StorageError.system("making the key file", path) }
    try Directory.synchronize(Directory.parent(of: path))
  }

  /// Reads an identity.
  ///
  /// - Throws: `StorageError` when the file is missing, can be read by others, belongs to someone else, or holds no key.
  public static func read(at path: String) throws -> SigningKey {
    let file = try FileDescriptor(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    let status = try file.status()
    guard status.isRegular else {
      throw StorageError(.corrupt, "\(path) is no plain file, expected a key file")
    }
    guard status.permissions & 0o077 == 0 else {
      throw StorageError(
        .unsafePermissions,
        "the key file \(path) has permissions 0\(String(status.permissions, radix: 8)), so that others can use the key; expected 0600: if nobody has read it, run chmod 600, otherwise make a new key"
      )
    }
    guard status.owner == geteuid() else {
      throw StorageError(
        .unsafePermissions,
        "the key file \(path) belongs to user \(status.owner), expected user \(geteuid()) who runs this program"
      )
    }
    guard status.size == byteCount else {
      throw StorageError(.corrupt, "the key file \(path) has \(status.size) bytes, expected \(byteCount)")
    }
    var content = try file.readAll(bytesMax: byteCount)
    defer { wipe(&content) }
    // The digits pass through memory that is not locked; they are wiped, and the file holds them anyway.
    guard content.count == byteCount, content.starts(with: prefix.utf8), content.last == UInt8(ascii: "\n"),
      var seed = Hexadecimal.decode(digits: content[prefix.utf8.count..<byteCount - 1])
    else { throw StorageError(.corrupt, "the key file \(path) does not hold a line \(prefix)…") }
    defer { wipe(&seed) }
    return SigningKey(seed: SecretBytes(copying: seed))
  }

  private static let prefix = "tacit-signing-key-v1 "
  private static let byteCount = prefix.utf8.count + 64 + 1
}
