internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import PeerIdentity
internal import SecureAggregation

/// A ledger of some home on this machine, by where it lies.
struct LedgerPlace: Hashable, Comparable, CustomStringConvertible {
  /// Absolute and without symbolic links, so that a ledger has one name.
  let home: String
  let name: DataSetName

  var path: String { "\(home)/ledgers/\(name).ledger" }
  /// With which ledgers it shares its people.
  var links: String { "\(home)/ledgers/\(name).links" }
  /// Held while it is charged.
  var lock: String { "\(home)/ledgers/\(name).lock" }
  var description: String { path }

  init(_ home: PartnerHome, _ name: DataSetName) {
    self.home = Self.resolved(home.path)
    self.name = name
  }

  /// As it is where it cannot be resolved: whoever looks for it finds out that it is missing.
  private static func resolved(_ path: String) -> String {
    let resolved = realpath(path, nil)
    defer { free(resolved) }
    return resolved.map { String(cString: $0) } ?? path
  }

  /// - Returns: `nil` for anything but `/…/ledgers/NAME.ledger`. A home that was moved and left a symbolic link behind is where it is now.
  init?(path: String) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard path.hasPrefix("/"), parts.count > 3, parts[parts.count - 2] == "ledgers", let file = parts.last,
      file.hasSuffix(".ledger"), let name = try? DataSetName(String(file.dropLast(".ledger".count)))
    else { return nil }
    home = Self.resolved(parts.dropLast(2).joined(separator: "/"))
    self.name = name
  }

  static func < (left: LedgerPlace, right: LedgerPlace) -> Bool { left.path < right.path }
}

/// That the people of a ledger are people of ledgers of other homes, and the newest that was seen of all of these ledgers.
///
/// Lies beside the ledger and is as lasting; the same stands at the other side. There is no way back: people whom two ledgers count are
/// not other people later.
struct LedgerLinks: Codable, Equatable {
  struct Seen: Codable, Equatable {
    let records: UInt64
    let hash: String

    init(_ head: LedgerHead) {
      records = head.size
      hash = head.head.hex
    }

    var head: LedgerHead? { Digest(hex: hash).map { LedgerHead(size: records, head: $0) } }
  }

  private(set) var version = Self.formatVersion
  /// Paths of the ledgers that were linked with this one, sorted.
  private(set) var links: [String] = []
  /// By their paths, the ledgers of the whole group, this one among them.
  private(set) var seen: [String: Seen] = [:]

  private static let formatVersion = 1

  var places: [LedgerPlace] { links.compactMap { LedgerPlace(path: $0) } }

  mutating func add(_ place: LedgerPlace) { links = Set(links + [place.path]).sorted() }

  mutating func note(_ head: LedgerHead, of place: LedgerPlace) {
    if let known = seen[place.path], known.records > head.size { return }
    seen[place.path] = Seen(head)
  }

  /// - Returns: `nil` when the ledger has no such file.
  /// - Throws: `PartnerError` when it cannot be read.
  static func read(_ place: LedgerPlace) throws -> LedgerLinks? {
    guard HomeFile.exists(place.links) else { return nil }
    guard let links = try? JSONDecoder().decode(LedgerLinks.self, from: Data(HomeFile.read(place.links))),
      links.version == formatVersion, links.places.count == links.links.count, links.seen.values.allSatisfy({ $0.head != nil })
    else {
      throw PartnerError(
        .data, "\(place.links), which says with whom the ledger shares its people, is damaged or of another version; put it back")
    }
    return links.resolved
  }

  /// With the names that the ledgers have now.
  private var resolved: LedgerLinks {
    var result = self
    result.links = Set(places.map(\.path)).sorted()
    result.seen = seen.reduce(into: [:]) { result, entry in
      let path = LedgerPlace(path: entry.key)?.path ?? entry.key
      result[path] = [result[path], entry.value].compactMap { $0 }.max { $0.records < $1.records }
    }
    return result
  }

  /// - Throws: `PeerIdentityError` when it cannot be written; what was there before is still there then.
  func write(_ place: LedgerPlace) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try HomeFile.write(Array(encoder.encode(self)) + [UInt8(ascii: "\n")], to: place.links)
  }
}

/// Locks of ledgers that are charged together; given back with the value.
final class LedgerLocks {
  private var files: [Int32] = []
  /// What is held, whatever its names are: a lock that is wanted twice would be waited for without end.
  private var held: Set<FileIdentity> = []

  /// Takes the locks of all, each in its turn: whoever wants some of the same ledgers takes them in the same order.
  ///
  /// - Parameters:
  ///   - places: which; asked again when they are held, because a link may have been made meanwhile.
  ///   - patience: for all of them.
  ///   - waiting: called, again and again, while somebody else holds one.
  /// - Throws: `PartnerError` of kind `superseded` when a lock is not given free in time, `io` when it cannot be made.
  static func take(
    _ places: () throws -> Set<LedgerPlace>, patience: Duration, waiting: () -> Void
  ) throws -> LedgerLocks {
    let end = ContinuousClock.now + patience
    while true {
      let wanted = try places()
      let locks = LedgerLocks()
      for place in wanted.sorted() { try locks.take(place, until: end, waiting) }
      if try places() == wanted { return locks }
      locks.release()
    }
  }

  private func take(_ place: LedgerPlace, until end: ContinuousClock.Instant, _ waiting: () -> Void) throws {
    let file = open(place.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else {
      throw PartnerError(.io, "\(place.lock) cannot be opened: \(String(cString: strerror(errno)))")
    }
    files.append(file)
    guard FileIdentity(file).map({ held.insert($0).inserted }) ?? true else { return }
    while flock(file, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else {
        throw PartnerError(.io, "\(place.lock) cannot be locked: \(String(cString: strerror(errno)))")
      }
      waiting()
      guard ContinuousClock.now < end else {
        throw PartnerError(
          .superseded, "the ledger \(place) is being charged by another process, which does not come to an end; try again")
      }
      usleep(2000)
    }
  }

  func release() {
    for file in files.reversed() {
      flock(file, LOCK_UN)
      close(file)
    }
    files = []
    held = []
  }

  deinit { release() }
}

/// A file or folder itself, by device and inode.
struct FileIdentity: Hashable {
  private let device: dev_t
  private let inode: ino_t

  /// - Parameter file: open.
  init?(_ file: Int32) {
    var status = stat()
    guard fstat(file, &status) == 0 else { return nil }
    (device, inode) = (status.st_dev, status.st_ino)
  }

  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    (device, inode) = (status.st_dev, status.st_ino)
  }
}
