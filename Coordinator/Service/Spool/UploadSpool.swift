package import CryptoPrimitives
internal import Foundation
internal import Glibc
internal import Synchronization

/// Long uploads as files, so that memory never holds one vector per partner.
///
/// `FOLDER/SESSION-ROUND-ATTEMPT/PARTICIPANT-KIND-DIGEST.part` while it arrives, `….input` when it is whole and synced. The
/// announced digest stands in the name, so that after a crash a resumed upload is known to be the same one. What is kept is
/// bounded by announced sizes, per participant and in all.
public final class UploadSpool: Sendable {
  /// Bounds in bytes.
  public struct Quota: Sendable, Equatable {
    public var perParticipant: UInt64
    public var total: UInt64

    public init(perParticipant: UInt64, total: UInt64) {
      self.perParticipant = perParticipant
      self.total = total
    }
  }

  fileprivate let folder: String
  private let quota: Quota
  fileprivate let disk: SpoolDisk
  private let reserved = Mutex<[String: Reservation]>([:])

  private struct Reservation {
    let participant: UInt32
    var size: UInt64
    /// Whether a call writes to it now, or the engine has it: its name must not change then.
    var isOpen = false
  }

  /// - Throws: `SpoolError` when the folder cannot be made or read.
  public convenience init(folder: String, quota: Quota) throws { try self.init(folder: folder, quota: quota, disk: .system) }

  /// - Parameter disk: tests bring one that fails, or that remembers.
  package init(folder: String, quota: Quota, disk: SpoolDisk) throws {
    self.folder = folder
    self.quota = quota
    self.disk = disk
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch { throw SpoolError.failed("the spool folder \(folder) cannot be made; check the path and its owner") }
    for attempt in Self.names(in: folder) {
      for file in Self.names(in: "\(folder)/\(attempt)") {
        guard let participant = UInt32(file.prefix { $0 != "-" }) else { continue }
        let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(attempt)/\(file)")
        let size = (attributes?[.size] as? NSNumber)?.uint64Value ?? 0
        reserved.withLock {
          $0[Self.stem("\(attempt)/\(file)")] = Reservation(participant: participant, size: size)
        }
      }
    }
  }

  /// Opens an upload, new or begun earlier.
  ///
  /// - Throws: `SpoolError.conflict` when the participant began this message with other bytes, `.full` when a bound would be
  ///   passed, `.busy` when another call writes to it.
  package func open(_ attempt: AttemptKey, participant: UInt32, kind: UInt32, size: UInt64, digest: Digest) throws
    -> SpooledUpload
  {
    let directory = Self.directory(attempt)
    let stem = "\(directory)/\(participant)-\(kind)-\(digest.hex)"
    let sibling = "\(directory)/\(participant)-\(kind)-"
    try reserved.withLock { reserved in
      guard !reserved.keys.contains(where: { $0.hasPrefix(sibling) && $0 != stem }) else { throw SpoolError.conflict }
      guard reserved[stem]?.isOpen != true else { throw SpoolError.busy }
      let others = reserved.filter { $0.key != stem }
      let own = others.values.filter { $0.participant == participant }.reduce(0) { $0 + $1.size }
      let all = others.values.reduce(0) { $0 + $1.size }
      guard own + size <= quota.perParticipant, all + size <= quota.total else { throw SpoolError.full }
      reserved[stem] = Reservation(participant: participant, size: size, isOpen: true)
    }
    do {
      if mkdir("\(folder)/\(directory)", 0o700) != 0, errno != EEXIST {
        throw SpoolError.system("making the folder of an attempt")
      }
      return try SpooledUpload(spool: self, stem: stem, size: size, digest: digest)
    } catch {
      forget(stem)
      throw error
    }
  }

  /// The bytes of a whole upload that the journal names.
  ///
  /// - Throws: `SpoolError.failed` when the file is gone or holds other bytes.
  package func read(_ name: String, digest: Digest) throws -> [UInt8] {
    guard let bytes = Self.contents("\(folder)/\(name)") else {
      throw SpoolError.failed("the spooled upload \(name) is gone")
    }
    guard SHA256.hash(bytes) == digest else { throw SpoolError.failed("the spooled upload \(name) is damaged") }
    return bytes
  }

  /// A whole file, in memory once; `nil` when it cannot be read to its end.
  private static func contents(_ path: String) -> [UInt8]? {
    let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else { return nil }
    defer { Glibc.close(file) }
    let size = lseek(file, 0, SEEK_END)
    guard size >= 0 else { return nil }
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
      while count < buffer.count {
        let read = pread(file, buffer.baseAddress.map { $0 + count }, buffer.count - count, off_t(count))
        if read < 0, errno == EINTR { continue }
        guard read > 0 else { return }
        count += read
      }
    }
    return bytes.count == Int(size) ? bytes : nil
  }

  /// Removes one upload, whole or not.
  func remove(_ name: String) {
    let stem = Self.stem(name)
    for suffix in [".part", ".input"] { unlink("\(folder)/\(stem)\(suffix)") }
    forget(stem)
  }

  /// Removes everything but the uploads of one attempt: what the journal names, and what is still arriving.
  func sweep(keeping attempt: AttemptKey?) {
    let kept = attempt.map(Self.directory)
    for directory in Self.names(in: folder) where directory != kept { sweep(directory) }
  }

  /// Removes the uploads of one attempt, and no others: a process that was suspended here and lost its lease meanwhile must not take
  /// away what the next one receives.
  package func sweep(_ attempt: AttemptKey) { sweep(Self.directory(attempt)) }

  private func sweep(_ directory: String) {
    for file in Self.names(in: "\(folder)/\(directory)") { remove("\(directory)/\(file)") }
    rmdir("\(folder)/\(directory)")
  }

  /// How much of a message has arrived, in an earlier call or an earlier process.
  func bytes(of attempt: AttemptKey, participant: UInt32, kind: UInt32) -> UInt64 {
    let directory = Self.directory(attempt)
    let prefix = "\(participant)-\(kind)-"
    guard let file = Self.names(in: "\(folder)/\(directory)").first(where: { $0.hasPrefix(prefix) }) else { return 0 }
    let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(directory)/\(file)")
    return (attributes?[.size] as? NSNumber)?.uint64Value ?? 0
  }

  /// Bytes that are spoken for.
  var bytesReserved: UInt64 { reserved.withLock { $0.values.reduce(0) { $0 + $1.size } } }

  fileprivate func close(_ stem: String, size: UInt64) {
    reserved.withLock {
      $0[stem]?.isOpen = false
      $0[stem]?.size = size
    }
  }

  fileprivate func forget(_ stem: String) { reserved.withLock { _ = $0.removeValue(forKey: stem) } }

  private static func directory(_ key: AttemptKey) -> String { "\(key.session.hex)-\(key.round)-\(key.attempt)" }

  private static func stem(_ name: String) -> String {
    for suffix in [".part", ".input"] where name.hasSuffix(suffix) { return String(name.dropLast(suffix.count)) }
    return name
  }

  private static func names(in folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }
}

/// The call that makes things durable, replaceable so that tests see it happen or fail.
package struct SpoolDisk: Sendable {
  /// A descriptor and its name below the spool ("": the spool itself); what `fsync` returns.
  package var synchronize: @Sendable (Int32, String) -> Int32

  package init(synchronize: @escaping @Sendable (Int32, String) -> Int32) { self.synchronize = synchronize }

  package static let system = SpoolDisk { file, _ in fsync(file) }
}

/// One upload that is written by one call.
package final class SpooledUpload: Sendable {
  /// Name of the whole file, as the journal refers to it.
  package let name: String
  let size: UInt64
  let digest: Digest
  private let spool: UploadSpool
  private let folder: String
  private let stem: String
  private let state: Mutex<State>

  private struct State {
    var file: Int32
    var offset: UInt64
    /// Whether the file has its final name: from then on it is the engine's.
    var isComplete = false
  }

  fileprivate init(spool: UploadSpool, stem: String, size: UInt64, digest: Digest) throws {
    self.spool = spool
    folder = spool.folder
    self.stem = stem
    self.size = size
    self.digest = digest
    name = stem + ".input"
    // A file that was whole but never taken is received again from where it stands: at its end.
    if access("\(folder)/\(name)", F_OK) == 0 { rename("\(folder)/\(name)", "\(folder)/\(stem).part") }
    let file = Glibc.open("\(folder)/\(stem).part", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { throw SpoolError.system("opening an upload") }
    let end = lseek(file, 0, SEEK_END)
    guard end >= 0 else {
      Glibc.close(file)
      throw SpoolError.system("looking at an upload")
    }
    var offset = UInt64(end)
    if offset > size {
      ftruncate(file, 0)
      offset = 0
    }
    state = Mutex(State(file: file, offset: offset))
  }

  deinit { state.withLock { if $0.file >= 0 { Glibc.close($0.file) } } }

  var offset: UInt64 { state.withLock { $0.offset } }

  /// - Throws: `SpoolError.full` when the disk is; the upload then ends where it ended before.
  package func write(_ bytes: [UInt8], at offset: UInt64) throws {
    try state.withLock { state in
      precondition(state.file >= 0 && offset == state.offset, "an upload is written where its last write ended")
      guard offset + UInt64(bytes.count) <= size else { throw SpoolError.failed("an upload is longer than announced") }
      var written = 0
      while written < bytes.count {
        let count = bytes.withUnsafeBytes { buffer in
          pwrite(state.file, buffer.baseAddress.map { $0 + written }, bytes.count - written, off_t(offset) + off_t(written))
        }
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else {
          let error = SpoolError.system("writing an upload")
          ftruncate(state.file, off_t(offset))
          throw error
        }
        written += count
      }
      state.offset = offset + UInt64(written)
    }
  }

  func read(at offset: UInt64, count: Int) throws -> [UInt8] {
    try state.withLock { state in
      var bytes = [UInt8](repeating: 0, count: count)
      var position = 0
      while position < count {
        let read = bytes.withUnsafeMutableBytes { buffer in
          pread(state.file, buffer.baseAddress.map { $0 + position }, count - position, off_t(offset) + off_t(position))
        }
        if read < 0, errno == EINTR { continue }
        guard read > 0 else { throw SpoolError.system("reading an upload") }
        position += read
      }
      return bytes
    }
  }

  /// Makes the whole file durable under its final name.
  package func complete() throws {
    try state.withLock { state in
      precondition(state.offset == size, "an upload is complete when all of it is there")
      try synchronize(state.file, stem + ".part")
      Glibc.close(state.file)
      state.file = -1
      guard rename("\(folder)/\(stem).part", "\(folder)/\(name)") == 0 else { throw SpoolError.system("naming an upload") }
      // The attempt's folder is new, too.
      try synchronizeFolder((name as NSString).deletingLastPathComponent)
      try synchronizeFolder("")
      state.isComplete = true
    }
    // It stays reserved: a second call for the same message must not rename what the journal is about to refer to.
  }

  private func synchronizeFolder(_ name: String) throws {
    let directory = Glibc.open("\(folder)/\(name)", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw SpoolError.system("opening a folder of the spool") }
    defer { Glibc.close(directory) }
    try synchronize(directory, name)
  }

  private func synchronize(_ file: Int32, _ name: String) throws {
    guard spool.disk.synchronize(file, name) == 0 else { throw SpoolError.system("syncing the spool") }
  }

  /// Leaves what is there for the next call.
  package func suspend() {
    let offset: UInt64? = state.withLock { state in
      if state.file >= 0 { Glibc.close(state.file) }
      state.file = -1
      return state.isComplete ? nil : state.offset
    }
    if let offset { spool.close(stem, size: offset) }
  }

  func discard() {
    suspend()
    spool.remove(stem + ".part")
  }
}

/// Why an upload is not kept.
public enum SpoolError: Error, Equatable, CustomStringConvertible {
  /// The participant began the same message with other bytes.
  case conflict
  /// Another call writes to the same upload.
  case busy
  /// A bound or the disk: nothing more is taken until an attempt is over.
  case full
  case failed(String)

  static func system(_ doing: String) -> SpoolError {
    let code = errno
    return code == ENOSPC || code == EDQUOT || code == EFBIG
      ? .full : .failed("\(doing) failed: \(String(cString: strerror(code)))")
  }

  public var description: String {
    switch self {
    case .conflict: "the message was begun with other bytes"
    case .busy: "the message is being uploaded by another call"
    case .full: "the spool is full"
    case .failed(let sentence): sentence
    }
  }
}
