internal import CommandSupport
internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import SecureAggregation
internal import Storage

/// Ledgers of simulated partners that outlive their runs (`--ledgers FOLDER`): what several runs on the same people spend is counted
/// together, and a cap over all of them stops the run that would pass it.
///
/// For each partner its ledger, its signing key and the longest head that was seen of the ledger (`NAME.head`); `users`, a hash of whom each
/// of them counts; `plans/HASH.json` for every plan that was charged. The cap over all runs stands in the ledgers themselves (`CapNote`).
/// Charges are written here before anything leaves a partner, so that a run that is killed has spent what it spent. A run's own folder has
/// links to the ledgers while it runs, and copies in the end.
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
      let other = others.sorted().first(where: { name in
        !Self.endings.contains { name.hasSuffix($0) } && name != "plans" && name != "users"
      })
    {
      throw CommandFailure(
        .usage,
        "--ledgers \(path) holds '\(other)', which is no ledger's: move it out of the folder. Where no ledgers were kept yet, give a folder of its own, which is made when it is missing"
      )
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

  /// Refuses a run's folder in that of the ledgers, which holds nothing else, or around it.
  static func refuse(output: String, around ledgers: String) throws {
    func whole(_ path: String) -> String { URL(filePath: path).resolvingSymlinksInPath().path + "/" }
    let (kept, run) = (whole(ledgers), whole(output))
    guard !run.hasPrefix(kept), !kept.hasPrefix(run) else {
      throw CommandFailure(
        .usage, "the run's folder \(output) and that of --ledgers, \(ledgers), are in each other; give another --output")
    }
  }

  private static let endings = [".ledger", ".key", ".head", ".new"]
  private var plans: String { path + "/plans" }
  private var users: String { path + "/users" }
  /// As in a run's folder, so that no name leaves it.
  private func file(_ partner: String, _ ending: String) -> String {
    "\(path)/\(RunFolder.fileName(ofPartner: partner)).\(ending)"
  }

  /// The keys that sign the partners' ledgers: those that are here, or fresh ones in a folder that is begun.
  ///
  /// - Parameter partners: with their users.
  /// - Throws: `CommandFailure` unless these are the partners of the folder, each with the same users; nothing is written then.
  func keys(of partners: [(name: String, users: [String])], random: inout some RandomSource) throws -> [SigningKey] {
    // A run that was refused before it began a ledger leaves a key, and nothing that was charged.
    let isBegun = try isBegun(by: partners)
    return try partners.map { name, _ in
      isBegun || FileManager.default.fileExists(atPath: file(name, "key"))
        ? try KeyFile.read(at: file(name, "key")) : try KeyFile.create(at: file(name, "key"), random: &random)
    }
  }

  /// Whether the ledgers count these partners; `false` in a folder where nothing was ever charged.
  ///
  /// - Throws: `CommandFailure` where they count others.
  func isBegun(by partners: [(name: String, users: [String])]) throws -> Bool {
    let files = FileManager.default
    guard let known = try counted() else { return false }
    let here = Set(partners.map(\.name))
    guard Set(known.keys) == here else {
      let strange = Set(known.keys).symmetricDifference(here).sorted()[0]
      throw CommandFailure(
        .data,
        "the ledgers in \(path) are of other partners than these (\(strange), for one): users who were counted there would have a second budget here; give the data and --partners that they were begun with"
      )
    }
    for (name, users) in partners {
      guard known[name] == Self.hash(of: users) else {
        throw CommandFailure(
          .data,
          "\(file(name, "ledger")) counts other users than '\(name)' has in these data (by \(self.users)); a ledger counts people, and these could be counted twice or not at all: give the data and --partners that it was begun with"
        )
      }
      for ending in ["key", "ledger", "head"] where !files.fileExists(atPath: file(name, ending)) {
        throw CommandFailure(
          .noInput, "\(file(name, ending)) is missing, and with it what '\(name)' has spent or who signs for it; put it back")
      }
    }
    return true
  }

  /// Keeps other runs from the folder while the result lives: each would count without the other's charges.
  ///
  /// - Throws: `StorageError` while another run is at it.
  func held() throws -> DirectoryLock { try DirectoryLock(path) }

  /// A hash of the users that each partner's ledger counts; `nil` in a folder where nothing was ever charged.
  ///
  /// - Throws: `CommandFailure` where something was, and nothing says to whom.
  private func counted() throws -> [String: String]? {
    let files = FileManager.default
    let names = try Set(files.contentsOfDirectory(atPath: path))
    let charged = try names.sorted().filter { name in
      guard name.hasSuffix(".ledger") else { return false }
      let bytes = try PlainFile.read("\(path)/\(name)", bytesMax: PlainFile.ledgerBytesMax, followsLinks: false)
      guard let state = LedgerVerifier().verify(bytes).state else {
        throw CommandFailure(
          .data,
          "\(path)/\(name) is no ledger that can be read; put the whole one back, or remove it if nothing was ever charged")
      }
      return state.firstPlan != nil
    }
    if files.fileExists(atPath: users) {
      let bytes = try PlainFile.read(users, bytesMax: PlainFile.documentBytesMax, followsLinks: false)
      if let known = try? JSONDecoder().decode([String: String].self, from: Data(bytes)), !known.isEmpty {
        let listed = Set(known.keys.map { "\(RunFolder.fileName(ofPartner: $0)).ledger" })
        guard let strange = charged.first(where: { !listed.contains($0) }) else { return known }
        throw CommandFailure(
          .data,
          "\(path)/\(strange) was charged, and \(users) does not say for whom: its users may be counted twice; move it to a folder of its own, or put back the file that was written there"
        )
      }
    } else {
      // A head is written before the folder is said to count anybody; without its ledger, that was taken away.
      let isLost = names.contains { name in
        name.hasSuffix(".head") && !names.contains("\(name.dropLast(".head".count)).ledger")
      }
      if try charged.isEmpty && !isLost && files.contentsOfDirectory(atPath: plans).isEmpty { return nil }
    }
    throw CommandFailure(
      .data, "\(users) is missing or is not what was written there, and nothing else says whom the ledgers count; put it back")
  }

  /// Opens a partner's ledger, or makes it.
  ///
  /// - Throws: `CommandFailure` when it was cut back; `StorageError`.
  func ledger(of partner: String, header: () throws -> [UInt8]) throws -> LedgerFile {
    let path = file(partner, "ledger")
    guard FileManager.default.fileExists(atPath: path) else { return try LedgerFile.create(at: path, header: try header()) }
    let ledger = try LedgerFile.open(at: path)
    // Written before the folder is said to count anybody, so that it is there for whatever was charged.
    guard FileManager.default.fileExists(atPath: file(partner, "head")) else { return ledger }
    let text = String(decoding: try PlainFile.read(file(partner, "head"), bytesMax: 1 << 12, followsLinks: false), as: UTF8.self)
    let parts = text.split(whereSeparator: \.isWhitespace)
    guard parts.count == 2, let size = UInt64(parts[0]), let hash = Digest(hex: String(parts[1])),
      LedgerVerifier().verify(ledger.content).state?.isExtension(of: LedgerHead(size: size, head: hash)) == true
    else {
      throw CommandFailure(
        .data,
        "\(path) was cut back or changed: it does not go on from the \(parts.first ?? "?") records that were seen of it (\(file(partner, "head"))); put the whole ledger back"
      )
    }
    return ledger
  }

  /// Says of a folder that is begun whom its ledgers count: all of it or nothing.
  func begin(_ partners: [(name: String, users: [String])]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    let hashes = Dictionary(uniqueKeysWithValues: partners.map { ($0.name, Self.hash(of: $0.users)) })
    try PlainFile.write(Array(try encoder.encode(hashes)) + [0x0A], to: users)
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

  /// The cap that a ledger is judged by: what this run was told, what stands in the ledger, or the plan's own.
  ///
  /// - Parameters:
  ///   - told: by `--cap`.
  ///   - plans: that the ledger may hold charges of, this run's among them.
  /// - Throws: `CommandFailure` for a ledger that was charged under no cap.
  private static func cap(
    _ told: PrivacyBudget?, of state: LedgerState?, _ name: String, own: PrivacyBudget, plans: [Digest: TrainingPlan]
  ) throws -> SpendingCap {
    let budget = told ?? state?.cap ?? own
    // One δ for all, from the first charge on, or a large one would make any ε small.
    let deltas = [budget.delta] + (state?.firstPlan == nil ? [] : [state?.cap?.delta, state?.firstCap?.delta].compactMap { $0 })
    guard let other = deltas.first(where: { $0 != own.delta }) else { return try cap(budget, of: state, name, plans: plans) }
    throw CommandFailure(
      .usage,
      "the cap over all runs is at δ = \(other), and this run's --delta is \(own.delta); expected the same for all runs on the ledgers, and for --cap"
    )
  }

  private static func cap(
    _ budget: PrivacyBudget, of state: LedgerState?, _ name: String, plans: [Digest: TrainingPlan]
  ) throws -> SpendingCap {
    guard state?.firstPlan == nil || state?.firstCap != nil else {
      throw CommandFailure(
        .data,
        "the ledger of '\(name)' was charged under no cap over all runs; it is not one that --ledgers began: give another folder")
    }
    return SpendingCap(budget, first: state?.firstCap, plans: plans)
  }

  /// The cap of each partner for a run, all of whose releases fit.
  ///
  /// - Parameters:
  ///   - told: by `--cap`.
  ///   - states: of the ledgers in the order of the roster; `nil` where one was not begun.
  ///   - plans: that the ledgers may hold charges of, but for this one.
  /// - Throws: `CommandFailure` when the run would not come to its end.
  static func caps(
    of file: PlanFile, told: PrivacyBudget?, on states: [LedgerState?], earlier plans: [Digest: TrainingPlan]
  ) throws -> [SpendingCap] {
    guard let own = file.plan.cap else { preconditionFailure("kept ledgers are of plans with noise") }
    let plans = plans.merging([SHA256.hash(file.bytes): file.plan]) { $1 }
    return try zip(file.plan.roster.map(\.name), states).map { name, state in
      let cap = try cap(told, of: state, name, own: own, plans: plans)
      try check(charges(of: file), on: state, of: name, cap: cap, isCapGiven: told != nil)
      return cap
    }
  }

  /// Refuses a run that would not come to its end.
  ///
  /// - Throws: `CommandFailure` with what is spent, what the run needs and what to do.
  private static func check(
    _ charges: [(plan: Digest, event: ChargedEvent)], on state: LedgerState?, of name: String, cap: SpendingCap, isCapGiven: Bool
  ) throws {
    let needed = cap.epsilon(of: state, and: charges)
    guard !cap.holds(needed) else { return }
    guard needed.isFinite else {
      throw CommandFailure(
        .stopped,
        "nothing can be proven about the ledger of '\(name)' with this run: plans/ no longer holds a plan that it was charged under (put it back), or plans differ in --max-partners-per-user (give the same)"
      )
    }
    let spent = state?.recorded.epsilon(delta: cap.budget.delta) ?? 0
    let first =
      cap.first == cap.budget ? "" : ", judged at the order of the first run's cap, ε = \(Text.significant(cap.first.epsilon))"
    let whose =
      isCapGiven
      ? ""
      : state?.cap == nil
        ? " (the plan's own; --cap sets one over all runs)" : " (of an earlier run; --cap sets one over all runs)"
    throw CommandFailure(
      .stopped,
      "the ledger of '\(name)' has spent ε = \(text(spent)), and with this run it would need \(text(needed)) of a cap of ε = \(Text.significant(cap.budget.epsilon)) at δ = \(cap.budget.delta)\(whose)\(first): nothing was trained; give a larger --cap, or a smaller --epsilon"
    )
  }

  /// What all releases of a plan are charged as, each once, and as many further attempts at the first of them.
  static func charges(of file: PlanFile, reserve: Int = 0) -> [(plan: Digest, event: ChargedEvent)] {
    let hash = SHA256.hash(file.bytes)
    let releases = file.plan.releases + (file.plan.releases.first.map { [PlannedRelease](repeating: $0, count: reserve) } ?? [])
    return releases.map { release in
      (plan: hash, event: release.event(file.plan.privacy).map { ChargedEvent.accounted($0) } ?? .unprotected)
    }
  }

  /// What all ledgers of the folder hold.
  func states() throws -> [LedgerState] {
    try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".ledger") }.compactMap { name in
      LedgerVerifier().verify(
        try PlainFile.read("\(path)/\(name)", bytesMax: PlainFile.ledgerBytesMax, followsLinks: false)
      ).state
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

  /// Remembers how far a ledger has come.
  func keep(_ head: LedgerHead, of name: String) throws {
    try PlainFile.write(Array("\(head.size) \(head.head.hex)\n".utf8), to: file(name, "head"))
  }

  /// Copies the ledgers beside a run's results, in place of the links.
  func close(_ partners: [String], into folder: RunFolder) throws {
    for name in partners {
      let bytes = try PlainFile.read(file(name, "ledger"), bytesMax: PlainFile.ledgerBytesMax, followsLinks: false)
      try folder.write(bytes, to: folder.partnerLedger(name))
    }
  }
}
