internal import Glibc

/// An open file, closed when the value goes away; every call repeats when a signal interrupts it.
package struct FileDescriptor: ~Copyable, Sendable {
  let raw: Int32
  let path: String

  init(_ path: String, _ flags: Int32, mode: mode_t = 0o600) throws {
    raw = try Self.repeating(doing: "opening", path) { Glibc.open(path, flags | O_CLOEXEC, mode) }
    self.path = path
  }

  deinit { _ = Glibc.close(raw) }

  /// Size in bytes, permission bits and owner.
  func status() throws -> (size: Int, permissions: mode_t, owner: uid_t, isRegular: Bool) {
    var status = stat()
    guard fstat(raw, &status) == 0 else { throw StorageError.system("looking at", path) }
    return (
      Int(status.st_size), status.st_mode & 0o7777, status.st_uid, status.st_mode & S_IFMT == S_IFREG
    )
  }

  /// All bytes from the beginning.
  ///
  /// What stands under a name may be anything that somebody put there: a pipe that never ends, a device, a hole of a terabyte.
  /// - Parameter bytesMax: the most that is read; memory is taken only after the size is known to be within it.
  /// - Throws: `StorageError` of kind `corrupt` for anything but a plain file, and for a larger one.
  func readAll(bytesMax: Int) throws -> [UInt8] {
    let status = try status()
    guard status.isRegular else { throw StorageError(.corrupt, "\(path) is no plain file; it was not read") }
    guard status.size <= bytesMax else {
      throw StorageError(.corrupt, "\(path) has \(status.size) bytes, at most \(bytesMax) are read from such a file")
    }
    let size = status.size
    var bytes = [UInt8](repeating: 0, count: size)
    var position = 0
    while position < size {
      let count = try bytes.withUnsafeMutableBytes { buffer in
        try Self.repeating(doing: "reading", path) {
          pread(raw, buffer.baseAddress.map { $0 + position }, size - position, off_t(position))
        }
      }
      if count == 0 { break }
      position += count
    }
    bytes.removeLast(size - position)
    return bytes
  }

  /// Writes all bytes at the end of the file or at its position; a short write goes on where it stopped.
  ///
  /// - Throws: the error of the write that failed; the bytes before it are in the file.
  package func write(_ bytes: [UInt8]) throws {
    var position = 0
    while position < bytes.count {
      position += try bytes.withUnsafeBytes { buffer in
        try Self.repeating(doing: "writing", path) {
          Glibc.write(raw, buffer.baseAddress.map { $0 + position }, bytes.count - position)
        }
      }
    }
  }

  package func synchronize() throws {
    _ = try Self.repeating(doing: "syncing", path) { fsync(raw) }
  }

  package func truncate(to size: Int) throws {
    _ = try Self.repeating(doing: "truncating", path) { ftruncate(raw, off_t(size)) }
  }

  static func repeating<Result: SignedInteger>(
    doing: String, _ path: String, _ call: () -> Result
  ) throws -> Result {
    while true {
      let result = call()
      if result >= 0 { return result }
      guard errno == EINTR else { throw StorageError.system(doing, path) }
    }
  }
}

/// What the files of this module need from a directory.
enum Directory {
  /// Makes the names in a directory durable: a new file is lost with its directory entry otherwise.
  static func synchronize(_ path: String) throws {
    try FileDescriptor(path, O_RDONLY | O_DIRECTORY).synchronize()
  }

  /// The directory that holds `path`.
  static func parent(of path: String) -> String {
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }

  static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// Makes `path` and what is missing above it.
  static func make(_ path: String) throws {
    if exists(path) || path.isEmpty { return }
    try make(parent(of: path))
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw StorageError.system("making", path) }
  }
}
