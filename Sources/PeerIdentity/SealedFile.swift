public import CryptoPrimitives

/// A secret at rest: sealed with a passphrase, or kept by file permissions that are checked.
///
/// The file is one line, `tacit-secret-v1 KIND sealed` or `… open`, and bytes. Sealed: salt (16), passes (4, big-endian),
/// memory in KiB (4), nonce (24), XChaCha20-Poly1305 of the secret with the line and all of these as additional data; the
/// key is Argon2id of the passphrase (libsodium's MODERATE: 3 passes, 256 MiB). Open: the secret and SHA-256 of line and
/// secret, so that a damaged file is found. In both forms nobody but the owner may read the file.
public enum SealedFile {
  /// Longest secret in bytes.
  public static let secretCountMax = 64 << 10

  /// Writes and syncs a secret; the file is there whole or not at all.
  ///
  /// - Parameters:
  ///   - kind: what the secret is, as a word of lower-case letters and hyphens; reading asks for the same.
  ///   - passphrase: `nil` writes the open form; an empty one is refused.
  ///   - replacing: whether a file that is there may be replaced (rotation, a new passphrase).
  /// - Throws: `PeerIdentityError`.
  public static func write(
    _ secret: SecretBytes, kind: String, to path: String, passphrase: SecretBytes?, replacing: Bool = false
  ) throws {
    try write(secret, kind: kind, to: path, passphrase: passphrase, replacing: replacing, cost: .moderate)
  }

  /// Reads a secret.
  ///
  /// - Parameter passphrase: asked for only when the file is sealed.
  /// - Throws: `PeerIdentityError` of kind `missing`, `unsafePermissions`, `corrupt`, `wrongPassphrase` or `system`, or what
  ///   `passphrase` throws.
  public static func read(kind: String, path: String, passphrase: () throws -> SecretBytes) throws -> SecretBytes {
    let content = try PrivateFile.read(
      path, what: "the key file", countMax: secretCountMax + overhead(kind: kind))
    return try content.withUnsafeBytes { bytes in
      for form in Form.allCases {
        let line = form.line(kind: kind)
        guard bytes.starts(with: line) else { continue }
        let body = UnsafeRawBufferPointer(rebasing: bytes[line.count...])
        switch form {
        case .open: return try open(body, line: line, path: path)
        case .sealed: return try unseal(body, line: line, path: path, passphrase: passphrase)
        }
      }
      throw corrupt(path, "does not begin as a file of kind \(kind)")
    }
  }

  /// Whether the file at `path` is sealed, so that a passphrase will be asked for.
  public static func isSealed(kind: String, path: String) throws -> Bool {
    let content = try PrivateFile.read(path, what: "the key file", countMax: secretCountMax + overhead(kind: kind))
    return content.withUnsafeBytes { $0.starts(with: Form.sealed.line(kind: kind)) }
  }

  /// What a guess of the passphrase costs.
  package struct Cost: Sendable {
    package let passes: UInt32
    package let memoryKiB: UInt32

    package static let moderate = Cost(passes: 3, memoryKiB: 256 << 10)
    /// For tests only.
    package static let least = Cost(passes: 1, memoryKiB: 8)
  }

  package static func write(
    _ secret: SecretBytes, kind: String, to path: String, passphrase: SecretBytes?, replacing: Bool, cost: Cost
  ) throws {
    precondition(isKind(kind), "a kind of secret is a word of lower-case letters and hyphens")
    precondition((1...secretCountMax).contains(secret.count), "a secret file holds 1 to \(secretCountMax) bytes")
    var content: [UInt8]
    if let passphrase {
      guard passphrase.count > 0 else {
        throw PeerIdentityError(
          .passphraseNeeded, "the passphrase is empty; give one, or leave it out to rely on file permissions")
      }
      content = try seal(secret, line: Form.sealed.line(kind: kind), passphrase: passphrase, cost: cost)
    } else {
      let line = Form.open.line(kind: kind)
      content = []
      content.reserveCapacity(line.count + secret.count + Digest.byteCount)
      content += line
      secret.withUnsafeBytes { content += $0 }
      content += content.withUnsafeBytes { SHA256.hash($0) }.bytes
    }
    defer { wipe(&content) }
    try PrivateFile.write(content, to: path, what: "the key file", replacing: replacing)
  }

  private enum Form: String, CaseIterable {
    case open, sealed

    func line(kind: String) -> [UInt8] { Array("tacit-secret-v1 \(kind) \(rawValue)\n".utf8) }
  }

  private static func open(_ body: UnsafeRawBufferPointer, line: [UInt8], path: String) throws -> SecretBytes {
    guard body.count > Digest.byteCount else { throw corrupt(path, "ends early") }
    let secret = SecretBytes(copying: UnsafeRawBufferPointer(rebasing: body.dropLast(Digest.byteCount)))
    var hasher = SHA256Hasher()
    hasher.update(line)
    hasher.update(secret)
    guard hasher.finalize().bytes.elementsEqual(body.suffix(Digest.byteCount)) else {
      throw corrupt(path, "does not match its checksum")
    }
    return secret
  }

  private static func seal(_ secret: SecretBytes, line: [UInt8], passphrase: SecretBytes, cost: Cost) throws -> [UInt8] {
    var random = SystemRandomSource()
    let salt = random.bytes(saltCount)
    let nonce = random.bytes(XChaCha20Poly1305.nonceBytes)
    var writer = CanonicalWriter()
    writer.raw(line)
    writer.raw(salt)
    writer.integer(cost.passes)
    writer.integer(cost.memoryKiB)
    writer.raw(nonce)
    let key = try key(from: passphrase, salt: salt, passes: cost.passes, memoryKiB: cost.memoryKiB)
    return writer.bytes + XChaCha20Poly1305.seal(secret, key: key, nonce: nonce, additionalData: writer.bytes)
  }

  private static func unseal(
    _ body: UnsafeRawBufferPointer, line: [UInt8], path: String, passphrase: () throws -> SecretBytes
  ) throws -> SecretBytes {
    var reader = CanonicalReader(body)
    guard let salt = reader.raw(saltCount), let passes = reader.integer(UInt32.self),
      let memoryKiB = reader.integer(UInt32.self), let nonce = reader.raw(XChaCha20Poly1305.nonceBytes)
    else { throw corrupt(path, "ends early") }
    let sealed = Array(body[parameterCount...])
    guard sealed.count > XChaCha20Poly1305.tagBytes else { throw corrupt(path, "ends early") }
    // What the file asks for is bounded before it is done: it is not yet known to be whole.
    guard (1...10).contains(passes), (8...1 << 20).contains(memoryKiB) else {
      throw corrupt(path, "asks for \(passes) passes over \(memoryKiB) KiB, expected at most 10 over 1 GiB")
    }
    let key = try key(from: try passphrase(), salt: Array(salt), passes: passes, memoryKiB: memoryKiB)
    let additionalData = line + body[..<parameterCount]
    guard let secret = XChaCha20Poly1305.open(sealed, key: key, nonce: Array(nonce), additionalData: additionalData) else {
      throw PeerIdentityError(
        .wrongPassphrase,
        "the passphrase does not open \(path); if it is the right one, the file was damaged: restore it from a backup")
    }
    return secret
  }

  private static func key(from passphrase: SecretBytes, salt: [UInt8], passes: UInt32, memoryKiB: UInt32) throws -> SecretBytes {
    do {
      return try Argon2id.derive(
        from: passphrase, salt: salt, passes: UInt64(passes), memoryBytes: Int(memoryKiB) << 10,
        count: XChaCha20Poly1305.keyBytes)
    } catch { throw PeerIdentityError(.system, error.description) }
  }

  private static let saltCount = 16
  private static let parameterCount = saltCount + 8 + XChaCha20Poly1305.nonceBytes

  private static func overhead(kind: String) -> Int { Form.sealed.line(kind: kind).count + parameterCount + 64 }

  private static func isKind(_ kind: String) -> Bool {
    (1...40).contains(kind.utf8.count)
      && kind.utf8.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "-") }
  }

  private static func corrupt(_ path: String, _ what: String) -> PeerIdentityError {
    PeerIdentityError(.corrupt, "the key file \(path) \(what); restore it from a backup")
  }
}
