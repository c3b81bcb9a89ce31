/// Two reports side by side: every figure that people compare, and whether it differs.
public struct ReportDifference: Encodable, Sendable, Equatable {
  public struct Row: Encodable, Sendable, Equatable {
    public let figure: String
    public let first: String?
    public let second: String?
    public let differs: Bool
  }

  public let rows: [Row]

  public init(_ first: RunReport, _ second: RunReport) {
    let (a, b) = (Self.figures(first.publishable()), Self.figures(second.publishable()))
    var names = a.map(\.term)
    for fact in b where !names.contains(fact.term) { names.append(fact.term) }
    rows = names.map { name in
      let (left, right) = (a.first { $0.term == name }?.text, b.first { $0.term == name }?.text)
      return Row(figure: name, first: left, second: right, differs: left != right)
    }
  }

  public var differences: Int { rows.count { $0.differs } }

  /// A table for a terminal; `<>` marks what differs.
  public func text(first: String, second: String, onlyDifferences: Bool = false) -> String {
    let shown = rows.filter { $0.differs || !onlyDifferences }
    var cells = [["", "", first, second]]
    for row in shown {
      let texts = [row.differs ? "<>" : "  ", row.figure, row.first ?? "–", row.second ?? "–"]
      cells.append(texts.map(Escaping.visible))
    }
    let widths = (0..<4).map { column -> Int in cells.map { TerminalWidth.of($0[column]) }.max() ?? 0 }
    let lines = cells.map { row in
      var line = zip(row, widths).map { TerminalWidth.padded($0, to: $1, right: false) }.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
    return (lines + ["", "\(differences) of \(rows.count) figures differ."]).joined(separator: "\n")
  }

  private static func figures(_ report: RunReport) -> [DocumentFact] {
    let (privacy, words) = (report.privacy, Wording(report.privacy))
    var facts: [DocumentFact] = []
    func add(_ term: String, _ value: String?) { if let value { facts.append(DocumentFact(term, value)) } }
    add("Run", report.identity.runID)
    add("Algorithm", report.identity.algorithm)
    add("Data set", report.identity.dataSet)
    add("Plan", report.identity.planHash.map { "\($0.prefix(16))…" })
    add("Signer", report.identity.signerKeyFingerprint.map { "\($0.prefix(16))…" })
    add("Code version", report.identity.codeVersion)
    add("Noise", privacy.setting.noise.rawValue)
    add("Secure aggregation", privacy.setting.secureAggregation ? "on" : "off")
    add("Partners", ReportNumber.count(privacy.setting.partnerCount))
    add("Threshold", privacy.setting.threshold.map(ReportNumber.count))
    add("Fewest partners in a sum", privacy.setting.survivorCountMin.map(ReportNumber.count))
    add("Colluding partners", privacy.setting.colluderCount.map(ReportNumber.count))
    add("Unit", words.shortUnit)
    add("Adjacency", words.shortAdjacency.value)
    add("Partners per user", ReportNumber.count(privacy.unit.partnersPerUserMax))
    add("Cap on ε", privacy.cap.map { "\(ReportNumber.constant($0.epsilon)) at δ = \(ReportNumber.delta($0.delta))" })
    for guarantee in privacy.guarantees {
      let against = guarantee.against.rawValue
      add(
        "ε against \(against)",
        "≤ \(ReportNumber.upperBound(guarantee.epsilonUpper)) at δ = \(ReportNumber.delta(guarantee.delta))")
      add("ρ against \(against)", guarantee.rho.map { ReportNumber.upperBound($0) })
      add("μ against \(against)", guarantee.mu.map { ReportNumber.upperBound($0) })
      for group in guarantee.groups where group.size > 1 {
        add("ε of \(group.size) users, \(against)", "≤ \(ReportNumber.upperBound(group.epsilon))")
      }
      for reading in guarantee.attack {
        add(
          "Recognised at \(ReportNumber.rounded(reading.falsePositiveRate * 100)) % false alarms, \(against)",
          "≤ \(ReportNumber.upperPercentage(reading.truePositiveRateMax))")
      }
    }
    add("Rounds run", privacy.rounds.map { "\($0.completed) of \($0.planned)" })
    add("Attempts aborted, charged", privacy.rounds.map { ReportNumber.count($0.abortedButCharged) })
    add("ε left of the cap", privacy.ledger?.epsilonRemaining.map { ReportNumber.lowerBound($0) })
    for row in privacy.spending ?? [] where row.kind == .family {
      add("ε of \(row.name)", row.epsilon.map { "≤ \(ReportNumber.upperBound($0))" } ?? "unbounded")
    }
    for mechanism in privacy.mechanisms {
      add("z of \(mechanism.name)", mechanism.noiseMultiplier.map { ReportNumber.lowerBound($0) })
      add("q of \(mechanism.name)", mechanism.samplingRate.map(ReportNumber.constant))
    }
    for row in report.utility?.quality?.rows ?? [] where row.partner == nil {
      for value in row.metrics {
        add("\(value.metric.rawValue), \(Wording.method(row.method))", ReportNumber.decimals(value.value, 3))
      }
    }
    for row in report.utility?.released?.last?.rows ?? [] {
      for value in row.metrics {
        add(
          "\(value.metric.rawValue), \(row.historyLength.map { "histories of \($0)" } ?? "all users"), noised",
          ReportNumber.decimals(value.value, 3))
      }
    }
    add("Bytes up, all partners", report.cost.map { ReportNumber.bytes($0.traffic.reduce(0) { $0 + $1.bytesUp }) })
    for hazard in Hazard.Kind.allCases where report.hazards.contains(where: { $0.kind == hazard }) {
      add("Hazard: \(Wording.hazard(hazard))", "yes")
    }
    return facts
  }
}
