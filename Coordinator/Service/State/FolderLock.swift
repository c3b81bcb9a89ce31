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
    let file = open(folder.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { return nil }
    guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
      close(file)
      return nil
    }
    self.file = file
  }

  deinit {
    // A child that is just being started may hold a copy of the descriptor for a moment.
    flock(file, LOCK_UN)
    close(file)
  }
}
