internal import Glibc

/// Plain files: those that somebody else wrote (a folder to verify, a report by mail), and our own, whole or not at all.
public enum PlainFile {
  /// The longest ledger, or file of countersignatures beside one, that is read: 2^30 bytes, millions of records.
  public static let ledgerBytesMax = 1 << 30
  /// The longest plan, signature, report or settings file: 2^26 bytes.
  public static let documentBytesMax = 1 << 26

  /// The largest file of a model that is looked into: 2^34 bytes.
  public static let modelBytesMax = 1 << 34

  /// Whether a plain file of at most so many bytes stands there, and no link to one.
  public static func isPlain(_ path: String, bytesMax: Int) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_size <= bytesMax
  }

  /// All bytes of a plain file. Returns at once where a pipe or a device stands, and takes no memory for one that is too large.
  ///
  /// - Parameters:
  ///   - followsLinks: whether the last part of the path may be a symbolic link; where the user named the file, it may.
  /// - Throws: `StorageError`.
  public static func read(_ path: String, bytesMax: Int, followsLinks: Bool) throws -> [UInt8] {
    try FileDescriptor(path, O_RDONLY | O_NONBLOCK | (followsLinks ? 0 : O_NOFOLLOW)).readAll(bytesMax: bytesMax)
  }

  /// Writes a file whole or not at all: under another name, synced, then renamed.
  ///
  /// - Throws: `StorageError`; what stood there then still does.
  public static func write(_ bytes: [UInt8], to file: String) throws {
    let draft = file + ".new"
    do {
      let descriptor = try FileDescriptor(draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o644)
      try descriptor.write(bytes)
      try descriptor.synchronize()
      guard rename(draft, file) == 0 else { throw StorageError.system("writing", file) }
    } catch {
      unlink(draft)
      throw error
    }
    try Directory.synchronize(Directory.parent(of: file))
  }
}
