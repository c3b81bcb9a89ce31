public import CryptoPrimitives
internal import FederatedLearning
public import Foundation
internal import PeerIdentity
internal import Storage

/// Copies of a state folder, and the way back.
///
/// A backup holds no journal of an open attempt: that could yield a sum without noise, and an attempt that was open is not
/// continued from a copy. What was spent after the backup stands in the ledgers of the folder that it is restored over, and
/// in what the partners remember: the longer ledger is kept, and partners refuse a coordinator whose ledger became shorter.
public enum StateBackup {
  /// Writes a new folder.
  ///
  /// - Throws: `StateFolderError`, `TaskDatabaseError`.
  public static func write(_ folder: StateFolder, to path: String, now: Date) throws {
    try write(folder, to: path, now: now, synchronize: PrivateFile.synchronize)
  }

  /// - Parameter synchronize: makes one file or folder durable; tests bring one that fails, or that remembers.
  package static func write(_ folder: StateFolder, to path: String, now: Date, synchronize: (String) throws -> Void) throws {
    _ = try CoordinatorState.description(of: folder)
    let manager = FileManager.default
    guard !manager.fileExists(atPath: path) else { throw StateFolderError(.exists, "\(path) exists; choose another name") }
    let draft = StateFolder(path: path + ".partial")
    let parent = PrivateFile.parent(of: path)
    do { try manager.createDirectory(atPath: parent, withIntermediateDirectories: true) } catch {
      throw wrapped(error, path)
    }
    // Made here and by nobody else: a folder or link that stands there already may be another user's, who would then hold the keys.
    guard mkdir(draft.path, 0o700) == 0 else {
      throw StateFolderError(
        errno == EEXIST ? .exists : .system,
        "\(draft.path) cannot be made (\(String(cString: strerror(errno)))); if an interrupted backup left it there, remove it")
    }
    do {
      for made in [draft.ledgers, draft.spool] {
        try manager.createDirectory(atPath: made, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
      }
      for name in files { try manager.copyItem(atPath: "\(folder.path)/\(name)", toPath: "\(draft.path)/\(name)") }
      // A rotation that was cut off has its new key here; the database may name it already.
      if manager.fileExists(atPath: folder.nextSigningKey) {
        try manager.copyItem(atPath: folder.nextSigningKey, toPath: draft.nextSigningKey)
      }
      // First the database, then the ledgers: a ledger may be ahead of the state, never behind it.
      let store = try CoordinatorStore(path: folder.database)
      let successions = try store.successions()
      try store.backup(to: draft.database, now: now)
      try store.close()
      try checkKeys(of: draft, copiedFrom: folder, successions)
      for name in try manager.contentsOfDirectory(atPath: folder.ledgers).sorted() where name.hasSuffix(".ledger") {
        try manager.copyItem(atPath: "\(folder.ledgers)/\(name)", toPath: "\(draft.ledgers)/\(name)")
      }
      try contents(of: draft).forEach(synchronize)
      try manager.moveItem(atPath: draft.path, toPath: path)
      try synchronize(parent.isEmpty ? "." : parent)
    } catch {
      try? manager.removeItem(atPath: draft.path)
      throw wrapped(error, path)
    }
  }

  /// What a restoration found and did.
  public struct Outcome: Sendable, Equatable {
    /// Ledgers of the folder that were longer than those of the backup, and were kept.
    public var ledgersKept: [String] = []
    /// Sessions whose plan cannot go on, because releases happened after the backup.
    public var plansEnded: [String] = []
    /// After what time enrolments and revocations may be in no database any more: the folder's own could not be read, or was older
    /// than the backup, or had itself replaced one that could not be read. `nil` when all are known.
    public var lostSince: Date?
    /// Names of partners that were revoked after the backup.
    public var revocationsKept: [String] = []
    /// Names of partners that enrolled after the backup.
    public var enrolmentsKept: [String] = []
    /// Names whose open invitations were withdrawn, because they may have been used after the backup.
    public var invitationsWithdrawn: [String] = []
  }

  /// Restores a backup into `folder`: a new one, or one whose database is lost or damaged. Nobody may serve it meanwhile.
  ///
  /// A new roster is signed, newer than any that partners can have seen. Certificates that were issued after the backup are taken
  /// until all of them are over.
  ///
  /// - Parameter passphrase: asked for when the signing key is sealed.
  /// - Throws: `StateFolderError` when the folder belongs to another task, is served, or two ledgers contradict each other;
  ///   `PeerIdentityError` when the signing key does not open. Nothing is changed then.
  public static func restore(
    from path: String, into folder: StateFolder, now: Date, passphrase: () throws -> SecretBytes = noPassphrase
  ) throws -> Outcome {
    try restore(from: path, into: folder, now: now, synchronize: PrivateFile.synchronize, passphrase: passphrase)
  }

  /// For keys that are not sealed.
  public static func noPassphrase() throws -> SecretBytes {
    throw StateFolderError(.unsafe, "the signing key of the backup is sealed; give its passphrase")
  }

  /// - Parameter synchronize: makes one file or folder durable; tests bring one that fails, or that remembers.
  package static func restore(
    from path: String, into folder: StateFolder, now: Date, synchronize: (String) throws -> Void,
    passphrase: () throws -> SecretBytes = noPassphrase
  ) throws -> Outcome {
    let manager = FileManager.default
    let backup = StateFolder(path: path)
    let task = try CoordinatorState.description(of: backup)
    let anchor = try CoordinatorState.anchor(of: backup)
    if manager.fileExists(atPath: folder.authority) {
      let present: TrustAnchor
      do { present = try CoordinatorState.anchor(of: folder) } catch let error as StateFolderError {
        throw StateFolderError(
          error.kind,
          "\(folder.authority) cannot be read, so that nobody can tell whether \(folder.path) holds the task of the backup ('\(task.name)'): if it does, move this file away and run this again"
        )
      }
      guard present.taskID == anchor.taskID else {
        throw StateFolderError(
          .exists, "\(folder.path) holds another task than the backup of '\(task.name)'; choose another folder")
      }
    }
    // The lease is another machine's word, and a damaged database has none: on this machine the lock says who serves the folder.
    let isNew = !manager.fileExists(atPath: folder.path)
    var use = isNew ? nil : try FolderUse.alone(folder)
    var lock = isNew ? nil : try FolderLock(excluding: folder)
    defer { withExtendedLifetime((use, lock)) {} }
    var known: KnownState?
    if manager.fileExists(atPath: folder.database), let store = try? CoordinatorStore(path: folder.database) {
      let lease = try? store.leaseState(now: now)
      known = try? store.knownState()
      // Whatever stands in its log goes into its one file: should this restoration be interrupted, the next one reads it again.
      try? store.closeWhole()
      if let lease {
        throw StateFolderError(.exists, "a coordinator (\(lease.holder)) serves \(folder.path) now; stop it first")
      }
    }
    var outcome = Outcome()
    do {
      for made in [folder.path, folder.ledgers, folder.spool] {
        try manager.createDirectory(atPath: made, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try manager.setAttributes([.posixPermissions: 0o700], ofItemAtPath: made)
      }
      use = try use ?? FolderUse.alone(folder)
      lock = try lock ?? FolderLock(excluding: folder)
      // The database takes its place when everything in it is as it must be: nobody can serve it before.
      let draft = folder.database + ".restoring"
      for suffix in ["", "-wal", "-shm", "-journal"] { try? manager.removeItem(atPath: draft + suffix) }
      try manager.copyItem(atPath: backup.database, toPath: draft)
      let store = try CoordinatorStore(path: draft)
      let (key, keyFile): (SigningKey, String)
      do {
        try store.checkIntegrity()
        (key, keyFile) = try CoordinatorState.newestKey(
          of: backup, successions: try store.successions(), passphrase: passphrase)
        guard known?.earlierKeys.contains(key.verificationKey) != true else {
          throw StateFolderError(
            .exists,
            "the signing key of \(folder.path) was rotated after the backup \(path) was made, and partners would refuse the old key; restore a newer backup, or into a new folder if there is none"
          )
        }
      } catch {
        try? store.close()
        // What was made here goes again.
        try? manager.removeItem(atPath: isNew ? folder.path : draft)
        throw error
      }
      for name in try manager.contentsOfDirectory(atPath: backup.ledgers).sorted() where name.hasSuffix(".ledger") {
        if try restoreLedger(name, from: backup, to: folder) { outcome.ledgersKept.append(name) }
      }
      for name in files where name != signingKeyName { try replace("\(folder.path)/\(name)", with: "\(backup.path)/\(name)") }
      try replace(folder.signingKey, with: keyFile)
      let sign = CoordinatorState.rosterSigner(taskID: anchor.taskID, key: key, now: now)
      try endPlan(in: store, folder: folder, now: now, &outcome)
      let recovered = try store.recover(known, certificateSeconds: task.certificateHours * 3600, now: now, sign: sign)
      outcome.lostSince = recovered.lostSince
      outcome.revocationsKept = recovered.revoked
      outcome.enrolmentsKept = recovered.added
      outcome.invitationsWithdrawn = recovered.withdrawn
      try store.closeWhole()
      for suffix in ["-wal", "-shm", "-journal"] {
        for database in [folder.database, draft] { try? manager.removeItem(atPath: database + suffix) }
      }
      try synchronize(draft)
      try move(draft, to: folder.database)
      for name in (try? manager.contentsOfDirectory(atPath: folder.spool)) ?? [] {
        try manager.removeItem(atPath: "\(folder.spool)/\(name)")
      }
      try contents(of: folder).forEach(synchronize)
      try synchronize(PrivateFile.parent(of: folder.path))
    } catch { throw wrapped(error, folder.path) }
    return outcome
  }

  /// Ends the plan when its ledger knows releases whose models are lost.
  private static func endPlan(
    in store: CoordinatorStore, folder: StateFolder, now: Date, _ outcome: inout Outcome
  ) throws {
    guard let plan = try store.newestPlan(), plan.endedAt == nil,
      let ahead = try releasesAhead(of: plan, in: store, folder: folder), ahead > 0
    else { return }
    _ = try store.end(
      session: plan.session,
      because:
        "restored from a backup: \(ahead) release\(ahead == 1 ? "" : "s") after it stand in the ledger, their models are lost",
      now: now)
    outcome.plansEnded.append(plan.session.hex)
  }

  /// Everything but database, ledgers and spool.
  private static let files = ["task.json", "ca.pem", "ca.key", signingKeyName, "server.pem", "server.key"]
  private static let signingKeyName = "signing.key"

  /// Refuses a copy whose signing key may not be the one that its database names. Nobody is asked for a passphrase: sealed keys are
  /// compared as files, with what stands in the folder after the database was copied.
  ///
  /// - Parameter successions: as they were after the keys and before the database were copied.
  private static func checkKeys(of draft: StateFolder, copiedFrom folder: StateFolder, _ successions: [KeySuccession]) throws {
    let manager = FileManager.default
    for (copy, live) in [(draft.signingKey, folder.signingKey), (draft.nextSigningKey, folder.nextSigningKey)] {
      guard manager.contents(atPath: copy) == manager.contents(atPath: live) else {
        throw StateFolderError(.exists, "the signing key was rotated while \(folder.path) was copied; run this again")
      }
    }
    guard try !SealedFile.isSealed(kind: CoordinatorState.KeyKind.signing, path: draft.signingKey) else { return }
    _ = try CoordinatorState.newestKey(of: draft, successions: successions, passphrase: noPassphrase)
  }

  /// - Returns: whether the folder's own ledger was kept because it is longer.
  private static func restoreLedger(_ name: String, from backup: StateFolder, to folder: StateFolder) throws -> Bool {
    let manager = FileManager.default
    let (saved, live) = ("\(backup.ledgers)/\(name)", "\(folder.ledgers)/\(name)")
    guard let liveBytes = manager.contents(atPath: live) else {
      try manager.copyItem(atPath: saved, toPath: live)
      return false
    }
    let savedBytes = manager.contents(atPath: saved) ?? Data()
    // Ledgers only grow: one must be the beginning of the other.
    if liveBytes.starts(with: savedBytes) { return liveBytes.count > savedBytes.count }
    guard savedBytes.starts(with: liveBytes) else {
      throw StateFolderError(
        .damaged,
        "the ledger \(live) and that of the backup contradict each other: neither is the beginning of the other; keep both and find out who wrote them"
      )
    }
    try replace(live, with: saved)
    return false
  }

  /// Releases of a plan that its ledger knows and its database does not.
  private static func releasesAhead(of plan: PlanRecord, in store: CoordinatorStore, folder: StateFolder) throws -> Int? {
    guard let content = FileManager.default.contents(atPath: folder.ledger(of: plan.session.hex)) else { return nil }
    let released = LedgerReleases.rounds(in: Array(content), key: try plan.planFile().plan.coordinatorKey)
    let known = Set(try store.releases(of: plan.session).map { Int($0.statement.round) })
    return released.subtracting(known).count
  }

  private static func replace(_ path: String, with source: String) throws {
    let manager = FileManager.default
    let draft = path + ".restoring"
    try? manager.removeItem(atPath: draft)
    try manager.copyItem(atPath: source, toPath: draft)
    try move(draft, to: path)
  }

  private static func move(_ draft: String, to path: String) throws {
    guard rename(draft, path) == 0 else { throw StateFolderError(.system, "\(path) cannot be replaced; check its owner") }
  }

  /// Every file and folder of a state folder.
  private static func contents(of folder: StateFolder) throws -> [String] {
    var paths = [folder.path, folder.ledgers]
    for parent in paths { paths += try FileManager.default.contentsOfDirectory(atPath: parent).map { "\(parent)/\($0)" } }
    return paths
  }

  private static func wrapped(_ error: any Error, _ path: String) -> any Error {
    (error as NSError).domain == NSCocoaErrorDomain
      ? StateFolderError(.system, "\(path) cannot be written (\(error.localizedDescription)); check disk and owner") : error
  }
}
