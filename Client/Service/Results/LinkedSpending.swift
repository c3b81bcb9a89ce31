internal import FederatedLearning

/// A ledger of another home that counts the same people, and what it has spent.
public struct LinkedSpending: Encodable, Sendable, Equatable {
  /// Where it lies.
  public let ledger: String
  /// `nil` where there is no finite ε, or where it cannot be said.
  public let epsilonSpent: Double?
  /// Why it cannot be counted, in a sentence: nothing is charged then.
  public let trouble: String?

  /// Reads on in a list.
  public var text: String {
    if let trouble { return "linked with \(ledger), of which nothing can be said: \(trouble)" }
    return "linked with \(ledger), which has spent \(PlanReview.epsilonText(epsilonSpent ?? .infinity))"
  }
}

/// The linked ledgers of one ledger as they are now, for people and reviews; whoever charges reads them again, under locks.
public struct LinkedReading: Sendable {
  let charged: ChargedElsewhere
  /// Why they cannot be counted, in a sentence.
  let trouble: String?
  private let ledgers: [(place: LedgerPlace, state: LedgerState?)]

  init(_ name: DataSetName, home: PartnerHome, store: PartnerStore) {
    let group = LedgerGroup(name, home: home, store: store)
    let reading = Result { (try group.linked(), try group.charged()) }
    switch reading {
    case .success(let (linked, charged)): (ledgers, self.charged, trouble) = (linked, charged, nil)
    case .failure(let error): (ledgers, charged, trouble) = (group.places().map { ($0, nil) }, .nothing, "\(error)")
    }
  }

  static func all(of dataSets: [DataSetRecord], home: PartnerHome, store: PartnerStore) -> [DataSetName: LinkedReading] {
    Set(dataSets.map(\.ledger.name)).reduce(into: [:]) { $0[$1] = LinkedReading($1, home: home, store: store) }
  }

  func spending(delta: Double) -> [LinkedSpending] {
    ledgers.map { place, state in
      let spent = state?.recorded.epsilon(delta: delta) ?? 0
      return LinkedSpending(
        ledger: place.path, epsilonSpent: trouble == nil && spent.isFinite ? spent : nil, trouble: trouble)
    }
  }
}
