// The compiler says that `struct stat` is CoreFoundation's once a dependency has loaded that module.
internal import CoreFoundation
internal import CryptoPrimitives
internal import Glibc

/// Files that one user alone may read: checked on the open file before a byte is read, written whole or not at all. Keys, and what else
/// stands in a partner's home and in a state folder.
package enum PrivateFile {
  /// Who may own a file and what others may do with it.
  enum Rule {
    /// The user of this process owns it; nobody else has any permission.
    case ownerOnly
    /// A credential that the service manager hands over: owned by root or the user, not for everybody; the manager's
    /// access list for the one service shows as group permission.
    case credential
  }

  /// The content in memory that is wiped.
  ///
  /// - Throws: `PeerIdentityError` of kind `missing`, `unsafePermissions`, `corrupt` (no plain file, or longer than
  ///   `countMax`) or `system`.
  static func read(_ path: String, what: String, countMax: Int, rule: Rule = .ownerOnly) throws -> SecretBytes {
    let file = try open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, "opening")
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure("looking at", path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw PeerIdentityError(.corrupt, "\(path) is no plain file, expected \(what)")
    }
    let forbidden: mode_t = rule == .ownerOnly ? 0o077 : 0o027
    guard status.st_mode & forbidden == 0 else {
      throw PeerIdentityError(
        .unsafePermissions,
        "\(what) \(path) has permissions 0\(String(status.st_mode & 0o7777, radix: 8)), so that others can use it; expected 0600: if nobody has read it, run chmod 600, otherwise make a new one"
      )
    }
    guard status.st_uid == geteuid() || rule == .credential && status.st_uid == 0 else {
      throw PeerIdentityError(
        .unsafePermissions,
        "\(what) \(path) belongs to user \(status.st_uid), expected user \(geteuid()) who runs this program")
    }
    guard status.st_size <= countMax else {
      throw PeerIdentityError(.corrupt, "\(what) \(path) has \(status.st_size) bytes, expected at most \(countMax)")
    }
    let count = Int(status.st_size)
    var position = 0
    let content = try SecretBytes(count: count) { buffer in
      while position < count {
        let result = Glibc.read(file, buffer.baseAddress.map { $0 + position }, count - position)
        if result < 0, errno == EINTR { continue }
        guard result >= 0 else { throw failure("reading", path) }
        if result == 0 { break }
        position += result
      }
    }
    guard position == count else {
      throw PeerIdentityError(.corrupt, "\(what) \(path) became shorter while it was read; try again")
    }
    return content
  }

  /// Writes a file with permissions 0600 beside `path`, syncs it, and puts it there.
  ///
  /// - Throws: `PeerIdentityError` of kind `exists` when there is a file and `replacing` is false; of kind `system`.
  package static func write(_ content: [UInt8], to path: String, what: String, replacing: Bool) throws {
    var random = SystemRandomSource()
    let temporary = path + ".\(Hexadecimal.encode(random.bytes(8))).new"
    let file = try open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, "making")
    do {
      defer { close(file) }
      var position = 0
      while position < content.count {
        let result = content.withUnsafeBytes { Glibc.write(file, $0.baseAddress.map { $0 + position }, content.count - position) }
        if result < 0, errno == EINTR { continue }
        guard result >= 0 else { throw failure("writing", path) }
        position += result
      }
      guard fchmod(file, 0o600) == 0, fsync(file) == 0 else { throw failure("syncing", path) }
      if replacing {
        guard rename(temporary, path) == 0 else { throw failure("replacing", path) }
      } else {
        guard link(temporary, path) == 0 else {
          guard errno == EEXIST else { throw failure("making", path) }
          throw PeerIdentityError(.exists, "\(what) \(path) exists; a secret is never overwritten")
        }
        unlink(temporary)
      }
    } catch {
      unlink(temporary)
      throw error
    }
    try synchronize(parent(of: path))
  }

  /// Makes a file durable, or the names that were made, moved or removed in a folder.
  ///
  /// - Throws: `PeerIdentityError`.
  package static func synchronize(_ path: String) throws {
    let file = try open(path, O_RDONLY, "opening")
    defer { close(file) }
    while fsync(file) != 0 {
      guard errno == EINTR else { throw failure("syncing", path) }
    }
  }

  /// Overwrites a file with zeros, syncs and removes it: as far as a disk allows, nothing of it is left.
  ///
  /// - Throws: `PeerIdentityError`.
  package static func erase(_ path: String) throws {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    let file = try open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK, "erasing")
    defer { close(file) }
    let zeros = [UInt8](repeating: 0, count: 1 << 16)
    var left = Int(status.st_size)
    while left > 0 {
      let count = zeros.withUnsafeBytes { Glibc.write(file, $0.baseAddress, min(left, $0.count)) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw failure("erasing", path) }
      left -= count
    }
    guard fsync(file) == 0 else { throw failure("erasing", path) }
    guard unlink(path) == 0 else { throw failure("removing", path) }
    try synchronize(parent(of: path))
  }

  /// The folder in which a path's last name stands. (Foundation's `deletingLastPathComponent` traps on names of one character.)
  package static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func open(_ path: String, _ flags: Int32, _ doing: String) throws -> Int32 {
    while true {
      let file = Glibc.open(path, flags | O_CLOEXEC, 0o600)
      if file >= 0 { return file }
      guard errno == EINTR else { throw failure(doing, path) }
    }
  }

  static func failure(_ doing: String, _ path: String) -> PeerIdentityError {
    let code = errno
    let reason = String(cString: strerror(code))
    switch code {
    case ENOENT, ENOTDIR: return PeerIdentityError(.missing, "\(doing) \(path) failed: \(reason); check the path")
    case ELOOP: return PeerIdentityError(.corrupt, "\(path) is a symbolic link, expected a plain file")
    case ENOSPC, EDQUOT: return PeerIdentityError(.system, "\(doing) \(path) failed: \(reason); free some space and start again")
    default: return PeerIdentityError(.system, "\(doing) \(path) failed: \(reason)")
    }
  }
}
