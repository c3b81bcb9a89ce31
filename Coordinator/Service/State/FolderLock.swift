internal import Foundation

/// Held by the one process on this machine that serves a state folder; the kernel lets go of it when the process dies, however it
/// dies.
///
/// The lease decides who may write, on any number of machines. The lock only says that a holder on this machine is dead, so that
/// the next process need not wait until its lease is over.
final class FolderLock: Sendable {
  private let file: FileLock

  /// - Returns: `nil` when another process holds it, or when the file system has no locks.
  init?(_ folder: StateFolder) {
    guard case .success(let file) = FileLock.take(folder.lock, LOCK_EX, makes: true) else { return nil }
    self.file = file
  }

  /// For a command that replaces what is in the folder, and must be alone there whatever the database says.
  ///
  /// - Throws: `StateFolderError` when a process of this machine holds the lock, or it cannot be made.
  init(excluding folder: StateFolder) throws {
    file = try FolderUse.exclusive(folder.lock, makes: true, of: folder)
  }
}

/// That nobody replaces what is in a state folder: held together by all processes of this machine that serve the folder, stand by
/// for it or run a command on it, from before they open its database on; held alone by whoever restores a backup over it. The lock is
/// on the folder itself.
public final class FolderUse: Sendable {
  private let file: FileLock

  private init(_ file: FileLock) { self.file = file }

  /// Joins those who use the folder.
  ///
  /// - Returns: `nil` where the file system has no locks.
  /// - Throws: `StateFolderError` of kind `busy` while the folder's content is replaced.
  package static func shared(_ folder: StateFolder) throws -> FolderUse? {
    switch FileLock.take(folder.path, LOCK_SH) {
    case .success(let file): return FolderUse(file)
    case .failure(let error) where error.code == EWOULDBLOCK:
      throw StateFolderError(
        .busy, "a backup is being restored into \(folder.path); run this again when that is done")
    case .failure(let error) where [ENOLCK, ENOSYS, EOPNOTSUPP].contains(error.code): return nil
    case .failure(let error): throw cannotLock(folder.path, error)
    }
  }

  /// For a command that replaces what is in the folder.
  ///
  /// - Throws: `StateFolderError` when a process of this machine uses it, or the lock cannot be made.
  static func alone(_ folder: StateFolder) throws -> FolderUse { FolderUse(try exclusive(folder.path, of: folder)) }

  fileprivate static func exclusive(_ path: String, makes: Bool = false, of folder: StateFolder) throws -> FileLock {
    switch FileLock.take(path, LOCK_EX, makes: makes) {
    case .success(let file): return file
    case .failure(let error) where error.code == EWOULDBLOCK:
      throw StateFolderError(
        .exists,
        "a process on this machine serves \(folder.path), stands by for it, or runs a command or a restoration there (it holds \(path)); stop it first"
      )
    case .failure(let error): throw cannotLock(path, error)
    }
  }

  private static func cannotLock(_ path: String, _ error: FileLock.SystemError) -> StateFolderError {
    StateFolderError(.system, "\(path) cannot be locked (\(String(cString: strerror(error.code)))); check the owner and the disk")
  }
}

/// A lock on a file or folder, let go of with the value.
private final class FileLock: Sendable {
  struct SystemError: Error { let code: Int32 }
  private let file: Int32

  private init(_ file: Int32) { self.file = file }

  /// - Parameters:
  ///   - kind: `LOCK_EX` or `LOCK_SH`; never waits.
  ///   - makes: whether the lock has a file of its own, which is made where it is missing.
  static func take(_ path: String, _ kind: Int32, makes: Bool = false) -> Result<FileLock, SystemError> {
    let file = makes ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600) : open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return .failure(SystemError(code: errno)) }
    guard flock(file, kind | LOCK_NB) == 0 else {
      let code = errno
      close(file)
      return .failure(SystemError(code: code))
    }
    return .success(FileLock(file))
  }

  deinit {
    // A child that is just being started may hold a copy of the descriptor for a moment.
    flock(file, LOCK_UN)
    close(file)
  }
}
