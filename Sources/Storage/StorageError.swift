internal import Glibc

/// What the disk refused, in one sentence: what was found, what was expected, what to do.
public struct StorageError: Error, Equatable, CustomStringConvertible {
  /// Kinds that callers tell apart.
  public enum Kind: Sendable, Equatable {
    /// What should be made is there already.
    case exists
    case missing
    /// Another process holds the file.
    case locked
    /// The disk, a quota or the largest file size ended a write; nothing half-written was left.
    case diskFull
    /// Permissions that would let others read a secret, or an owner who is someone else.
    case unsafePermissions
    /// The content is not what it should be.
    case corrupt
    /// After an error that left the end of a file unknown, nothing more is written to it.
    case broken
    case system
  }

  public let kind: Kind
  public let sentence: String

  public var description: String { sentence }

  init(_ kind: Kind, _ sentence: String) {
    self.kind = kind
    self.sentence = sentence
  }

  /// The error of a failed system call.
  static func system(_ doing: String, _ path: String, code: Int32 = errno) -> StorageError {
    let reason = String(cString: strerror(code))
    switch code {
    case ENOSPC, EDQUOT, EFBIG:
      return StorageError(.diskFull, "\(doing) \(path) failed: \(reason); free some space and start again")
    case ENOENT, ENOTDIR:
      return StorageError(.missing, "\(doing) \(path) failed: \(reason); check the path")
    case EEXIST, ENOTEMPTY:
      return StorageError(.exists, "\(doing) \(path) failed: \(reason); choose another name")
    default:
      return StorageError(.system, "\(doing) \(path) failed: \(reason)")
    }
  }
}
