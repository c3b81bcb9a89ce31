internal import Foundation
internal import GRDB

/// Why the database could not be opened, read or written: what was found, what to do.
public struct TaskDatabaseError: Error, Equatable, CustomStringConvertible {
  /// Kinds that callers tell apart.
  public enum Kind: Sendable, Equatable {
    case exists
    case missing
    /// Another program's database.
    case foreign
    case newerVersion
    case corrupt
    /// The disk or a quota ended a write; the transaction was rolled back.
    case full
    /// Another process kept the database busy for longer than this one waits.
    case busy
    case unsafePermissions
    case io
    /// A rule of the schema was broken: a fault of this program.
    case rule
  }

  public let kind: Kind
  public let description: String

  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  init(_ error: DatabaseError, path: String) {
    switch error.resultCode {
    // The index of the write-ahead log is a file of its own that must grow before anything is read.
    case _ where error.extendedResultCode == .SQLITE_IOERR_SHMSIZE: fallthrough
    case .SQLITE_FULL:
      self.init(.full, "\(path) cannot grow: the disk or the quota is full; free some space and start again")
    case .SQLITE_BUSY, .SQLITE_LOCKED:
      self.init(.busy, "another process keeps \(path) busy; try again when it is done")
    case .SQLITE_CORRUPT, .SQLITE_NOTADB:
      self.init(.corrupt, "\(path) is damaged or no database; restore a backup into a new folder")
    case .SQLITE_READONLY, .SQLITE_PERM:
      self.init(.unsafePermissions, "\(path) cannot be written; check its owner and permissions")
    case .SQLITE_CANTOPEN: self.init(.missing, "\(path) cannot be opened; check the path")
    case .SQLITE_CONSTRAINT: self.init(.rule, "\(path): \(error.message ?? "a rule of the schema was broken")")
    default:
      self.init(
        .io,
        "\(path): \(error.message ?? "reading or writing failed") (SQLite \(error.extendedResultCode.rawValue)); check the disk, its free space and the owner of the folder, and start again"
      )
    }
  }

  static func system(_ doing: String, _ path: String) -> TaskDatabaseError {
    let (code, reason) = (errno, String(cString: strerror(errno)))
    switch code {
    case ENOSPC, EDQUOT: return TaskDatabaseError(.full, "\(doing) \(path) failed: \(reason); free some space and start again")
    case ENOENT, ENOTDIR: return TaskDatabaseError(.missing, "\(doing) \(path) failed: \(reason); check the path")
    case EACCES, EPERM: return TaskDatabaseError(.unsafePermissions, "\(doing) \(path) failed: \(reason); check its owner")
    default: return TaskDatabaseError(.io, "\(doing) \(path) failed: \(reason)")
    }
  }
}
