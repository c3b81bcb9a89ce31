/// The claim of a report in words: a headline, the formal statement, and what must be said with it.
package struct Claim: Sendable, Equatable {
  package enum Verdict: String, Sendable {
    /// A proven bound holds.
    case bounded
    /// More was charged than the plan allows.
    case overspent
    /// An attack saw what cannot be if the plan's bound holds.
    case contradicted
    /// No noise was added.
    case noNoise
    /// Randomness came from a test source.
    case notPrivate
    /// Noise was added, but the report holds no figure.
    case notComputed
  }

  package var verdict: Verdict
  package var headline: String
  package var statement: String
  /// Sentences that belong beside the statement: cap, other adversaries, trust in the coordinator.
  package var remarks: [String]

  package init(_ report: RunReport) {
    let privacy = report.privacy
    let words = Wording(privacy)
    let main = privacy.principalGuarantee
    remarks = []
    if report.hazards.contains(where: { $0.kind == .testRandomness }) {
      verdict = .notPrivate
      headline = "Not private: the randomness of this run came from a test source"
      statement =
        "Whoever knows the test source can undo masks and noise. The figures below are those that the same plan "
        + "would give with secret randomness."
    } else if privacy.setting.noise == .none {
      verdict = .noNoise
      headline = "No differential privacy: this run added no noise"
      statement =
        (privacy.setting.secureAggregation
          ? "Secure aggregation hid each partner's input from the coordinator, but "
          : "The coordinator saw each partner's input, and ")
        + "the released models may reveal whether \(words.unit) took part."
    } else if report.hazards.contains(where: { $0.kind == .auditContradicted }) {
      verdict = .contradicted
      headline = "An audit contradicts this plan: no bound on what it released can be relied on"
      statement =
        "Less noise, or more of a user, was seen in what the plan releases than it says. The figures below are those of the plan as it "
        + "stands, which this contradicts."
    } else if let main {
      let charged = "ε ≤ \(ReportNumber.upperBound(main.epsilonUpper, digits: 3))"
      let exceeded =
        privacy.cap.map { $0.against == main.against && main.epsilonUpper > $0.epsilon * (1 + 1e-9) } ?? false
      verdict = exceeded ? .overspent : .bounded
      if exceeded {
        headline =
          "More was charged than the plan allows: \(charged) at δ = \(ReportNumber.delta(main.delta))"
      } else {
        headline =
          "What \(words.shortAdversary(main.against)) can learn about \(words.shortUnit) is bounded: \(charged) at "
          + "δ = \(ReportNumber.delta(main.delta))"
      }
      statement =
        "What this run released is (ε, δ)-differentially private with \(charged) and δ = "
        + "\(ReportNumber.delta(main.delta)) for \(words.unit), under \(words.adjacency), against "
        + "\(words.adversary(main.against))."
      if report.hasExactTables {
        statement +=
          " The exact quality tables on this page are not covered, nor are the exact metrics and the lists per user that stand beside "
          + "it in the run's folder; only a simulation may write them."
      }
    } else {
      verdict = .notComputed
      headline = "No privacy figure was computed for this run"
      statement = "Noise was added, but the report holds no ε. Recompute it from the ledger."
    }
    if privacy.setting.noise != .none { remarks += Claim.remarks(privacy, words, main) }
    if let total = privacy.total { lead(with: total) }
  }

  /// What counts for people is the sum over all plans: it opens the page, and one plan's claim stands below it.
  private mutating func lead(with total: SpentTotal) {
    let plans = total.planCount == 1 ? "one plan" : "\(ReportNumber.count(total.planCount)) plans"
    let cap = total.epsilonCap.map { "the holder's own cap over all plans is ε = \(ReportNumber.constant($0))" }
    guard verdict != .notPrivate, verdict != .contradicted, let epsilon = total.epsilon else {
      return remarks.insert("Over all plans of these users (\(plans)): \(total.words).", at: 0)
    }
    let isAbove = total.epsilonCap.map { epsilon > $0 * (1 + 1e-9) } ?? false
    let ofPlan = verdict == .notComputed ? "Nothing was charged under this plan yet." : "This plan: \(statement)"
    if verdict == .notComputed { verdict = .bounded }
    if isAbove { verdict = .overspent }
    headline = "Charged for the same users over all plans (\(plans)): \(total.words)"
    statement =
      "\(cap.map { "\($0.prefix(1).uppercased() + $0.dropFirst()); \(isAbove ? "more than that was charged" : "\(ReportNumber.lowerBound(total.epsilonRemaining ?? 0, digits: 3)) is left as charges stand, and a further plan, which may be chosen by results, can need more than its own ε"). " } ?? "No cap of the holder's own is set. ")\(ofPlan)"
  }

  private static func remarks(_ privacy: PrivacyReport, _ words: Wording, _ main: Guarantee?) -> [String] {
    var remarks: [String] = []
    if let cap = privacy.cap {
      remarks.append(
        "The signed plan caps ε at \(ReportNumber.constant(cap.epsilon)) (δ = \(ReportNumber.delta(cap.delta))) "
          + "against \(words.adversary(cap.against)); a run stops before the release that would exceed it.")
    }
    for guarantee in privacy.guarantees where guarantee != main {
      remarks.append(
        "Against \(words.adversary(guarantee.against)): ε ≤ "
          + "\(ReportNumber.upperBound(guarantee.epsilonUpper, digits: 3)) at δ = "
          + "\(ReportNumber.delta(guarantee.delta)).")
    }
    if privacy.setting.noise == .distributed,
      !privacy.guarantees.contains(where: { $0.against != .outsiders })
    {
      remarks.append("No figure was computed against the coordinator and partners that collude with it.")
    }
    if privacy.setting.noise == .central {
      remarks.append(
        "The coordinator adds the noise, so the partners trust it to do that; "
          + (privacy.setting.secureAggregation
            ? "it sees their un-noised sum, but no single partner's input."
            : "it also sees every partner's input, because secure aggregation was off."))
    }
    return remarks
  }
}

/// The words that a report uses for its parties and definitions.
package struct Wording: Sendable {
  private let privacy: PrivacyReport

  package init(_ privacy: PrivacyReport) { self.privacy = privacy }

  package var unit: String {
    switch privacy.unit.unit {
    case .user: "one user with all of their interactions"
    case .partner: "one partner with all of its users"
    }
  }

  package var shortUnit: String { privacy.unit.unit == .user ? "one user" : "one partner" }

  package var adjacency: String {
    switch privacy.unit.adjacency {
    case .addRemove: "add/remove adjacency"
    case .replaceOne: "replace-one adjacency"
    case .zeroOut: "zero-out adjacency"
    }
  }

  package var adjacencyMeaning: String {
    let unit = shortUnit
    return switch privacy.unit.adjacency {
    case .addRemove: "Add/remove: neighbouring data differ by the presence or absence of \(unit)."
    case .replaceOne: "Replace-one: neighbouring data differ by exchanging the data of \(unit) for any other."
    case .zeroOut: "Zero-out: neighbouring data differ by setting the contribution of \(unit) to zero."
    }
  }

  package var shortAdjacency: (value: String, detail: String) {
    switch privacy.unit.adjacency {
    case .addRemove: ("add/remove", "\(shortUnit) present or absent")
    case .replaceOne: ("replace-one", "\(shortUnit) exchanged for another")
    case .zeroOut: ("zero-out", "\(shortUnit) contributes zero")
    }
  }

  package func adversary(_ adversary: Adversary) -> String {
    switch adversary {
    case .outsiders:
      privacy.setting.noise == .distributed
        ? "readers of the released models who hold no share of the noise"
        : "readers of the released models, the partners among them"
    case .coordinator: "the coordinator alone"
    case .coalition: "the coordinator together with \(colluders)"
    }
  }

  package func shortAdversary(_ adversary: Adversary) -> String {
    switch adversary {
    case .outsiders: "a reader of the model"
    case .coordinator: "the coordinator"
    case .coalition: "the coordinator, even with \(colluders),"
    }
  }

  /// A label for a table or a line in a drawing.
  package func label(_ adversary: Adversary) -> String {
    switch adversary {
    case .outsiders: "outsiders"
    case .coordinator: "coordinator"
    case .coalition: privacy.setting.colluderCount.map { "coordinator + \($0)" } ?? "coalition"
    }
  }

  package var noise: String {
    switch privacy.setting.noise {
    case .central: "central: the coordinator adds it to the integer sum"
    case .distributed: "distributed: every partner adds a share before masking"
    case .none: "none"
    }
  }

  package static func tier(_ tier: PrivacyTier) -> String {
    switch tier {
    case .strong: "strong (ε ≤ 1)"
    case .reasonable: "reasonable (1 < ε ≤ 10)"
    case .weak: "weak (ε > 10)"
    case .none: "no guarantee"
    }
  }

  package static func shortTier(_ tier: PrivacyTier) -> String {
    tier == .none ? "no guarantee" : tier.rawValue
  }

  package static func method(_ method: ReportMethod) -> String {
    switch method {
    case .popularity: "popularity"
    case .alone: "each partner alone"
    case .central: "all data in one place"
    case .federatedWithoutNoise: "federated, without noise"
    case .federatedPrivate: "federated, private"
    }
  }

  /// Of an evaluation release, counted from 1, that is public and not at hand.
  package static func notHeld(_ release: Int) -> String {
    "What evaluation release \(ReportNumber.count(release)) of the plan said of the model is not held here: this partner was absent in that round."
  }

  package static func hazard(_ kind: Hazard.Kind) -> String {
    switch kind {
    case .simulation: "Simulation"
    case .testRandomness: "Test randomness"
    case .exactTables: "Exact tables"
    case .noNoise: "No noise"
    case .noSecureAggregation: "No secure aggregation"
    case .samplerTiming: "Timing of samplers"
    case .largeDelta: "Large δ"
    case .auditContradicted: "An audit contradicts the plan"
    case .other: "Note"
    }
  }

  private var colluders: String {
    guard let count = privacy.setting.colluderCount else { return "the partners that the plan allows for" }
    return count == 1 ? "1 partner" : "\(count) partners"
  }
}

extension PrivacyReport {
  /// The guarantee of the headline: the one that the cap bounds, else that against outsiders, else the first.
  package var principalGuarantee: Guarantee? {
    guarantees.first { $0.against == cap?.against }
      ?? guarantees.first { $0.against == .outsiders } ?? guarantees.first
  }
}

extension RunReport {
  package var hasExactTables: Bool {
    utility?.quality?.provenance == .exactInSimulation || hazards.contains { $0.kind == .exactTables }
  }
}
