internal import Glibc

/// A folder that one process at a time works in: a lock (`flock`) on the folder itself, let go of with the value.
package final class DirectoryLock: Sendable {
  private let file: FileDescriptor

  /// - Throws: `StorageError` of kind `locked` while another process holds the folder, and when it cannot be opened.
  package init(_ path: String) throws {
    file = try FileDescriptor(path, O_RDONLY | O_DIRECTORY)
    guard flock(file.raw, LOCK_EX | LOCK_NB) == 0 else {
      guard errno == EWOULDBLOCK else { throw StorageError.system("locking", path) }
      throw StorageError(.locked, "another process works with \(path); wait until it has ended, or end it")
    }
  }

  // A child that is just being started may hold a copy of the descriptor for a moment.
  deinit { flock(file.raw, LOCK_UN) }
}
