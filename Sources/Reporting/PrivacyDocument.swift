/// The privacy part of the document, in the order in which a reader doubts: who, whose data, how, how much, what
/// was charged, what is not covered.
struct PrivacyDocument {
  let privacy: PrivacyReport
  let words: Wording

  init(_ privacy: PrivacyReport) {
    self.privacy = privacy
    self.words = Wording(privacy)
  }

  var sections: [DocumentSection] {
    [setting, coverage, unit, mechanism, rounds, accounting, ledger, tuning, audit].compactMap { $0 }
  }

  /// One row per adversary: the first table that a reader sees.
  var guaranteeTable: DocumentTable? {
    guard !privacy.guarantees.isEmpty else { return nil }
    let rates = privacy.guarantees.flatMap { $0.attack.map(\.falsePositiveRate) }
    let attackRates = Array(Set(rates)).sorted()
    var columns: [DocumentTable.Column] = [
      .init("Against", numeric: false), .init("ε, at most"),
      .init(privacy.setting.noise == .distributed ? "ε, at least, with no more than the guaranteed noise" : "ε, at least"),
      .init("δ"),
      .init("Tier", numeric: false),
    ]
    columns += attackRates.map {
      .init("attack finds, at \(ReportNumber.rounded($0 * 100))\u{a0}% false alarms")
    }
    return DocumentTable(
      caption: "What was charged, by adversary", columns: columns,
      rows: privacy.guarantees.map { guarantee in
        var row: [DocumentTable.Cell] = [
          .init(words.adversary(guarantee.against)),
          .init(ReportNumber.upperBound(guarantee.epsilonUpper), strong: true),
          .init(guarantee.epsilonLower.map { ReportNumber.lowerBound($0) } ?? "not stated"),
          .init(ReportNumber.delta(guarantee.delta)), .init(Wording.shortTier(guarantee.tier)),
        ]
        for rate in attackRates {
          let reading = guarantee.attack.first { $0.falsePositiveRate == rate }
          row.append(
            .init(
              reading.map { "≤\u{a0}" + ReportNumber.upperPercentage($0.truePositiveRateMax) } ?? "not stated"
            ))
        }
        return row
      },
      note: attackRates.isEmpty
        ? nil
        : "Read the last columns so: an attacker who knows everything but whether \(words.shortUnit) took part, and who "
          + "raises that many false alarms, recognises at most this share of those who did.")
  }

  private var setting: DocumentSection {
    let setting = privacy.setting
    var blocks: [DocumentBlock] = [
      .facts([
        DocumentFact("Noise", words.noise),
        DocumentFact(
          "Secure aggregation",
          setting.secureAggregation
            ? "on: the coordinator learns sums only" : "off: the coordinator saw every input"),
        DocumentFact("Partners on the roster, n", ReportNumber.count(setting.partnerCount)),
        DocumentFact(
          "Threshold to unmask, t",
          stated(setting.threshold) + (setting.holderCount.map { " of the \($0) that each partner draws" } ?? "")),
        DocumentFact("Fewest partners in a sum, n_min", stated(setting.survivorCountMin)),
        DocumentFact("Colluding partners allowed for, c", stated(setting.colluderCount)),
      ])
    ]
    if !setting.observers.isEmpty {
      blocks.append(
        .table(
          DocumentTable(
            caption: "Who sees what",
            columns: [
              .init("Who", numeric: false), .init("Sees", numeric: false),
              .init("What stays hidden, and why", numeric: false),
            ],
            rows: setting.observers.map {
              [.init($0.who), .init($0.sees), .init($0.protectedBy ?? "not stated")]
            })))
    }
    return DocumentSection(id: "setting", title: "Setting and trust", blocks: blocks)
  }

  private var coverage: DocumentSection {
    let parts = [
      ("Covered by the figures", privacy.covered), ("Not covered", privacy.notCovered),
      ("Public before the run", privacy.publicData), ("Never leaves a partner", privacy.neverLeaves),
    ]
    return DocumentSection(
      id: "coverage", title: "What is covered, and what is not",
      blocks: parts.flatMap { title, sentences -> [DocumentBlock] in
        [.subheading(title), sentences.isEmpty ? .paragraph("Not stated.") : .list(sentences)]
      })
  }

  private var unit: DocumentSection {
    let unit = privacy.unit
    var facts = [
      DocumentFact("Unit of privacy", words.unit),
      DocumentFact("Linkage", unit.linkage ?? "not stated"),
      DocumentFact("Adjacency", words.adjacencyMeaning),
      DocumentFact("Distance between neighbours", unit.distance ?? "not stated"),
    ]
    if unit.unit == .user {
      facts.append(DocumentFact("Partners per user, at most", ReportNumber.count(unit.partnersPerUserMax)))
    }
    var blocks: [DocumentBlock] = [.facts(facts), .subheading("How a contribution is bounded")]
    blocks.append(
      unit.contributionBounds.isEmpty ? .paragraph("Not stated.") : .list(unit.contributionBounds))
    return DocumentSection(id: "unit", title: "Unit, adjacency and bounds", blocks: blocks)
  }

  private var mechanism: DocumentSection? {
    guard !privacy.mechanisms.isEmpty else { return nil }
    // Five releases fit the width of a printed page.
    let chunks = stride(from: 0, to: privacy.mechanisms.count, by: 5).map {
      Array(privacy.mechanisms[$0..<min($0 + 5, privacy.mechanisms.count)])
    }
    // What all releases have in common is said once.
    let common = Self.mechanismProperties.filter { _, value in Set(privacy.mechanisms.map(value)).count == 1 }
    let other = Self.mechanismProperties.filter { _, value in Set(privacy.mechanisms.map(value)).count > 1 }
    let facts = common.compactMap { title, value in value(privacy.mechanisms[0]).map { DocumentFact(title, $0) } }
    let isOne = privacy.mechanisms.count == 1
    var blocks: [DocumentBlock] =
      facts.isEmpty ? [] : [.facts(isOne ? [DocumentFact("Release", privacy.mechanisms[0].name)] + facts : facts)]
    if !isOne { blocks += chunks.map { .table(mechanismTable($0, other)) } }
    blocks.append(.paragraph("Grid units are the integers that are masked and summed: real value × scale, rounded."))
    return DocumentSection(id: "mechanism", title: "Mechanism of each release", blocks: blocks)
  }

  private typealias MechanismProperty = (title: String, value: (ReleaseMechanism) -> String?)

  private static var mechanismProperties: [MechanismProperty] {
    [
      ("Mechanism", { $0.mechanism }),
      ("Coordinates", { $0.dimension.map(ReportNumber.count) }),
      ("Non-zero coordinates per user, at most", { $0.nonZeroCountMax.map(ReportNumber.count) }),
      ("Clip norm C (L2)", { $0.clipNorm.map(ReportNumber.constant) }),
      ("Scale (grid units per unit)", { $0.scale.map { ReportNumber.quantity($0) } }),
      ("Rounding", { $0.rounding }),
      ("Source of chance", { $0.randomness }),
      ("Δ² in grid units", { $0.sensitivitySquared.map(ReportNumber.count) }),
      ("σ² in grid units", { $0.noiseVariance.map(ReportNumber.count) }),
      ("s² of one partner's share", { $0.noiseVariancePerPartner.map(ReportNumber.count) }),
      ("Noise multiplier z", { $0.noiseMultiplier.map { ReportNumber.lowerBound($0) } }),
      (
        "Share of the budget 1/z²",
        { $0.budgetShare.map { ReportNumber.rounded($0 * 100, digits: 4) + "\u{a0}%" } }
      ),
      ("Times planned", { $0.timesPlanned.map(ReportNumber.count) }),
      ("Times charged", { $0.timesCharged.map(ReportNumber.count) }),
      ("Ring modulus", { $0.modulusBits.map(ReportNumber.powerOfTwo) }),
      ("Probability that a sum wraps, at most", { $0.wrapProbabilityLog2.map(ReportNumber.powerOfTwoBound) }),
      ("Sampler", { $0.sampler }),
      ("Sampling rate q", { $0.samplingRate.map(ReportNumber.constant) }),
      ("Expected cohort q·N", { $0.cohortExpected.map { ReportNumber.quantity($0) } }),
    ]
  }

  private func mechanismTable(_ releases: [ReleaseMechanism], _ properties: [MechanismProperty]) -> DocumentTable {
    let rows = properties.map { title, value in [DocumentTable.Cell(title)] + releases.map { .init(value($0) ?? "–") } }
    return DocumentTable(
      caption: "Release by release",
      columns: [.init("Property", numeric: false)] + releases.map { .init($0.name) }, rows: rows)
  }

  private var rounds: DocumentSection? {
    guard let rounds = privacy.rounds else { return nil }
    var facts = [
      DocumentFact("Rounds planned", ReportNumber.count(rounds.planned)),
      DocumentFact("Rounds run and published", ReportNumber.count(rounds.completed)),
      DocumentFact("Attempts aborted but charged", ReportNumber.count(rounds.abortedButCharged)),
      DocumentFact(
        "Partners in a sum",
        rounds.noiseContributors.map {
          "\(ReportNumber.count($0.min)) at least, \(ReportNumber.rounded($0.median, digits: 6)) in the median, "
            + "\(ReportNumber.count($0.max)) at most"
        } ?? ReportNumber.notMeasured),
    ]
    if let reason = rounds.endedBecause { facts.append(DocumentFact("The run ended because", reason)) }
    return DocumentSection(id: "rounds", title: "Rounds as they ran", blocks: [.facts(facts)])
  }

  private var tuning: DocumentSection {
    let tuning = privacy.tuning
    var blocks: [DocumentBlock] = []
    if let use = tuning?.use { blocks.append(.paragraph(use.sentence)) }
    if let charged = tuning?.charged, !charged.isEmpty { blocks += [.subheading("Charged"), .list(charged)] }
    if let open = tuning?.notCovered, !open.isEmpty {
      blocks += [.subheading("Not covered by any figure here"), .list(open)]
    }
    if blocks.isEmpty {
      blocks = [.paragraph("Not stated: assume that no search, early stopping or warm start is covered.")]
    }
    return DocumentSection(
      id: "tuning", title: "Searches, warm starts and other looks at the data", blocks: blocks)
  }

  private var audit: DocumentSection? {
    guard let audit = privacy.audit else { return nil }
    var facts = [
      DocumentFact("Method", audit.method),
      DocumentFact("Canaries", audit.canaryCount.map(ReportNumber.count) ?? "not stated"),
      DocumentFact(
        "Lower bound on ε from the attack",
        ReportNumber.lowerBound(audit.epsilonLower)
          + (audit.delta.map { " at δ = \(ReportNumber.delta($0))" } ?? "")
          + (audit.confidence.map { ", confidence \(ReportNumber.rounded($0 * 100))\u{a0}%" } ?? "")),
    ]
    if let proven = audit.epsilonProven {
      facts.append(DocumentFact("Proven bound that was attacked", "ε ≤ " + ReportNumber.upperBound(proven)))
    }
    if let note = audit.note { facts.append(DocumentFact("Note", note)) }
    var blocks: [DocumentBlock] = [
      .paragraph("An attack on this run. It can refute a bound, never prove one; the proven ε stands above."),
      .facts(facts),
    ]
    if let attacks = audit.attacks, !attacks.isEmpty {
      blocks.append(
        .list(
          attacks.map { attack in
            "\(attack.method): \(attack.finding). "
              + (attack.verdict == .consistent ? "Consistent with the plan." : "CONTRADICTS THE PLAN.")
          }))
    }
    return DocumentSection(id: "audit", title: "Empirical audit", blocks: blocks)
  }

  private func stated(_ value: Int?) -> String { value.map(ReportNumber.count) ?? "not stated" }
}
