internal import Glibc

/// Files that are either whole or not there.
///
/// Bytes go to a hidden temporary file in the same folder, which is synced to disk and then renamed over the target;
/// whoever opens the path sees the old content or the new, never a part. On any error the temporary file is removed.
public enum AtomicFile {
  /// Writes a file piece by piece.
  ///
  /// - Throws: `FileWriteError`, or what `body` throws.
  public static func write(to path: String, _ body: (AtomicFileOutput) throws -> Void) throws {
    let slash = path.lastIndex(of: "/")
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
    let temporary = "\(folder)/.\(name).partial-\(getpid())"
    do {
      let output = try AtomicFileOutput(path: path, temporary: temporary)
      try body(output)
      try output.finish()
      guard rename(temporary, path) == 0 else { throw FileWriteError(path: path, code: errno) }
      try syncFolder(folder, for: path)
    } catch {
      unlink(temporary)
      throw error
    }
  }

  /// Writes all bytes of a file.
  public static func write(_ bytes: [UInt8], to path: String) throws {
    try write(to: path) { output in try bytes.withUnsafeBytes { try output.write($0) } }
  }

  /// Writes a text as UTF-8.
  public static func write(_ text: String, to path: String) throws {
    try write(to: path) { try $0.write(text) }
  }

  /// A renamed entry survives a power cut once its folder is synced.
  private static func syncFolder(_ folder: String, for path: String) throws {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileWriteError(path: path, code: errno) }
    defer { close(descriptor) }
    // Some file systems cannot sync a folder and say so with EINVAL; there is nothing more to be done there.
    guard fsync(descriptor) == 0 || errno == EINVAL else { throw FileWriteError(path: path, code: errno) }
  }
}

/// The open temporary file of one atomic write.
public final class AtomicFileOutput {
  private let path: String
  private var descriptor: Int32
  private var buffer: [UInt8] = []

  private static let bufferSize = 1 << 16

  package init(path: String, temporary: String) throws {
    self.path = path
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileWriteError(path: path, code: errno) }
    buffer.reserveCapacity(Self.bufferSize)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Appends bytes.
  ///
  /// - Throws: `FileWriteError`, for instance when the disk is full.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    if buffer.count + bytes.count > Self.bufferSize { try flush() }
    if bytes.count > Self.bufferSize {
      try writeAll(bytes)
    } else {
      buffer.append(contentsOf: bytes)
    }
  }

  /// Appends a text as UTF-8.
  public func write(_ text: String) throws {
    var text = text
    try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
  }

  package func finish() throws {
    try flush()
    guard fsync(descriptor) == 0 else { throw FileWriteError(path: path, code: errno) }
    let status = close(descriptor)
    descriptor = -1
    guard status == 0 else { throw FileWriteError(path: path, code: errno) }
  }

  private func flush() throws {
    try buffer.withUnsafeBytes { try writeAll($0) }
    buffer.removeAll(keepingCapacity: true)
  }

  private func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while let address = rest.baseAddress, !rest.isEmpty {
      let count = Glibc.write(descriptor, address, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw FileWriteError(path: path, code: errno) }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }
}

/// A file that could not be written; nothing was left behind under its name.
public struct FileWriteError: Error, Equatable, CustomStringConvertible {
  public let path: String
  /// The system's error number.
  public let code: Int32

  public init(path: String, code: Int32) {
    self.path = path
    self.code = code
  }

  public var description: String {
    let advice =
      switch code {
      case ENOSPC, EDQUOT: "free some space and run it again"
      case EACCES, EPERM, EROFS: "choose a folder that you may write to"
      case ENOENT, ENOTDIR: "make the folder first"
      default: "check the path and the disk"
      }
    return
      "\(path): found '\(String(cString: strerror(code)))' while writing, expected a file that can be written; "
      + "\(advice)"
  }
}
