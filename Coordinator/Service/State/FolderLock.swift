internal import Foundation

/// Held by the one process on this machine that serves a state folder; the kernel lets go of it when the process dies, however it
/// dies.
///
/// The lease decides who may write, on any number of machines. The lock only says that a holder on this machine is dead, so that
/// the next process need not wait until its lease is over.
final class FolderLock: Sendable {
  private let file: Int32

  /// - Returns: `nil` when another process holds it, or when the file system has no locks.
  init?(_ folder: StateFolder) {
    guard case .success(let file) = Self.take(folder) else { return nil }
    self.file = file
  }

  /// For a command that replaces what is in the folder, and must be alone there whatever the database says.
  ///
  /// - Throws: `StateFolderError` when a process of this machine holds the lock, or it cannot be made.
  init(excluding folder: StateFolder) throws {
    switch Self.take(folder) {
    case .success(let file): self.file = file
    case .failure(let error) where error.code == EWOULDBLOCK:
      throw StateFolderError(
        .exists, "a process on this machine serves \(folder.path) or stands by for it (it holds \(folder.lock)); stop it first")
    case .failure(let error):
      throw StateFolderError(
        .system, "\(folder.lock) cannot be locked (\(String(cString: strerror(error.code)))); check the owner and the disk")
    }
  }

  private struct SystemError: Error { let code: Int32 }

  private static func take(_ folder: StateFolder) -> Result<Int32, SystemError> {
    let file = open(folder.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { return .failure(SystemError(code: errno)) }
    guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      close(file)
      return .failure(SystemError(code: code))
    }
    return .success(file)
  }

  deinit {
    // A child that is just being started may hold a copy of the descriptor for a moment.
    flock(file, LOCK_UN)
    close(file)
  }
}
