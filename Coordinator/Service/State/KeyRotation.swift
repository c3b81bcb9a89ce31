public import CryptoPrimitives
public import Foundation
internal import GRDB
public import PeerIdentity
internal import TaskDatabase

extension StateFolder {
  /// The next signing key, until its succession is on disk.
  var nextSigningKey: String { path + "/signing.key.next" }
}

extension CoordinatorState {
  /// Makes a new signing key, with the succession and the roster that the new key signs.
  ///
  /// Partners go on trusting the old key until a person at each of them has compared the new one's fingerprint. A crash at any
  /// point leaves the old key or the new one at work: the new key is on disk before the succession, and `open` ends what was
  /// begun.
  ///
  /// - Parameters:
  ///   - passphrase: seals the new key, when the others are sealed.
  ///   - allAreBack: whether a person says that everybody is on the roster whom a restoration may have lost.
  /// - Returns: the state with the new key.
  /// - Throws: `StateFolderError` while a plan is active, which is bound to the key that signed it, or while enrolments may be lost;
  ///   `StoreError.leaseHeld` while the folder is served; `PeerIdentityError`, `TaskDatabaseError`.
  public func rotateSigningKey(passphrase: SecretBytes?, now: Date, allAreBack: Bool = false) throws -> CoordinatorState {
    let lease = try store.takeLease(holder: "rotate, process \(getpid())", now: now, isDead: { _ in false })
    defer { try? store.release(lease) }
    if let plan = try store.newestPlan(), plan.endedAt == nil {
      throw StateFolderError(
        .exists,
        "plan \(plan.number) is active and bound to the present signing key; end it first (tacit-coordinator plan --end REASON), or wait until it is over"
      )
    }
    // A home that this database does not know follows no succession: it gets in by an invitation alone, and that by the pinned key.
    if !allAreBack, let since = try store.enrolmentsLostSince() {
      throw StateFolderError(
        .exists,
        "this folder was restored from a backup, and who enrolled after \(since.formatted(.iso8601)) is not in it: such a home can enrol again while the signing key is the one that it knows, and not after the rotation; invite all of them first (tacit-coordinator invite NAME), and when tacit-coordinator roster shows everybody, run this with --all-are-back"
      )
    }
    guard try store.successions().count < KeySuccession.countMax else {
      throw StateFolderError(.exists, "the signing key was rotated \(KeySuccession.countMax) times; make a new task")
    }
    var random = SystemRandomSource()
    let next = SigningKey(random: &random)
    let seed = next.withUnsafeSeed { SecretBytes(copying: $0) }
    try SealedFile.write(seed, kind: KeyKind.signing, to: folder.nextSigningKey, passphrase: passphrase, replacing: true)
    let succession = KeySuccession(
      taskID: authority.taskID, old: signingKey, new: next, issued: Int(now.timeIntervalSince1970))
    let rotated = CoordinatorState(folder: folder, task: task, authority: authority, signingKey: next, store: store)
    try store.record(succession, lease: lease, now: now, sign: rotated.rosterSigner(now: now))
    try Self.endRotation(in: folder, store: store) {
      guard let passphrase else { throw StateFolderError(.unsafe, "the keys are sealed; give their passphrase") }
      return passphrase
    }
    return rotated
  }

  /// The key that the newest succession names, and the file that holds it.
  ///
  /// - Throws: `StateFolderError` of kind `damaged` when no file of the folder does: partners would refuse whatever the older key signs.
  static func newestKey(
    of folder: StateFolder, successions: [KeySuccession], passphrase: () throws -> SecretBytes
  ) throws -> (key: SigningKey, file: String) {
    let key = SigningKey(
      seed: try SealedFile.read(kind: KeyKind.signing, path: folder.signingKey, passphrase: passphrase))
    guard let newest = successions.last, newest.new != key.verificationKey else { return (key, folder.signingKey) }
    if FileManager.default.fileExists(atPath: folder.nextSigningKey) {
      let next = SigningKey(
        seed: try SealedFile.read(kind: KeyKind.signing, path: folder.nextSigningKey, passphrase: passphrase))
      if next.verificationKey == newest.new { return (next, folder.nextSigningKey) }
    }
    throw StateFolderError(
      .damaged,
      "\(folder.signingKey) is not the key that the newest of \(successions.count) rotation\(successions.count == 1 ? "" : "s") made: the new one is lost, and partners refuse what the old one signs; restore a backup that holds the new key (made after the rotation), or make a new task"
    )
  }

  /// Puts the next signing key in its place when its succession is on disk.
  static func endRotation(in folder: StateFolder, store: CoordinatorStore, passphrase: () throws -> SecretBytes) throws {
    guard FileManager.default.fileExists(atPath: folder.nextSigningKey), let newest = try store.successions().last else { return }
    let seed = try SealedFile.read(kind: KeyKind.signing, path: folder.nextSigningKey, passphrase: passphrase)
    // A key whose succession was never written has signed nothing.
    guard SigningKey(seed: seed).verificationKey == newest.new else { return }
    guard rename(folder.nextSigningKey, folder.signingKey) == 0 else {
      throw StateFolderError(
        .system,
        "\(folder.signingKey) cannot be replaced (\(String(cString: strerror(errno)))); check the disk, then run this again")
    }
    try PrivateFile.synchronize(folder.path)
  }
}

extension CoordinatorStore {
  /// How the signing key changed, oldest first.
  public func successions() throws -> [KeySuccession] {
    try database.read { database in
      try Data.fetchAll(database, sql: "SELECT bytes FROM successions ORDER BY number").map {
        try KeySuccession(decoding: Array($0))
      }
    }
  }

  /// Keeps a succession and the first roster that the new key signs, or neither.
  func record(
    _ succession: KeySuccession, lease: Lease, now: Date, sign: (UInt64, [PartnerRecord]) throws -> [UInt8]
  ) throws {
    try write(lease) { database in
      try database.execute(sql: "INSERT INTO successions (bytes) VALUES (?)", arguments: [Data(succession.encoded)])
      _ = try Self.issueRoster(now: now, in: database, sign: sign)
      try Self.remove(.enrolmentsLostSince, in: database)
    }
  }
}
