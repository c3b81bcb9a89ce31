internal import CryptoPrimitives
internal import Glibc
internal import Synchronization

/// A download into a file; links are not followed. `PATH.part` holds what came so far, behind it in `PATH.part.sha256` stands which document it is a part of; a later
/// process goes on there. The file appears under its name when it is whole, verified and synced.
final class FileTarget: DownloadTarget {
  private let path: String
  private let file: Mutex<Int32>
  private var part: String { path + ".part" }
  private var note: String { path + ".part.sha256" }

  init(path: String) throws(TransportFailure) {
    self.path = path
    let descriptor = Glibc.open(path + ".part", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw .local("cannot write \(path).part: \(String(cString: strerror(errno)))") }
    file = Mutex(descriptor)
  }

  deinit { file.withLock { _ = Glibc.close($0) } }

  func held() throws -> (count: UInt64, sha256: Digest)? {
    guard let text = readNote(), let digest = Digest(hex: text) else { return nil }
    let size = try file.withLock { try Self.size($0) }
    return size == 0 ? nil : (size, digest)
  }

  func begin(_ document: DownloadedDocument, keeping offset: UInt64) throws {
    try file.withLock { file in
      guard ftruncate(file, off_t(offset)) == 0 else { throw SystemFault(doing: "truncating", part) }
    }
    if offset == 0 { try writeNote(document.sha256.hex) }
  }

  func write(_ bytes: [UInt8], at offset: UInt64) throws {
    try file.withLock { file in try Self.write(bytes, to: file, at: offset, part) }
  }

  func finish(_ document: DownloadedDocument) throws -> Bool {
    let digest = try file.withLock { file -> Digest in
      guard fsync(file) == 0 else { throw SystemFault(doing: "syncing", part) }
      var hasher = SHA256Hasher()
      var position: UInt64 = 0
      var buffer = [UInt8](repeating: 0, count: 1 << 20)
      while true {
        let count = buffer.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(position)) }
        guard count >= 0 else {
          if errno == EINTR { continue }
          throw SystemFault(doing: "reading", part)
        }
        if count == 0 { break }
        buffer.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        position += UInt64(count)
      }
      return hasher.finalize()
    }
    guard digest == document.sha256 else {
      unlink(note)
      try file.withLock { file in
        guard ftruncate(file, 0) == 0 else { throw SystemFault(doing: "truncating", part) }
      }
      return false
    }
    guard rename(part, path) == 0 else { throw SystemFault(doing: "renaming", part) }
    unlink(note)
    let folder = Glibc.open(
      path.contains("/") ? String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]) + "/" : ".",
      O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw SystemFault(doing: "opening the folder of", path) }
    defer { _ = Glibc.close(folder) }
    guard fsync(folder) == 0 else { throw SystemFault(doing: "syncing the folder of", path) }
    return true
  }

  private func readNote() -> String? {
    let file = Glibc.open(note, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else { return nil }
    defer { _ = Glibc.close(file) }
    var buffer = [UInt8](repeating: 0, count: 65)
    let count = buffer.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, 0) }
    return count == 64 ? String(decoding: buffer[..<64], as: UTF8.self) : nil
  }

  private func writeNote(_ text: String) throws {
    let file = Glibc.open(note, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { throw SystemFault(doing: "writing", note) }
    defer { _ = Glibc.close(file) }
    try Self.write(Array(text.utf8), to: file, at: 0, note)
  }

  private static func size(_ file: Int32) throws -> UInt64 {
    var status = stat()
    guard fstat(file, &status) == 0 else { throw SystemFault(doing: "looking at", "a file") }
    return UInt64(status.st_size)
  }

  private static func write(_ bytes: [UInt8], to file: Int32, at offset: UInt64, _ path: String) throws {
    var position = 0
    while position < bytes.count {
      let count = bytes.withUnsafeBytes { bytes in
        pwrite(file, bytes.baseAddress.map { $0 + position }, bytes.count - position, off_t(offset) + off_t(position))
      }
      guard count >= 0 else {
        if errno == EINTR { continue }
        throw SystemFault(doing: "writing", path)
      }
      position += count
    }
  }
}

/// What the system said.
struct SystemFault: Error, CustomStringConvertible {
  let description: String

  init(doing: String, _ path: String) { description = "\(doing) \(path): \(String(cString: strerror(errno)))" }
}
