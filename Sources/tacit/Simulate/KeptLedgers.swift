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
/// For each partner its ledger and its signing key, and `NAME.users`, a hash of whom the ledger counts; `plans/HASH.json` for every plan
/// that was charged; `first-cap`, the cap under which the first charge was made (`SpendingCap`). Charges are written here before anything
/// leaves a partner, so that a run that is killed has spent what it spent; a run that ends has copies in its own folder.
struct KeptLedgers {
  let path: String

  /// Opens the folder, or makes it.
  ///
  /// - Throws: `CommandFailure` when something else is in it.
  init(at path: String) throws {
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard !path.isEmpty else { throw CommandFailure(.usage, "--ledgers is empty; expected a folder such as ledgers/shop") }
    let files = FileManager.default
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
    } catch { throw CommandFailure(.cannotCreate, "--ledgers \(path): \(error.localizedDescription)") }
  }

  private static let endings = [".ledger", ".key", ".users", "first-cap", ".new"]
  private var plans: String { path + "/plans" }
  /// As in a run's folder, so that no name leaves it.
  private func file(_ partner: String, _ ending: String) -> String {
    let name = RunFolder.fileName(ofPartner: partner)
    return "\(path)/\(name).\(ending)"
  }

  /// The key that signs a partner's ledger: the one that is here, or a fresh one.
  func key(of partner: String, random: inout some RandomSource) throws -> SigningKey {
    let (path, ledger) = (file(partner, "key"), file(partner, "ledger"))
    let files = FileManager.default
    guard !files.fileExists(atPath: path) else { return try KeyFile.read(at: path) }
    guard !files.fileExists(atPath: ledger) else {
      throw CommandFailure(
        .noInput, "\(path) is missing, the key that signs \(ledger); put it back, or begin with another folder")
    }
    return try KeyFile.create(at: path, random: &random)
  }

  /// Opens a partner's ledger, or makes it.
  ///
  /// - Parameter users: whom it counts.
  /// - Throws: `CommandFailure` when it counts others; `StorageError`.
  func ledger(of partner: String, users: [String], key: SigningKey, header: () throws -> [UInt8]) throws -> LedgerFile {
    let (ledger, whom) = (file(partner, "ledger"), file(partner, "users"))
    let hash = Self.hash(of: users)
    guard FileManager.default.fileExists(atPath: ledger) else {
      try PlainFile.write(Array((hash + "\n").utf8), to: whom)
      return try LedgerFile.create(at: ledger, header: try header())
    }
    let known = (try? String(contentsOfFile: whom, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
    guard known == hash else {
      throw CommandFailure(
        .data,
        "\(ledger) counts other users than '\(partner)' has in these data (by \(whom)); a ledger counts people: use the data and --partners that it was begun with, or another folder"
      )
    }
    return try LedgerFile.open(at: ledger)
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

  /// The cap under which the first charge was made; `nil` while there was none.
  func knownFirstCap() throws -> PrivacyBudget? {
    let path = path + "/first-cap"
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    guard let first = SimulationSettings.budget(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
      throw CommandFailure(.data, "\(path): found '\(text)', expected EPSILON,DELTA; put back what was written there")
    }
    return first
  }

  /// The same; from the first run on the one that is given here.
  func firstCap(otherwise cap: PrivacyBudget?) throws -> PrivacyBudget? {
    if let first = try knownFirstCap() { return first }
    guard let cap else { return nil }
    try PlainFile.write(Array("\(cap.epsilon),\(cap.delta)\n".utf8), to: path + "/first-cap")
    return cap
  }

  /// Refuses a run that would not come to its end.
  ///
  /// - Throws: `CommandFailure` with what is spent, what the run needs and what to do.
  static func check(_ plan: PlanFile, on ledgers: [(name: String, state: LedgerState)], cap: SpendingCap?, isCapGiven: Bool)
    throws
  {
    guard let cap else { return }
    let events = charges(of: plan)
    for (name, state) in ledgers where !state.charges.isEmpty {
      let needed = cap.epsilon(of: state, and: events)
      guard !cap.holds(needed) else { continue }
      guard needed.isFinite else {
        throw CommandFailure(
          .stopped,
          "nothing can be proven about the ledger of '\(name)' with this run: it was charged without noise, or plans/ no longer holds a plan that it was charged under; put the plan back, or begin with another folder"
        )
      }
      let spent = state.recorded.epsilon(delta: cap.budget.delta)
      throw CommandFailure(
        .stopped,
        "the ledger of '\(name)' has spent ε = \(Self.text(spent)), and with this run it would need \(Self.text(needed)) of a cap of ε = \(Text.significant(cap.budget.epsilon)) at δ = \(cap.budget.delta)\(isCapGiven ? "" : " (the plan's own; --cap sets one over all runs)"): nothing was trained; give a larger --cap, or a smaller --epsilon"
      )
    }
  }

  /// What all releases of a plan are charged as, each once.
  static func charges(of file: PlanFile) -> [(plan: Digest, event: ChargedEvent)] {
    let hash = SHA256.hash(file.bytes)
    return file.plan.releases.map { release in
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

  /// Copies the ledgers beside a run's results.
  func copy(_ partners: [String], to folder: RunFolder) throws {
    for name in partners {
      let bytes = try PlainFile.read(file(name, "ledger"), bytesMax: PlainFile.ledgerBytesMax, followsLinks: false)
      try folder.write(bytes, to: folder.partnerLedger(name))
    }
  }
}
