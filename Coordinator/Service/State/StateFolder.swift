public import CryptoPrimitives
public import Foundation
internal import Glibc
public import PeerIdentity

/// The folder of one task federation: its authority, its keys, its database, its ledgers, its spool.
///
/// Private files are 0600, folders 0700. `task.json` holds what is public: name and addresses.
public struct StateFolder: Sendable, Equatable {
  public let path: String

  public init(path: String) { self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path }

  public var database: String { path + "/coordinator.sqlite" }
  public var signingKey: String { path + "/signing.key" }
  public var authorityKey: String { path + "/ca.key" }
  public var authority: String { path + "/ca.pem" }
  public var serverKey: String { path + "/server.key" }
  public var serverCertificate: String { path + "/server.pem" }
  public var description: String { path + "/task.json" }
  public var ledgers: String { path + "/ledgers" }
  public var spool: String { path + "/spool" }
  var lock: String { path + "/serve.lock" }
  var live: String { path + "/live.json" }

  public func ledger(of session: String) -> String { "\(ledgers)/\(session).ledger" }
}

/// What is public about a task.
public struct TaskDescription: Sendable, Equatable, Codable {
  public var name: String
  /// Where partners train, `HOST:PORT` as they dial it.
  public var trainingAddress: String
  /// Where they enrol.
  public var enrolmentAddress: String
  /// DNS names and addresses in the server's certificate.
  public var hosts: [String]
  /// How long certificates of partners and of the server are good for, in hours.
  public var certificateHours: Int

  public init(name: String, trainingAddress: String, enrolmentAddress: String, hosts: [String], certificateHours: Int) {
    self.name = name
    self.trainingAddress = trainingAddress
    self.enrolmentAddress = enrolmentAddress
    self.hosts = hosts
    self.certificateHours = certificateHours
  }
}

/// Why a state folder cannot be used, in one sentence.
public struct StateFolderError: Error, Equatable, CustomStringConvertible {
  public enum Kind: Sendable, Equatable { case exists, busy, missing, unsafe, damaged, system }
  public let kind: Kind
  public let description: String

  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }
}

/// An opened state folder: keys in memory, database at hand.
public struct CoordinatorState: Sendable {
  public let folder: StateFolder
  public let task: TaskDescription
  public let authority: CertificateAuthority
  public let signingKey: SigningKey
  public let store: CoordinatorStore

  /// Makes a new task: authority, signing key, server certificate, empty database and first roster.
  ///
  /// - Parameter passphrase: seals the private keys; without one, file permissions keep them.
  /// - Throws: `StateFolderError` when the folder holds something; `PeerIdentityError`, `TaskDatabaseError`.
  public static func create(
    in folder: StateFolder, task: TaskDescription, authorityDays: Int, passphrase: SecretBytes?, now: Date
  ) throws -> CoordinatorState {
    let manager = FileManager.default
    if let content = try? manager.contentsOfDirectory(atPath: folder.path), !content.isEmpty {
      throw StateFolderError(.exists, "\(folder.path) is not empty; choose a new folder for a new task")
    }
    // A name or an address that no certificate can hold is found before anything is written.
    let authority = try CertificateAuthority.create(task: task.name, validDays: authorityDays, now: now)
    _ = try authority.issueServer(
      hosts: task.hosts, request: try CertificateRequest.create(key: TLSKey.generate(), name: try PartnerName("coordinator")),
      lifetime: .seconds(task.certificateHours * 3600), now: now)
    for path in [folder.path, folder.ledgers, folder.spool] {
      do {
        try manager.createDirectory(
          atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try manager.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
      } catch { throw StateFolderError(.system, "\(path) cannot be made; check the path and its owner") }
    }
    var random = SystemRandomSource()
    let signingKey = SigningKey(random: &random)
    try SealedFile.write(authority.keyPEM, kind: KeyKind.authority, to: folder.authorityKey, passphrase: passphrase)
    let seed = signingKey.withUnsafeSeed { SecretBytes(copying: $0) }
    try SealedFile.write(seed, kind: KeyKind.signing, to: folder.signingKey, passphrase: passphrase)
    try write(authority.certificatePEM, to: folder.authority)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    try write(String(decoding: try encoder.encode(task), as: UTF8.self) + "\n", to: folder.description)
    let store = try CoordinatorStore(path: folder.database)
    let state = CoordinatorState(folder: folder, task: task, authority: authority, signingKey: signingKey, store: store)
    try state.issueServerCertificate(passphrase: passphrase, now: now)
    try state.issueRoster(now: now)
    // The names in the folder are synced with every file; its own name stands in its parent.
    try PrivateFile.synchronize(folder.path)
    try PrivateFile.synchronize(PrivateFile.parent(of: folder.path))
    return state
  }

  /// - Parameter passphrase: asked for when the keys are sealed.
  /// - Throws: `StateFolderError`, `PeerIdentityError`, `TaskDatabaseError`.
  public static func open(_ folder: StateFolder, passphrase: () throws -> SecretBytes) throws -> CoordinatorState {
    try checkPermissions(folder)
    let task = try description(of: folder)
    // One question for all keys.
    var known: SecretBytes?
    func ask() throws -> SecretBytes {
      if let known { return known }
      let answer = try passphrase()
      known = answer
      return answer
    }
    let authorityKey = try SealedFile.read(kind: KeyKind.authority, path: folder.authorityKey, passphrase: ask)
    let authority: CertificateAuthority
    do { authority = try CertificateAuthority(certificatePEM: try text(folder.authority), keyPEM: authorityKey) } catch {
      throw named(folder.authority, error)
    }
    let store = try CoordinatorStore(path: folder.database)
    try endRotation(in: folder, store: store, passphrase: ask)
    let signingKey = try newestKey(of: folder, successions: try store.successions(), passphrase: ask).key
    return CoordinatorState(folder: folder, task: task, authority: authority, signingKey: signingKey, store: store)
  }

  /// Whether `serve` would find here what it needs, without opening a key: the folder, who may enter it, and the files in it.
  ///
  /// - Returns: what is public about the task, and whether its keys are sealed with a passphrase.
  /// - Throws: `StateFolderError`, `PeerIdentityError`, `TaskDatabaseError`.
  public static func check(_ folder: StateFolder) throws -> (task: TaskDescription, isSealed: Bool) {
    try checkPermissions(folder)
    let task = try description(of: folder)
    _ = try anchor(of: folder)
    _ = try serverCertificate(in: folder)
    let keys = [
      (KeyKind.authority, folder.authorityKey), (KeyKind.signing, folder.signingKey), (KeyKind.server, folder.serverKey),
    ]
    let sealed = try keys.map { try SealedFile.isSealed(kind: $0.0, path: $0.1) }
    _ = try CoordinatorStore(path: folder.database)
    return (task, sealed.contains(true))
  }

  /// Name and addresses, without touching a key.
  public static func description(of folder: StateFolder) throws -> TaskDescription {
    guard let data = FileManager.default.contents(atPath: folder.description) else {
      throw StateFolderError(
        .missing, "\(folder.path) is no state folder of a coordinator (no task.json); make one with: tacit-coordinator init")
    }
    guard let task = try? JSONDecoder().decode(TaskDescription.self, from: data) else {
      throw StateFolderError(.damaged, "\(folder.description) cannot be read; restore it from a backup")
    }
    // An empty one in its place would know no partner, no plan and no spending.
    guard FileManager.default.fileExists(atPath: folder.database) else {
      throw StateFolderError(.missing, "\(folder.database) is missing, though the task is there; restore it from a backup")
    }
    return task
  }

  // MARK: - What is signed here

  /// A fresh key and certificate for the listeners.
  public func issueServerCertificate(passphrase: SecretBytes?, now: Date) throws {
    let key = TLSKey.generate()
    let request = try CertificateRequest.create(key: key, name: try PartnerName("coordinator"))
    let certificate = try authority.issueServer(
      hosts: task.hosts, request: request, lifetime: .seconds(task.certificateHours * 3600), now: now)
    try SealedFile.write(key.pem, kind: KeyKind.server, to: folder.serverKey, passphrase: passphrase, replacing: true)
    try Self.write(certificate.pem, to: folder.serverCertificate)
  }

  public func serverCertificate(passphrase: () throws -> SecretBytes) throws -> (certificate: IssuedCertificate, key: SecretBytes)
  {
    let key = try SealedFile.read(kind: KeyKind.server, path: folder.serverKey, passphrase: passphrase)
    let certificate = try Self.serverCertificate(in: folder)
    guard try TLSKey(pem: key).matches(certificate) else {
      throw StateFolderError(
        .damaged, "\(folder.serverCertificate): not the certificate of \(folder.serverKey); \(Self.rotation(folder))")
    }
    return (certificate, key)
  }

  /// - Throws: `StateFolderError` that names the file, and how to make a new one.
  static func serverCertificate(in folder: StateFolder) throws -> IssuedCertificate {
    let path = folder.serverCertificate
    guard let data = FileManager.default.contents(atPath: path) else {
      throw StateFolderError(.missing, "\(path) is missing or cannot be read; \(rotation(folder))")
    }
    do { return try IssuedCertificate(pem: String(decoding: data, as: UTF8.self)) } catch let error as PeerIdentityError {
      throw StateFolderError(.damaged, "\(path): \(error.description); \(rotation(folder))")
    }
  }

  private static func rotation(_ folder: StateFolder) -> String {
    "make a new key and certificate with: tacit-coordinator rotate --state \(folder.path)"
  }

  /// The public half of the authority, without touching its key.
  static func anchor(of folder: StateFolder) throws -> TrustAnchor {
    do { return try TrustAnchor(pem: try text(folder.authority)) } catch { throw named(folder.authority, error) }
  }

  /// What is wrong with a certificate, with the file that it stands in.
  private static func named(_ path: String, _ error: any Error) -> any Error {
    guard let error = error as? PeerIdentityError else { return error }
    return StateFolderError(.damaged, "\(path): \(error.description); restore it from a backup")
  }

  /// Signs the roster of the partners as they are now, as the next version.
  @discardableResult
  public func issueRoster(now: Date) throws -> SignedRoster {
    try SignedRoster(decoding: try store.issueRoster(now: now, sign: rosterSigner(now: now)))
  }

  func rosterSigner(now: Date) -> (UInt64, [PartnerRecord]) throws -> [UInt8] {
    Self.rosterSigner(taskID: authority.taskID, key: signingKey, now: now)
  }

  static func rosterSigner(taskID: String, key: SigningKey, now: Date) -> (UInt64, [PartnerRecord]) throws -> [UInt8] {
    { version, partners in
      let entries = try partners.map {
        PeerIdentity.RosterEntry(
          participant: $0.participant, name: try PartnerName($0.name), verificationKey: $0.verificationKey,
          status: $0.isActive ? .active : .revoked, enrolledAt: Int($0.enrolledAt.timeIntervalSince1970))
      }
      return try SignedRoster.sign(
        taskID: taskID, entries: entries, issued: Int(now.timeIntervalSince1970), version: version, key: key
      ).encoded()
    }
  }

  public func newestRoster() throws -> SignedRoster? {
    try store.newestRoster().map { try SignedRoster(decoding: $0.bytes) }
  }

  // MARK: - Files

  enum KeyKind {
    static let authority = "authority"
    static let signing = "signing"
    static let server = "server"
  }

  private static func checkPermissions(_ folder: StateFolder) throws {
    guard let attributes = try? FileManager.default.attributesOfItem(atPath: folder.path),
      attributes[.type] as? FileAttributeType == .typeDirectory,
      let permissions = (attributes[.posixPermissions] as? NSNumber)?.intValue,
      let owner = (attributes[.ownerAccountID] as? NSNumber)?.uint32Value
    else {
      throw StateFolderError(.missing, "there is no state folder \(folder.path); make one with: tacit-coordinator init")
    }
    guard owner == geteuid() else {
      throw StateFolderError(.unsafe, "\(folder.path) belongs to another user; run this as its owner (sudo -u USER …)")
    }
    guard permissions & 0o077 == 0 else {
      throw StateFolderError(.unsafe, "\(folder.path) can be entered by others; run: chmod 700 \(folder.path)")
    }
  }

  static func text(_ path: String) throws -> String {
    guard let data = FileManager.default.contents(atPath: path), let text = String(data: data, encoding: .utf8) else {
      throw StateFolderError(.missing, "\(path) is missing or cannot be read; restore it from a backup")
    }
    return text
  }

  static func write(_ text: String, to path: String) throws {
    try PrivateFile.write(Array(text.utf8), to: path, what: "the file", replacing: true)
  }
}
