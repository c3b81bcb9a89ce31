internal import Foundation
internal import Glibc

/// What the serving process knows and the database does not: what is waited for now, and who is connected.
///
/// A small file of the state folder, replaced every few seconds and never synced: whoever finds an old one ignores it.
struct LiveView: Codable, Sendable, Equatable {
  struct Seen: Codable, Sendable, Equatable {
    let participant: UInt32
    let lastSeen: Date
    let isConnected: Bool
  }

  var writtenAt: Date
  var progress: RunProgress
  var seen: [Seen]

  /// Seconds from one writing to the next, and how old a file may be to be believed.
  static let pause = 2.0
  static let ageMax = 15.0

  /// Failures are left alone: nothing but a view depends on it.
  func write(to folder: StateFolder) {
    let encoder = JSONEncoder()
    encoder.dateEncodingStrategy = .secondsSince1970
    let draft = folder.live + ".new"
    guard let bytes = try? encoder.encode(self),
      FileManager.default.createFile(atPath: draft, contents: bytes, attributes: [.posixPermissions: 0o600])
    else { return }
    if rename(draft, folder.live) != 0 { unlink(draft) }
  }

  /// - Returns: `nil` when nobody has written lately.
  static func read(from folder: StateFolder, now: Date) -> LiveView? {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .secondsSince1970
    guard let bytes = FileManager.default.contents(atPath: folder.live),
      let view = try? decoder.decode(LiveView.self, from: bytes),
      (-ageMax...ageMax).contains(now.timeIntervalSince(view.writtenAt))
    else { return nil }
    return view
  }
}
