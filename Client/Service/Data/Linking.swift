internal import CryptoPrimitives
public import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation

/// Says that people of one home are people of another, so that what both tasks charge is added up.
public enum Linking {
  public struct Result: Sendable {
    /// Paths of the two ledgers.
    public let own: String
    public let other: String
    /// Whether they were not linked with each other before.
    public let isNew: Bool
    /// All ledgers that count these people now, the own one among them.
    public let group: [String]
    /// The caps of the two; `nil` where none is set, and each plan's own cap is kept.
    public let ownCap: PrivacyBudget?
    public let otherCap: PrivacyBudget?
  }

  /// Links two ledgers at both sides. A second time it changes nothing, but for mending what an interruption left.
  ///
  /// - Parameters:
  ///   - name: a ledger or data set of this home; its only ledger when `nil`.
  ///   - path: the other home.
  ///   - otherName: the same there.
  ///   - patience: how long a charge under way is waited for.
  /// - Throws: `PartnerError` when the other is no home of this user, is this very home, or has no such ledger, or when what lies
  ///   beside a ledger cannot be read or written.
  @discardableResult
  public static func link(
    _ name: DataSetName?, of home: PartnerHome, store: PartnerStore, to path: String, _ otherName: DataSetName? = nil,
    patience: Duration = .seconds(10)
  ) throws -> Result {
    let other = try PartnerHome(at: path)
    let own = LedgerPlace(home, try Self.ledger(name, in: home, store: store, option: "--ledger"))
    // Opening a database makes it.
    let otherStore = HomeFile.exists(other.database) ? try PartnerStore(other) : nil
    guard otherStore != nil || !other.ledgers(except: []).isEmpty else {
      throw PartnerError(
        .usage, "\(other.path) is no partner's home: it has neither a database nor ledgers; give the folder that its --home names"
      )
    }
    guard FileIdentity(path: other.path) != FileIdentity(path: home.path) else {
      throw PartnerError(
        .usage,
        "\(other.path) is this home itself: its own ledgers know of each other, and data with users of one are counted by that one; name another home with --to"
      )
    }
    let target = LedgerPlace(other, try Self.ledger(otherName, in: other, store: otherStore, option: "--to-ledger"))
    let locks = try LedgerLocks.take(
      {
        Set(try LedgerGroup.members(of: own, isLenient: true).keys)
          .union(try LedgerGroup.members(of: target, isLenient: true).keys)
      }, patience: patience, waiting: {})
    defer { locks.release() }
    let before = try (LedgerLinks.read(own) ?? LedgerLinks(), LedgerLinks.read(target) ?? LedgerLinks())
    var after = before
    after.0.add(target)
    after.1.add(own)
    let isNew = after != before
    if isNew { try refuseCommonPlans(own, target) }
    // From here on each side misses the other when it is gone.
    for place in [own, target] {
      guard let head = try LedgerGroup.head(of: place, known: [before.0, before.1]) else { continue }
      after.0.note(head, of: place)
      after.1.note(head, of: place)
    }
    // First that there is a link: whoever is interrupted after that charges nothing until it is made.
    try store.noteLink(of: own.name)
    try otherStore?.noteLink(of: target.name)
    if after.0 != before.0 { try after.0.write(own) }
    if after.1 != before.1 { try after.1.write(target) }
    return Result(
      own: own.path, other: target.path, isNew: isNew,
      group: try LedgerGroup.members(of: own, isLenient: true).keys.map(\.path).sorted(),
      ownCap: try store.cap(ofLedger: own.name), otherCap: try otherStore?.cap(ofLedger: target.name))
  }

  /// No cap is proven where one plan stands charged on two ledgers of a group: linked, all of them would be charged nothing ever again.
  private static func refuseCommonPlans(_ own: LedgerPlace, _ target: LedgerPlace) throws {
    func plans(_ place: LedgerPlace) throws -> [(ledger: LedgerPlace, plans: Set<Digest>)] {
      try LedgerGroup.members(of: place, isLenient: true).keys.sorted().map { ledger in
        let charges = try LedgerGroup.state(of: HomeFile.content(ledger.path), ledger)?.charges ?? []
        return (ledger, Set(charges.filter { $0.refund == nil }.map(\.charge.plan)))
      }
    }
    let ours = try plans(own)
    for other in try plans(target) where !ours.contains(where: { $0.ledger == other.ledger }) {
      for mine in ours {
        guard let plan = mine.plans.intersection(other.plans).min(by: { $0.hex < $1.hex }) else { continue }
        throw PartnerError(
          .usage,
          "the ledgers \(mine.ledger) and \(other.ledger) were both charged under the plan \(plan.hex.prefix(16))…: if their people are the same, they were in one sum twice, which is more than that plan states for them, and no cap is proven over both. They are not linked, since nothing could be charged to either then: go on with one of the two homes, and leave the other"
        )
      }
    }
  }

  /// The ledger that a person means.
  private static func ledger(
    _ name: DataSetName?, in home: PartnerHome, store: PartnerStore?, option: String
  ) throws -> DataSetName {
    let dataSets = try store?.dataSets() ?? []
    let known = try dataSets.map(\.ledger.name) + (store?.lostLedgers() ?? home.ledgers(except: []))
    let names = Set(known.map(\.text)).sorted()
    let list = names.isEmpty ? "none: import data first" : names.joined(separator: ", ")
    guard let name else {
      guard let only = known.first, names.count == 1 else {
        throw PartnerError(.usage, "say which ledger of \(home.path) with \(option) (there are: \(list))")
      }
      return only
    }
    if names.contains(name.text) { return name }
    guard let record = dataSets.first(where: { $0.name == name }) else {
      throw PartnerError(.missing, "\(home.path) has no ledger and no data set '\(name)' (ledgers: \(list))")
    }
    return record.ledger.name
  }
}

extension PartnerStore {
  func isLinked(_ ledger: DataSetName) throws -> Bool {
    try setting(.linkedLedgers)?.split(separator: "\n").contains { $0 == ledger.text } ?? false
  }

  func noteLink(of ledger: DataSetName) throws {
    guard try !isLinked(ledger) else { return }
    try set(.linkedLedgers, to: (setting(.linkedLedgers).map { $0 + "\n" } ?? "") + ledger.text)
  }

  func cap(ofLedger ledger: DataSetName) throws -> PrivacyBudget? {
    try ledgers().first { $0.ledger.name == ledger }?.ledger.cap
  }
}
