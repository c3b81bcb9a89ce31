internal import Foundation

/// Small files of a state folder: whole or not at all, 0600, and on disk when `write` returns.
enum SyncedFile {
  /// - Throws: `StateFolderError` when the file cannot be written; what was there before is still there then.
  static func write(_ content: [UInt8], to path: String) throws {
    let draft = path + ".new"
    let file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { throw failure("made", path) }
    do {
      defer { close(file) }
      var position = 0
      while position < content.count {
        let count = content.withUnsafeBytes {
          Foundation.write(file, $0.baseAddress.map { $0 + position }, content.count - position)
        }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw failure("written", path) }
        position += count
      }
      guard fchmod(file, 0o600) == 0, fsync(file) == 0, rename(draft, path) == 0 else { throw failure("written", path) }
    } catch {
      unlink(draft)
      throw error
    }
    try synchronize(folder: parent(of: path))
  }

  /// Makes names that were made, moved or removed in a folder durable.
  static func synchronize(folder path: String) throws {
    let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw failure("opened", path) }
    defer { close(folder) }
    guard fsync(folder) == 0 else { throw failure("synced", path) }
  }

  /// The folder in which a path's last name stands. (Foundation's `deletingLastPathComponent` traps on names of one character.)
  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func failure(_ what: String, _ path: String) -> StateFolderError {
    StateFolderError(
      .system, "\(path) cannot be \(what) (\(String(cString: strerror(errno)))); check the disk and the owner of the folder")
  }
}
