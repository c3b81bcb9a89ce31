internal import CommandSupport
internal import CryptoPrimitives
internal import DataImport
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Storage

/// Ledgers of simulated partners that outlive their runs (`--ledgers FOLDER`): what several runs on the same people spend is counted
/// together, and a cap over all of them stops the run that would pass it.
///
/// For each partner its ledger and its signing key, a hash of whom the ledger counts (`NAME.users`) and the longest head that was seen of
/// it (`NAME.head`); `plans/HASH.json` for every plan that was charged; `first-cap`, the cap under which the first charge was made
/// (`SpendingCap`). Charges are written here before anything leaves a partner, so that a run that is killed has spent what it spent. A run's
/// own folder has links to the ledgers while it runs, and copies in the end.
struct KeptLedgers {
  let path: String

  /// Opens the folder, or makes it.
  ///
  /// - Throws: `CommandFailure` when something else is in it.
  init(at path: String) throws {
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard !path.isEmpty else { throw CommandFailure(.usage, "--ledgers is empty; expected a folder such as ledgers/shop") }
    let files = FileManager.default
    var isFolder: ObjCBool = false
    if files.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue {
      throw CommandFailure(.usage, "--ledgers \(path) is no folder; give one, which is made when it is missing")
    }
    if let others = try? files.contentsOfDirectory(atPath: path),
      let other = others.sorted().first(where: { name in !Self.endings.contains { name.hasSuffix($0) } && name != "plans" })
    {
      throw CommandFailure(
        .usage,
        "--ledgers \(path) holds '\(other)', which is no ledger's; give a folder of its own, which is made when it is missing")
    }
    do {
      try files.createDirectory(
        atPath: plans, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch { throw CommandFailure(.cannotCreate, "--ledgers \(path): the folder cannot be made") }
  }

  /// What would not be counted with other runs, or would spoil them.
  ///
  /// - Throws: `CommandFailure`.
  static func refuseWhatIsNotCounted(_ settings: SimulationSettings) throws {
    guard settings.ledgers != nil else {
      guard settings.cap == nil else {
        throw CommandFailure(
          .usage, "--cap is what the ledgers of --ledgers may spend over all runs, and there are none; one run's cap is --epsilon"
        )
      }
      return
    }
    guard settings.noise != "none" else {
      throw CommandFailure(
        .usage, "a run without noise leaves nothing to prove about ledgers that count it: leave --ledgers out, or add noise")
    }
    guard !settings.insecureTestRandomness else {
      throw CommandFailure(
        .usage,
        "a run with test randomness is not private, and its keys are known: it is not counted with others; leave --ledgers out")
    }
  }

  private static let endings = [".ledger", ".key", ".users", ".head", "first-cap", ".new"]
  private var plans: String { path + "/plans" }
  /// As in a run's folder, so that no name leaves it.
  private func file(_ partner: String, _ ending: String) -> String {
    let name = RunFolder.fileName(ofPartner: partner)
    return "\(path)/\(name).\(ending)"
  }

  /// The keys that sign the partners' ledgers: those that are here, or fresh ones in a folder that is begun.
  ///
  /// - Parameter partners: with their users.
  /// - Throws: `CommandFailure` unless these are the partners of the folder, each with the same users; nothing is written then.
  func keys(of partners: [(name: String, users: [String])], random: inout some RandomSource) throws -> [SigningKey] {
    let files = FileManager.default
    let known = try files.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".users") }
    let here = Set(partners.map { RunFolder.fileName(ofPartner: $0.name) + ".users" })
    guard known.isEmpty || Set(known) == here else {
      let strange = Set(known).symmetricDifference(here).sorted()[0].dropLast(".users".count)
      throw CommandFailure(
        .data,
        "the ledgers in \(path) are of other partners than these (\(strange), for one): users who were counted there would have a second budget here; give the data and --partners that they were begun with"
      )
    }
    for (name, users) in partners {
      guard !known.isEmpty else { continue }
      let whom = file(name, "users")
      let hash = (try? String(contentsOfFile: whom, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
      guard hash == Self.hash(of: users) else {
        throw CommandFailure(
          .data,
          "\(file(name, "ledger")) counts other users than '\(name)' has in these data (by \(whom)); a ledger counts people, and these could be counted twice or not at all: give the data and --partners that it was begun with"
        )
      }
      for ending in ["key", "ledger"] where !files.fileExists(atPath: file(name, ending)) {
        throw CommandFailure(
          .noInput, "\(file(name, ending)) is missing, and with it what '\(name)' has spent or who signs for it; put it back")
      }
    }
    return try partners.map { name, users in
      guard known.isEmpty else { return try KeyFile.read(at: file(name, "key")) }
      // A run that was refused before it began a ledger leaves a key, and nothing else.
      return files.fileExists(atPath: file(name, "key"))
        ? try KeyFile.read(at: file(name, "key")) : try KeyFile.create(at: file(name, "key"), random: &random)
    }
  }

  /// Opens a partner's ledger, or makes it.
  ///
  /// - Throws: `CommandFailure` when it was cut back; `StorageError`.
  func ledger(of partner: String, header: () throws -> [UInt8]) throws -> LedgerFile {
    let path = file(partner, "ledger")
    guard FileManager.default.fileExists(atPath: path) else { return try LedgerFile.create(at: path, header: try header()) }
    let ledger = try LedgerFile.open(at: path)
    guard let text = try? String(contentsOfFile: file(partner, "head"), encoding: .utf8) else { return ledger }
    let lines = ledger.content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let parts = text.split(whereSeparator: \.isWhitespace)
    guard parts.count == 2, let size = Int(parts[0]), size >= 1, lines.count > size,
      SHA256.hash(Array(lines[..<size].joined(separator: [UInt8(ascii: "\n")]))).hex == String(parts[1])
    else {
      throw CommandFailure(
        .data,
        "\(path) was cut back or changed: it does not go on from the \(parts.first ?? "?") records that were seen of it (\(file(partner, "head"))); put the whole ledger back"
      )
    }
    return ledger
  }

  /// Says of a folder that is begun whom its ledgers count.
  func begin(_ partners: [(name: String, users: [String])]) throws {
    for (name, users) in partners { try PlainFile.write(Array((Self.hash(of: users) + "\n").utf8), to: file(name, "users")) }
  }

  private static func hash(of users: [String]) -> String {
    SHA256.hash(users.sorted().flatMap { Array($0.utf8) + [0] }).hex
  }

  /// The plans that the ledgers may hold charges of.
  func earlierPlans() throws -> [Digest: TrainingPlan] {
    var found: [Digest: TrainingPlan] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: plans).sorted() where name.hasSuffix(".json") {
      do {
        let bytes = try PlainFile.read("\(plans)/\(name)", bytesMax: PlainFile.documentBytesMax, followsLinks: false)
        found[SHA256.hash(bytes)] = try PlanFile(bytes: bytes).plan
      } catch { throw CommandFailure(.data, "\(plans)/\(name): \(error); put back the plan that was written there") }
    }
    return found
  }

  /// Keeps a plan before anything is charged under it.
  func keep(_ plan: PlanFile) throws {
    try PlainFile.write(plan.bytes, to: "\(plans)/\(SHA256.hash(plan.bytes).hex).json")
  }

  /// The cap under which the first charge was made; `nil` while nothing was charged, when no result is known and a cap may be any.
  ///
  /// - Throws: `CommandFailure` when it is missing.
  func firstCap(of ledgers: [LedgerState]) throws -> PrivacyBudget? {
    guard ledgers.contains(where: { $0.firstPlan != nil }) else { return nil }
    let path = path + "/first-cap"
    let text = (try? String(contentsOfFile: path, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
    guard let first = text.flatMap(SimulationSettings.budget) else {
      throw CommandFailure(
        .data, "\(path) is missing or holds no EPSILON,DELTA: the cap of the first run, whose order holds for all; put it back")
    }
    return first
  }

  /// Remembers the cap of the run that charges first.
  func keep(firstCap cap: PrivacyBudget) throws {
    try PlainFile.write(Array("\(cap.epsilon),\(cap.delta)\n".utf8), to: path + "/first-cap")
  }

  /// Refuses a run that would not come to its end.
  ///
  /// - Throws: `CommandFailure` with what is spent, what the run needs and what to do.
  static func check(_ plan: PlanFile, on ledgers: [(name: String, state: LedgerState)], cap: SpendingCap, isCapGiven: Bool) throws
  {
    let events = charges(of: plan)
    for (name, state) in ledgers {
      let needed = cap.epsilon(of: state, and: events)
      guard !cap.holds(needed) else { continue }
      guard needed.isFinite else {
        throw CommandFailure(
          .stopped,
          "nothing can be proven about the ledger of '\(name)' with this run: plans/ no longer holds a plan that it was charged under (put it back), or plans differ in --max-partners-per-user (give the same)"
        )
      }
      let spent = state.recorded.epsilon(delta: cap.budget.delta)
      let first =
        cap.first == cap.budget ? "" : ", judged at the order of the first run's cap, ε = \(Text.significant(cap.first.epsilon))"
      throw CommandFailure(
        .stopped,
        "the ledger of '\(name)' has spent ε = \(text(spent)), and with this run it would need \(text(needed)) of a cap of ε = \(Text.significant(cap.budget.epsilon)) at δ = \(cap.budget.delta)\(isCapGiven ? "" : " (the plan's own; --cap sets one over all runs)")\(first): nothing was trained; give a larger --cap, or a smaller --epsilon"
      )
    }
  }

  /// What all releases of a plan are charged as, each once, and as many further attempts at the first of them.
  static func charges(of file: PlanFile, reserve: Int = 0) -> [(plan: Digest, event: ChargedEvent)] {
    let hash = SHA256.hash(file.bytes)
    let releases = file.plan.releases + (file.plan.releases.first.map { [PlannedRelease](repeating: $0, count: reserve) } ?? [])
    return releases.map { release in
      (plan: hash, event: release.event(file.plan.privacy).map { ChargedEvent.accounted($0) } ?? .unprotected)
    }
  }

  /// What a partner's ledger holds; `nil` where it was not begun.
  func state(of partner: String) throws -> LedgerState? {
    let path = file(partner, "ledger")
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let bytes = try PlainFile.read(path, bytesMax: PlainFile.ledgerBytesMax, followsLinks: false)
    return LedgerVerifier().verify(bytes).state
  }

  /// Rounded up.
  static func text(_ epsilon: Double) -> String { String(format: "%.4g", epsilon * 1.0005) }

  /// Shows the ledgers in a run's folder while it runs, so that one that is killed has them: links, where the file system makes them.
  func link(_ partners: [String], into folder: RunFolder) {
    for name in partners { try? FileManager.default.linkItem(atPath: file(name, "ledger"), toPath: folder.partnerLedger(name)) }
  }

  /// Copies the ledgers beside a run's results, in place of the links, and remembers how far each has come.
  func close(_ partners: [String], into folder: RunFolder) throws {
    for name in partners {
      let bytes = try PlainFile.read(file(name, "ledger"), bytesMax: PlainFile.ledgerBytesMax, followsLinks: false)
      let size = bytes.count { $0 == UInt8(ascii: "\n") }
      try PlainFile.write(Array("\(size) \(SHA256.hash(Array(bytes.dropLast())).hex)\n".utf8), to: file(name, "head"))
      try folder.write(bytes, to: folder.partnerLedger(name))
    }
  }
}
