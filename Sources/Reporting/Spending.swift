/// What was charged, apart from the sum: by whom, and for what.
public struct SpendRow: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable, CaseIterable {
    /// One partner's ledger: what its users spent.
    case partner
    /// One kind of release of the model, all its rounds together.
    case family
  }

  public var kind: Kind
  /// Name of the partner, or of the release.
  public var name: String
  /// Charges that count.
  public var charges: Int
  /// Upper value of ε of these charges alone; ε of parts do not add up to ε of the whole. `nil` where there is no finite one.
  public var epsilon: Double?
  public var delta: Double
  /// What the cap leaves; `nil` without a cap or for a family.
  public var epsilonRemaining: Double?

  public init(
    kind: Kind, name: String, charges: Int, epsilon: Double?, delta: Double, epsilonRemaining: Double? = nil
  ) {
    self.kind = kind
    self.name = name
    self.charges = charges
    self.epsilon = epsilon
    self.delta = delta
    self.epsilonRemaining = epsilonRemaining
  }
}

/// How often private data of one data set were trained on: every plan and every search of its ledger.
public struct DataSetUse: Codable, Sendable, Equatable {
  /// Plans under which something was charged, this one included.
  public var plans: Int
  /// Searches over settings that the ledger names.
  public var searches: Int
  /// Upper value of ε of everything charged; `nil` where there is no finite one.
  public var epsilon: Double?
  public var delta: Double
  /// Whether the ledger began with this run, as a simulation's does: other runs on the same data have their own.
  public var isOfThisRun: Bool?

  public init(plans: Int, searches: Int, epsilon: Double?, delta: Double, isOfThisRun: Bool = false) {
    self.isOfThisRun = isOfThisRun ? true : nil
    self.plans = plans
    self.searches = searches
    self.epsilon = epsilon
    self.delta = delta
  }

  /// One sentence for people.
  var sentence: String {
    let plans = "\(ReportNumber.count(self.plans)) plan\(self.plans == 1 ? "" : "s")"
    let searches = "\(ReportNumber.count(self.searches)) search\(self.searches == 1 ? "" : "es")"
    let spent =
      epsilon.map { "ε ≤ \(ReportNumber.upperBound($0)) at δ = \(ReportNumber.delta(delta))" }
      ?? "no finite ε: a sum was released without noise"
    let counted = "\(plans), \(searches) over settings; spent in total: \(spent)"
    return isOfThisRun == true
      ? "This run's own ledger, which began with it: \(counted). Other runs on the same data have ledgers of their own, which are not counted."
      : "This data set, by its ledger: \(counted)."
  }
}

extension PrivacyDocument {
  /// Spend by partner and by family of releases.
  var spendingTables: [DocumentTable] {
    SpendRow.Kind.allCases.compactMap { kind in
      let rows = (privacy.spending ?? []).filter { $0.kind == kind }
      guard !rows.isEmpty else { return nil }
      let shown = rows.abridged()
      let hasRemaining = rows.contains { $0.epsilonRemaining != nil }
      var columns: [DocumentTable.Column] = [
        .init(kind == .partner ? "Partner" : "Release", numeric: false), .init("Charges"), .init("ε, at most"), .init("δ"),
      ]
      if hasRemaining { columns.append(.init("ε left of the cap")) }
      return DocumentTable(
        caption: kind == .partner ? "Spent, by partner" : "Spent, by model family",
        columns: columns, rows: shown.map { cells($0, hasRemaining: hasRemaining) },
        note: kind == .partner
          ? "What one partner's users spent under this plan. One user's loss is that of the partner that holds the user, not a sum over partners."
          : "Each row by itself; ε of the rows do not add up, what they cost together is ε of the task.")
    }
  }

  private func cells(_ row: SpendRow, hasRemaining: Bool) -> [DocumentTable.Cell] {
    var cells: [DocumentTable.Cell] = [
      .init(row.name), .init(ReportNumber.count(row.charges)),
      .init(row.epsilon.map { ReportNumber.upperBound($0) } ?? "unbounded"), .init(ReportNumber.delta(row.delta)),
    ]
    if hasRemaining { cells.append(.init(row.epsilonRemaining.map { ReportNumber.lowerBound($0) } ?? "–")) }
    return cells
  }
}
