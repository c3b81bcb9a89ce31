internal import FederatedLearning
internal import Foundation
internal import PeerIdentity
internal import Synchronization

/// One partner's folder: keys, certificate, database and ledgers, readable by its owner only.
public struct PartnerHome: Sendable, Equatable {
  public let path: String

  public var database: String { path + "/partner.sqlite" }
  /// The Ed25519 identity, sealed.
  public var identityKey: String { path + "/identity.key" }
  /// The key of the TLS certificate, sealed.
  public var transportKey: String { path + "/tls.key" }
  public var certificate: String { path + "/certificate.pem" }
  /// The task's certificate authority.
  public var authority: String { path + "/ca.pem" }
  var lock: String { path + "/lock" }
  var servingLock: String { path + "/serve.lock" }
  private var ledgers: String { path + "/ledgers" }

  /// The ledger of one data set; names are checked by `DataSetName`.
  public func ledger(of dataSet: DataSetName) -> String { "\(ledgers)/\(dataSet.text).ledger" }

  /// The ledgers that lie in the home, but for those whose names are known. A file that says of itself that it is another data set's,
  /// and whose every byte stands in that one's ledger here, is a copy, and none of them; one that cannot be read may be a ledger.
  func ledgers(except known: Set<String>) -> [DataSetName] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: ledgers)) ?? []
    return files.filter { $0.hasSuffix(".ledger") }.sorted().compactMap { file in
      guard let name = try? DataSetName(String(file.dropLast(".ledger".count))), !known.contains(name.text) else { return nil }
      guard let bytes = try? HomeFile.read(ledger(of: name)), case .header(let header)? = LedgerReader(bytes).records.first?.entry
      else { return name }
      guard header.dataset != name.text, let original = try? DataSetName(header.dataset),
        let whole = try? HomeFile.read(ledger(of: original))
      else { return name }
      return whole.starts(with: bytes) ? nil : name
    }
  }

  /// Opens a home that is there.
  ///
  /// - Throws: `PartnerError` when there is none, or when others can read it.
  public init(at path: String) throws {
    self.path = Self.trimmed(path)
    try checkPermissions()
  }

  /// Makes the folder (0700) unless it is there, with the folder for ledgers in it.
  ///
  /// - Throws: `PartnerError` when the folder cannot be made, or when others can read it.
  public static func create(at path: String) throws -> PartnerHome {
    let path = trimmed(path)
    var isFolder: ObjCBool = true
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue {
      throw PartnerError(.usage, "\(path) is a file, expected the partner's folder or a name for a new one; give another --home")
    }
    do {
      try FileManager.default.createDirectory(
        atPath: path + "/ledgers", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw PartnerError(.io, "the home \(path) cannot be made; check the path, the disk and the owner of the folder around it")
    }
    return try PartnerHome(at: path)
  }

  private static func trimmed(_ path: String) -> String { path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path }

  private func checkPermissions() throws {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw PartnerError(
        .missing, "there is no home at \(path); make one with: tacit-client enroll --token @FILE --home \(path)")
    }
    guard status.st_uid == geteuid() else {
      throw PartnerError(.permission, "the home \(path) belongs to user \(status.st_uid), expected user \(geteuid())")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw PartnerError(.permission, "others can look into the home \(path); run: chmod 700 \(path)")
    }
  }
}

/// What a partner calls one of its data sets: the name of a ledger file, so letters, digits, `-` and `_` only.
public struct DataSetName: Sendable, Hashable, CustomStringConvertible {
  public let text: String
  public var description: String { text }

  /// - Throws: `PartnerError` for anything but 1 to 64 of those characters.
  public init(_ text: String) throws {
    let isPlain = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard isPlain, (1...64).contains(text.utf8.count) else {
      throw PartnerError(
        .usage, "the data set's name is '\(text)'; expected 1 to 64 letters, digits, - or _")
    }
    self.text = text
  }

  /// What a data set is called when nobody names it.
  public static let standard = DataSetName(known: "data")

  private init(known text: String) { self.text = text }
}

/// Held while a process speaks for a partner: two processes with one identity would supersede each other.
public final class HomeLock: Sendable {
  /// -1 after the release.
  private let file: Mutex<Int32>

  /// - Returns: `nil` when another process holds the home.
  /// - Throws: `PartnerError` when the lock cannot be made.
  public convenience init?(_ home: PartnerHome) throws { try self.init(path: home.lock) }

  /// Held while a process serves recommendations from a home: two would not hear of each other's events. Nobody who takes part in
  /// rounds is kept out by it.
  ///
  /// - Returns: `nil` when another process serves from the home.
  /// - Throws: `PartnerError` when the lock cannot be made.
  public convenience init?(serving home: PartnerHome) throws { try self.init(path: home.servingLock) }

  private init?(path: String) throws {
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else {
      throw PartnerError(.io, "\(path) cannot be opened: \(String(cString: strerror(errno)))")
    }
    guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
      close(file)
      return nil
    }
    self.file = Mutex(file)
  }

  /// Lets others speak for the home; nothing happens when it was released before.
  public func release() {
    file.withLock { file in
      guard file >= 0 else { return }
      // A child that is just being started may hold a copy of the descriptor for a moment.
      flock(file, LOCK_UN)
      close(file)
      file = -1
    }
  }

  deinit { release() }
}

/// Small files of a home.
enum HomeFile {
  /// - Throws: `PeerIdentityError` when the file cannot be written; what was there before is still there then.
  static func write(_ bytes: [UInt8], to path: String) throws {
    try PrivateFile.write(bytes, to: path, what: "the file", replacing: true)
  }

  static func read(_ path: String) throws -> [UInt8] {
    guard let content = content(path) else {
      throw PartnerError(.missing, "\(path) is missing or cannot be read: the home is not whole; put the file back")
    }
    return content
  }

  static func content(_ path: String) -> [UInt8]? { FileManager.default.contents(atPath: path).map(Array.init) }

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  static func erase(_ path: String) throws { try PrivateFile.erase(path) }
}
