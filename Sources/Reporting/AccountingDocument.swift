/// The sections on accounting and on the ledger.
extension PrivacyDocument {
  var accounting: DocumentSection? {
    guard !privacy.guarantees.isEmpty else { return nil }
    var blocks: [DocumentBlock] = []
    for guarantee in privacy.guarantees {
      blocks.append(.subheading("Against " + words.adversary(guarantee.against)))
      var facts = [
        DocumentFact("Theorem", guarantee.theorem ?? "not stated"),
        DocumentFact("ε, upper value", ReportNumber.upperBound(guarantee.epsilonUpper)),
        DocumentFact(
          "ε, lower value", guarantee.epsilonLower.map { ReportNumber.lowerBound($0) } ?? "not stated"),
        DocumentFact("δ", ReportNumber.delta(guarantee.delta)),
        DocumentFact("Tier", Wording.tier(guarantee.tier)),
      ]
      if let rho = guarantee.rho {
        facts.append(DocumentFact("ρ (zero-concentrated)", ReportNumber.upperBound(rho)))
      }
      if let mu = guarantee.mu { facts.append(DocumentFact("μ (Gaussian)", ReportNumber.upperBound(mu))) }
      if let numerics = guarantee.numerics { facts.append(DocumentFact("Numerics", numerics)) }
      blocks.append(.facts(facts))
      if !guarantee.assumptions.isEmpty {
        blocks += [.paragraph("The theorem assumes of this run:"), .list(guarantee.assumptions)]
      }
    }
    blocks += [deltaTable, groupTable, partnersTable, curveTable].compactMap { $0 }.map { .table($0) }
    return DocumentSection(id: "accounting", title: "Accounting", blocks: blocks)
  }

  var ledger: DocumentSection? {
    guard let ledger = privacy.ledger else { return nil }
    var facts: [DocumentFact] = []
    if let cap = privacy.cap {
      facts.append(
        DocumentFact(
          "Cap of the plan",
          "ε = \(ReportNumber.constant(cap.epsilon)) at δ = \(ReportNumber.delta(cap.delta)), against "
            + words.adversary(cap.against)))
    }
    if let total = privacy.total {
      facts += [
        DocumentFact("Spent over all plans (\(ReportNumber.count(total.planCount)))", total.words),
        DocumentFact(
          "Own cap over all plans",
          total.epsilonCap.map { "ε = \(ReportNumber.constant($0)) at δ = \(ReportNumber.delta(total.delta))" } ?? "none was set"),
        DocumentFact("Left of the own cap", total.epsilonRemaining.map { ReportNumber.lowerBound($0) } ?? "not stated"),
      ]
    }
    facts += [
      DocumentFact(
        "Remaining ε of the plan's cap", ledger.epsilonRemaining.map { ReportNumber.lowerBound($0) } ?? "not stated"),
      DocumentFact("Entries", ReportNumber.count(ledger.size)),
      DocumentFact("Head (hash of the last entry)", ledger.head ?? "not stated"),
    ]
    if let note = ledger.note { facts.append(DocumentFact("Extract", note)) }
    var blocks: [DocumentBlock] = [.facts(facts)]
    blocks += spendingTables.map { .table($0) }
    if !ledger.entries.isEmpty { blocks.append(.table(entryTable(ledger.entries))) }
    return DocumentSection(id: "ledger", title: "Ledger", blocks: blocks)
  }

  private func entryTable(_ entries: [LedgerEntryExtract]) -> DocumentTable {
    let shown = entries.abridged()
    let gap = entries.count - shown.count
    // Rounds and attempts count from 1 for people. A column that no entry fills is left out.
    let properties: [(column: DocumentTable.Column, value: (LedgerEntryExtract) -> String?)] = [
      (.init("Entry"), { String($0.index) }),
      (.init("Plan", numeric: false), { $0.plan }),
      (.init("Release", numeric: false), { $0.release }),
      (.init("Round"), { $0.round.map { String($0 + 1) } }),
      (.init("Attempt"), { $0.attempt.map { String($0 + 1) } }),
      (.init("Partners in the sum"), { $0.survivorCount.map { String($0) } }),
      (.init("Outcome", numeric: false), { $0.released ? "released" : "aborted, charged" }),
      (.init("ε so far"), { $0.epsilonAfter.map { ReportNumber.upperBound($0) } }),
      (.init("Hash", numeric: false), { $0.hash.map { $0.count > 16 ? $0.prefix(16) + "…" : $0 } }),
    ]
    let filled = properties.filter { property in entries.contains { property.value($0) != nil } }
    return DocumentTable(
      caption: "Charges in order", columns: filled.map(\.column),
      rows: shown.map { entry in filled.map { .init($0.value(entry) ?? "–") } },
      note: gap == 0
        ? nil : "\(ReportNumber.count(gap)) entries in the middle are left out here; report.json holds them.")
  }

  private var deltaTable: DocumentTable? {
    let deltas = Array(Set(privacy.guarantees.flatMap { $0.epsilonAtDelta.map(\.delta) })).sorted(by: >)
    guard !deltas.isEmpty else { return nil }
    return DocumentTable(
      caption: "ε (upper) at other δ",
      columns: [.init("δ", numeric: false)] + privacy.guarantees.map { .init(words.label($0.against)) },
      rows: deltas.map { delta in
        [.init(ReportNumber.delta(delta))]
          + privacy.guarantees.map { guarantee in
            let point = guarantee.epsilonAtDelta.first { $0.delta == delta }
            return .init(point.map { ReportNumber.upperBound($0.epsilon) } ?? "–")
          }
      })
  }

  private var groupTable: DocumentTable? {
    let rows = privacy.guarantees.flatMap { guarantee in
      guarantee.groups.map { group -> [DocumentTable.Cell] in
        [
          .init("\(words.label(guarantee.against)), \(group.size) \(group.size == 1 ? "unit" : "units")"),
          .init(ReportNumber.upperBound(group.epsilon)), .init(ReportNumber.delta(group.delta)),
          .init(Wording.shortTier(PrivacyTier(epsilon: group.epsilon))),
        ]
      }
    }
    guard !rows.isEmpty else { return nil }
    return DocumentTable(
      caption: "Groups: several units at once, such as a household",
      columns: [
        .init("Group", numeric: false), .init("ε, at most"), .init("δ"), .init("Tier", numeric: false),
      ],
      rows: rows)
  }

  /// Curves over the same values of δ: one row each, and no gaps.
  private func curveByDelta(_ guarantees: [Guarantee]) -> DocumentTable {
    DocumentTable(
      caption: "Points of the (ε, δ) curve",
      columns: [.init("δ", numeric: false)] + guarantees.map { .init("ε, at most: \(words.label($0.against))") },
      rows: guarantees[0].curve.indices.map { index in
        [.init(ReportNumber.delta(guarantees[0].curve[index].delta))]
          + guarantees.map { .init(ReportNumber.upperBound($0.curve[index].epsilon)) }
      })
  }

  /// A user may be at more partners than one; the headline's ε is for the most that the plan allows.
  private var partnersTable: DocumentTable? {
    let rows = privacy.guarantees.flatMap { guarantee in
      (guarantee.atPartners ?? []).map { entry -> [DocumentTable.Cell] in
        [
          .init(
            "\(words.label(guarantee.against)), \(entry.size) partner\(entry.size == 1 ? "" : "s")",
            detail: entry.size > privacy.unit.partnersPerUserMax ? "more than the plan allows" : nil),
          .init(ReportNumber.upperBound(entry.epsilon)), .init(ReportNumber.delta(entry.delta)),
        ]
      }
    }
    guard !rows.isEmpty else { return nil }
    return DocumentTable(
      caption: "Users whose data are at several partners",
      columns: [.init("User at", numeric: false), .init("ε, at most"), .init("δ")], rows: rows)
  }

  /// About 15 points of the curves, side by side where they share values of ε.
  private var curveTable: DocumentTable? {
    let guarantees = privacy.guarantees.filter { !$0.curve.isEmpty }
    let all = Array(Set(guarantees.flatMap { $0.curve.map(\.epsilon) })).sorted()
    guard !all.isEmpty else { return nil }
    if let first = guarantees.first, guarantees.count > 1,
      guarantees.allSatisfy({ $0.curve.map(\.delta) == first.curve.map(\.delta) })
    {
      return curveByDelta(guarantees)
    }
    let stride = (all.count + 14) / 15
    let shown = all.enumerated().filter { $0.offset.isMultiple(of: stride) }.map(\.element)
    return DocumentTable(
      caption: "Points of the (ε, δ) curve",
      columns: [.init("ε", numeric: false)]
        + guarantees.map { .init("δ, at most: \(words.label($0.against))") },
      rows: shown.map { epsilon in
        [.init(ReportNumber.upperBound(epsilon, digits: 3))]
          + guarantees.map { guarantee in
            let point = guarantee.curve.first { $0.epsilon == epsilon }
            return .init(point.map { ReportNumber.delta($0.delta) } ?? "–")
          }
      },
      note: shown.count == all.count ? nil : "report.json holds all \(ReportNumber.count(all.count)) points.")
  }
}

extension Array {
  /// At most 60 elements: all, or the first 20 and the last 40.
  func abridged() -> [Element] { count <= 60 ? self : Array(prefix(20) + suffix(40)) }
}
