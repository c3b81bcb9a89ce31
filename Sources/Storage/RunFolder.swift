internal import Glibc

/// The folder of one run: made under a working name, and renamed when the run is whole.
///
/// While a run writes, its folder is called `NAME.partial`; `finish` renames it to `NAME` in one step. Whatever kills the
/// program leaves `NAME.partial`, so that half a result never looks like a whole one. The ledgers in it are valid all
/// the same: the budget that they show is spent.
public struct RunFolder: Sendable, Equatable {
  /// Where the folder will stand when the run is whole.
  public let path: String
  /// Where the files are now.
  public private(set) var currentPath: String
  public var isFinished: Bool { currentPath == path }

  /// Makes the working folder, and what is missing above it.
  ///
  /// - Throws: `StorageError` when a run of this name exists, whole or interrupted.
  public static func create(at path: String) throws -> RunFolder {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    let working = path + ".partial"
    guard !Directory.exists(path) else {
      throw StorageError(.exists, "the run folder \(path) exists; choose another name or remove it first")
    }
    guard !Directory.exists(working) else {
      throw StorageError(
        .exists,
        "\(working) is what an interrupted run left, or a run that still goes on; its ledger shows what was spent: move it away or choose another name"
      )
    }
    try Directory.make(Directory.parent(of: path))
    guard mkdir(working, 0o755) == 0 else { throw StorageError.system("making the run folder", working) }
    let folder = RunFolder(path: path, currentPath: working)
    do {
      guard mkdir(folder.ledgers, 0o755) == 0 else {
        throw StorageError.system("making the folder", folder.ledgers)
      }
      try Directory.synchronize(working)
      try Directory.synchronize(Directory.parent(of: path))
    } catch {
      rmdir(folder.ledgers)
      rmdir(working)
      throw error
    }
    return folder
  }

  /// Opens a folder that is there already, whole (`NAME`) or interrupted (`NAME.partial`).
  ///
  /// - Throws: `StorageError` when there is none.
  public static func open(at path: String) throws -> RunFolder {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard Directory.exists(path) else {
      throw StorageError(
        .missing,
        Directory.exists(path + ".partial")
          ? "there is no run folder \(path), only \(path).partial, which an interrupted run left"
          : "there is no run folder \(path); check the path")
    }
    let whole = path.hasSuffix(".partial") ? String(path.dropLast(".partial".count)) : path
    return RunFolder(path: whole, currentPath: path)
  }

  /// Gives the folder its name: from here on it looks whole.
  ///
  /// Files are synced by whoever wrote them; `write` does.
  public mutating func finish() throws {
    precondition(!isFinished, "a run is finished once")
    try Directory.synchronize(currentPath)
    guard rename(currentPath, path) == 0 else { throw StorageError.system("naming the run folder", path) }
    currentPath = path
    try Directory.synchronize(Directory.parent(of: path))
  }

  /// Writes in the working folder why the run ended early, for whoever finds it.
  public func interrupt(reason: String) throws {
    precondition(!isFinished, "a whole run cannot be interrupted")
    try write(Array((reason + "\n").utf8), to: interruption)
  }

  /// Writes a file of this folder whole or not at all.
  public func write(_ bytes: [UInt8], to file: String) throws {
    precondition(file.hasPrefix(currentPath + "/"), "\(file) is not in \(currentPath)")
    try PlainFile.write(bytes, to: file)
  }

  /// The bytes of one of the folder's files: of a plain file that stands in it, no link, and of a size that it can have.
  public func read(_ file: String) throws -> [UInt8] {
    try PlainFile.read(
      file, bytesMax: file.hasPrefix(ledgers + "/") ? PlainFile.ledgerBytesMax : PlainFile.documentBytesMax, followsLinks: false)
  }
}

/// What a run folder holds.
extension RunFolder {
  /// The signed plan.
  public var plan: String { currentPath + "/plan.json" }
  public var ledgers: String { currentPath + "/ledgers" }
  public var coordinatorLedger: String { ledgers + "/coordinator.ledger" }
  /// Partners' signatures under the coordinator's heads, a JSON object for each round that was completed.
  public var witnesses: String { ledgers + "/coordinator.witnesses" }
  public var reportHTML: String { currentPath + "/report.html" }
  public var reportJSON: String { currentPath + "/report.json" }
  /// The report on one page of plain text.
  public var reportText: String { currentPath + "/report.txt" }
  /// One JSON object per line and release.
  public var metrics: String { currentPath + "/metrics.jsonl" }
  /// The coordinator's signed word on the model here: its hash, the release that gave it, and the ledger of then.
  public var modelRelease: String { currentPath + "/release.bin" }
  /// Item embeddings of the last model; the ids of the rows stand beside them in `itemIdentifiers`.
  public var items: String { currentPath + "/items.safetensors" }
  public var itemIdentifiers: String { currentPath + "/items.tsv" }
  /// `user item rank score`, tab-separated, with a header.
  public var recommendations: String { currentPath + "/recommendations.tsv" }
  /// There when a run ended early and could still say why.
  public var interruption: String { currentPath + "/INTERRUPTED" }

  /// There when a coordinator of the network wrote the folder: the partners' ledgers are at the partners then.
  public var exportNote: String { currentPath + "/EXPORTED" }
  public var isExport: Bool { Directory.exists(exportNote) }

  /// The ledger of a partner.
  public func partnerLedger(_ name: String) -> String { "\(ledgers)/\(Self.fileName(ofPartner: name)).ledger" }

  /// A partner's name in names of files. Bytes other than letters, digits, `-` and `_` become `%` and two digits, so that
  /// no name leaves the folder and no two names meet in one file.
  public static func fileName(ofPartner name: String) -> String {
    let hexadecimal = Array("0123456789ABCDEF".utf8)
    var file: [UInt8] = []
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        file.append(byte)
      default:
        file += [UInt8(ascii: "%"), hexadecimal[Int(byte >> 4)], hexadecimal[Int(byte & 15)]]
      }
    }
    return "partner-\(String(decoding: file, as: UTF8.self))"
  }
}
