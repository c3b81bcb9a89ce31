/// The privacy report on one page of plain text: claim, then the points that a data-protection officer signs, one line of thought each.
struct OnePage {
  let report: RunReport
  let width: Int

  private var privacy: PrivacyReport { report.privacy }
  private var words: Wording { Wording(privacy) }

  var text: String {
    let document = ReportDocument(report)
    var lines = ["PRIVACY REPORT  \(Escaping.visible(report.identity.runID))", String(repeating: "=", count: width)]
    lines += TextLines.wrap(document.claim.headline + ".", width: width)
    lines += TextLines.wrap(document.claim.statement, width: width) + [""]
    for (index, point) in points.enumerated() {
      let label = TerminalWidth.padded("\(index + 1). \(point.term)", to: Self.column, right: false)
      let body = TextLines.wrap(Escaping.visible(point.text), width: width - Self.column)
      lines += body.enumerated().map { ($0.offset == 0 ? label : String(repeating: " ", count: Self.column)) + $0.element }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static let column = 19

  private var points: [DocumentFact] {
    [
      DocumentFact("Run", run), DocumentFact("Trust", trust), DocumentFact("Coverage", coverage), DocumentFact("Unit", unit),
      DocumentFact("Neighbours", "\(words.adjacencyMeaning) Distance \(privacy.unit.distance ?? "not stated")."),
      DocumentFact("Mechanism", mechanism), DocumentFact("Sampling", sampling), DocumentFact("Rounds", rounds),
      DocumentFact("Accounting", accounting), DocumentFact("Guarantees", guarantees), DocumentFact("Ledger", ledger),
      DocumentFact("Looks at data", looks),
      DocumentFact("Data", "Public: \(list(privacy.publicData)). Never leaves a partner: \(list(privacy.neverLeaves))."),
      DocumentFact("Audit", audit), DocumentFact("Hazards", hazards + quality),
      DocumentFact("Recompute", report.commands.first.map(\.command) ?? "no command is given"),
    ]
  }

  private var run: String {
    let identity = report.identity
    let parts: [String?] = [
      identity.algorithm, identity.planHash.map { "plan \($0.prefix(16))…" }, identity.codeVersion,
      identity.accountantName.map { "accountant \($0)" }, identity.signerKeyFingerprint.map { "signer \($0.prefix(16))…" },
      identity.createdAt,
    ]
    return parts.compactMap { $0 }.joined(separator: "; ")
  }

  private var trust: String {
    let setting = privacy.setting
    let parts: [String?] = [
      "noise \(words.noise)", "secure aggregation \(setting.secureAggregation ? "on" : "off")",
      "\(setting.partnerCount) partners",
      setting.threshold.map { "threshold \($0)" + (setting.holderCount.map { " of \($0) drawn" } ?? "") },
      setting.survivorCountMin.map { "at least \($0) in a sum" }, setting.colluderCount.map { "\($0) may collude" },
    ]
    return parts.compactMap { $0 }.joined(separator: "; ")
  }

  private var coverage: String {
    "\(privacy.covered.count) statements on what is covered, \(privacy.notCovered.count) on what is not, in the whole report"
      + (privacy.notCovered.first.map { "; not covered, among others: \($0)" } ?? "")
  }

  private var unit: String {
    "\(words.unit), at no more than \(privacy.unit.partnersPerUserMax) partner\(privacy.unit.partnersPerUserMax == 1 ? "" : "s"); linked by \(privacy.unit.linkage ?? "nothing stated")"
  }

  private var mechanism: String {
    let releases = privacy.mechanisms.prefix(4).map { release in
      let figures = [
        release.sensitivitySquared.map { "Δ² \(ReportNumber.count($0))" },
        release.noiseVariance.map { "σ² \(ReportNumber.count($0))" },
        release.modulusBits.map { "\($0) bits" },
      ].compactMap { $0 }
      return "\(release.name) × \(release.timesPlanned ?? 1) (\(figures.joined(separator: ", ")))"
    }
    guard !releases.isEmpty else { return "not stated" }
    let kind = privacy.mechanisms.compactMap(\.mechanism).first ?? "no noise"
    return "\(kind): \(releases.joined(separator: "; "))\(privacy.mechanisms.count > 4 ? "; more in the whole report" : "")"
  }

  private var sampling: String {
    let samplers = privacy.mechanisms.compactMap { release in
      release.sampler.map { sampler in
        "\(release.name): \(sampler)" + (release.samplingRate.map { ", q = \(ReportNumber.constant($0))" } ?? "")
      }
    }
    let same = Set(privacy.mechanisms.map { "\($0.sampler ?? "") \($0.samplingRate ?? 1)" }).count == 1
    let cohort = privacy.mechanisms.first?.cohortExpected.map { "; expected cohort \(ReportNumber.quantity($0))" } ?? ""
    if same, let first = privacy.mechanisms.first, let sampler = first.sampler {
      return sampler + (first.samplingRate.map { ", q = \(ReportNumber.constant($0))" } ?? "") + cohort
    }
    return samplers.isEmpty ? "not stated" : samplers.prefix(3).joined(separator: "; ")
  }

  private var rounds: String {
    guard let rounds = privacy.rounds else { return "not stated" }
    return "\(rounds.completed) of \(rounds.planned) run; \(rounds.abortedButCharged) aborted but charged"
      + (rounds.noiseContributors.map { "; partners in a sum \($0.min) to \($0.max), median \(ReportNumber.rounded($0.median))" }
        ?? "")
  }

  private var accounting: String {
    guard let main = privacy.principalGuarantee else { return "no ε is claimed" }
    let parts: [String?] = [
      main.theorem, main.numerics, main.rho.map { "ρ ≤ \(ReportNumber.upperBound($0))" },
      main.mu.map { "μ ≤ \(ReportNumber.upperBound($0))" },
    ]
    return parts.compactMap { $0 }.joined(separator: "; ")
  }

  private var guarantees: String {
    guard !privacy.guarantees.isEmpty else { return "none" }
    return privacy.guarantees.map(sentence).joined(separator: ". ")
  }

  private func sentence(_ guarantee: Guarantee) -> String {
    var parts = [
      "against \(words.label(guarantee.against)) ε ≤ \(ReportNumber.upperBound(guarantee.epsilonUpper)) at δ = \(ReportNumber.delta(guarantee.delta)) (\(Wording.shortTier(guarantee.tier)))"
    ]
    for point in guarantee.epsilonAtDelta where point.delta != guarantee.delta {
      parts.append("\(ReportNumber.upperBound(point.epsilon, digits: 3)) at \(ReportNumber.delta(point.delta))")
    }
    for group in guarantee.groups where group.size > 1 {
      parts.append("groups of \(group.size) ε ≤ \(ReportNumber.upperBound(group.epsilon))")
    }
    for reading in guarantee.attack {
      parts.append(
        "at most \(ReportNumber.upperPercentage(reading.truePositiveRateMax)) recognised at \(ReportNumber.rounded(reading.falsePositiveRate * 100)) % false alarms"
      )
    }
    return parts.joined(separator: ", ")
  }

  private var ledger: String {
    guard let ledger = privacy.ledger else { return "none" }
    let partners = (privacy.spending ?? []).filter { $0.kind == .partner }
    let most = partners.compactMap(\.epsilon).max()
    let parts: [String?] = [
      "\(ledger.size) entries", ledger.head.map { "head \($0.prefix(16))…" },
      privacy.cap.map { "cap ε = \(ReportNumber.constant($0.epsilon))" },
      ledger.epsilonRemaining.map { "\(ReportNumber.lowerBound($0)) left" },
      most.map { "the most that any of \(partners.count) partners' users spent under this plan: \(ReportNumber.upperBound($0))" },
    ]
    return parts.compactMap { $0 }.joined(separator: "; ")
  }

  private var looks: String {
    var sentences = privacy.tuning?.use.map { [$0.sentence] } ?? []
    sentences += (privacy.tuning?.notCovered ?? []).prefix(2)
    return sentences.isEmpty
      ? "not stated: assume that no search, early stopping or warm start is covered" : sentences.joined(separator: " ")
  }

  private var audit: String {
    guard let audit = privacy.audit else { return "none was run" }
    let verdict = audit.hazard.map { "CONTRADICTS THE PLAN. \($0.text)" } ?? "it can refute a bound, never prove one"
    return
      "\(audit.method): an attack on this run shows ε of at least \(ReportNumber.lowerBound(audit.epsilonLower)); \(verdict)"
  }

  private var hazards: String {
    report.hazards.isEmpty
      ? "none known" : report.hazards.map { Wording.hazard($0.kind) }.joined(separator: "; ") + " (see the whole report)"
  }

  /// Utility by group, as far as the plan released it.
  private var quality: String {
    let notHeld = (report.utility?.notHeld ?? []).map { ". " + Wording.notHeld($0).dropLast() }.joined()
    guard let rows = report.utility?.released?.last?.rows else { return notHeld }
    let figures = rows.map { row in
      let gain = row.metrics.first { $0.metric == .fullNDCG10 }.map { ReportNumber.decimals($0.value, 3) } ?? "drowned in noise"
      return "\(row.historyLength ?? "all users") \(gain)"
    }
    return ". Noised \(ReportMetric.fullNDCG10.rawValue) by length of history: \(figures.joined(separator: ", "))" + notHeld
  }

  private func list(_ items: [String]) -> String { items.isEmpty ? "not stated" : items.joined(separator: ", ") }
}

/// Sentences broken into lines.
enum TextLines {
  static func wrap(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if line.isEmpty {
        line = String(word)
      } else if TerminalWidth.of(line) + 1 + TerminalWidth.of(String(word)) <= width {
        line += " " + word
      } else {
        lines.append(line)
        line = String(word)
      }
    }
    return lines + [line]
  }
}
