/// The sections on quality: the result first, every figure by partner among the details.
struct QualityDocument {
  let utility: UtilityReport

  init(_ utility: UtilityReport) { self.utility = utility }

  var results: [DocumentSection] {
    var blocks: [DocumentBlock] = []
    if let table = overallTable { blocks.append(.table(table)) }
    if let table = partnerTable { blocks.append(.table(table)) }
    if let table = activityTable { blocks.append(.table(table)) }
    if let note = utility.quality?.protocolNote { blocks.append(.paragraph(note)) }
    blocks += (utility.released ?? []).map { .table(table($0)) }
    blocks += (utility.notHeld ?? []).map { .paragraph(Wording.notHeld($0)) }
    if let reading = utility.noiseReading {
      blocks.append(
        .facts([
          DocumentFact(
            "Users over noise, N/z",
            ReportNumber.count(reading.nominalUsers) + " / " + ReportNumber.rounded(reading.noiseMultiplier)
              + " = "
              + (reading.usersOverNoise.isFinite && abs(reading.usersOverNoise) < 1e15
                ? ReportNumber.count(Int(reading.usersOverNoise.rounded())) : "unbounded")),
          DocumentFact("What to expect of it", reading.reading),
        ]))
    }
    return blocks.isEmpty ? [] : [DocumentSection(id: "result", title: "Result", blocks: blocks)]
  }

  var details: [DocumentSection] {
    let tables = [fullTable, fullActivityTable].compactMap { $0 }
    guard !tables.isEmpty else { return [] }
    return [
      DocumentSection(id: "quality", title: "Quality by group, every measure", blocks: tables.map { .table($0) })
    ]
  }

  /// Measures in canonical order, then others in order of appearance.
  var metrics: [ReportMetric] {
    var found: [ReportMetric] = []
    for row in rows {
      for value in row.metrics where !found.contains(value.metric) { found.append(value.metric) }
    }
    let known = ReportMetric.canonicalOrder.filter(found.contains)
    return known + found.filter { !known.contains($0) }
  }

  /// Partners in order of appearance.
  var partners: [String] {
    var found: [String] = []
    var seen: Set<String> = []
    for case let partner? in rows.map(\.partner) where seen.insert(partner).inserted { found.append(partner) }
    return found
  }

  /// The methods that occur, in the order of the enumeration.
  var methods: [ReportMethod] {
    ReportMethod.allCases.filter { method in rows.contains { $0.method == method } }
  }

  func value(_ method: ReportMethod, _ partner: String?, _ metric: ReportMetric) -> MetricValue? {
    rows.first { $0.method == method && $0.partner == partner }?.metrics.first { $0.metric == metric }
  }

  /// Decimals for a column: three, or four where all values are small.
  func decimals(_ metric: ReportMetric) -> Int {
    let values = rows.compactMap { row in row.metrics.first { $0.metric == metric }?.value }.filter(
      \.isFinite)
    return (values.max() ?? 1) < 0.2 ? 4 : 3
  }

  private var rows: [QualityRow] { utility.quality?.rows ?? [] }

  private var overallTable: DocumentTable? {
    let overall = ReportMethod.allCases.compactMap { method in
      rows.first { $0.method == method && $0.partner == nil }
    }
    guard !overall.isEmpty else { return nil }
    return DocumentTable(
      caption: "Quality over all partners", columns: columns(first: "Recommendations from"),
      rows: overall.map { row in
        [.init(Wording.method(row.method), strong: row.method == .federatedPrivate)] + cells(row)
      },
      note: provenanceNote, isComparison: true)
  }

  private var partnerTable: DocumentTable? {
    guard let metric = metrics.first, !partners.isEmpty else { return nil }
    let shown = partners.abridged()
    let gap = partners.count - shown.count
    return DocumentTable(
      caption: "\(metric.rawValue) by partner",
      columns: [.init("Partner", numeric: false)] + methods.map { .init(Wording.method($0)) },
      rows: shown.map { partner in
        [.init(partner)]
          + methods.map { method in
            guard let value = value(method, partner, metric) else { return .init("–") }
            return .init(
              ReportNumber.decimals(value.value, decimals(metric)), strong: method == .federatedPrivate)
          }
      },
      note: gap == 0 ? nil : "\(ReportNumber.count(gap)) partners are left out here; report.json holds them.")
  }

  // MARK: By length of history

  var activity: [ActivityRow] { utility.quality?.byActivity ?? [] }

  /// Lengths in order of appearance.
  var historyLengths: [String] {
    activity.map(\.historyLength).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  /// The measure that is shown by length: over the whole catalogue, where there is one.
  var activityMetric: ReportMetric? {
    let found = Set(activity.flatMap { $0.metrics.map(\.metric) })
    return [.fullNDCG10].first(where: found.contains) ?? metrics.first(where: found.contains)
  }

  func value(_ method: ReportMethod, historyLength: String, _ metric: ReportMetric) -> MetricValue? {
    activity.first { $0.method == method && $0.historyLength == historyLength }?.metrics.first { $0.metric == metric }
  }

  private var activityTable: DocumentTable? {
    guard let metric = activityMetric else { return nil }
    let methods = ReportMethod.allCases.filter { method in activity.contains { $0.method == method } }
    let hasUsers = activity.contains { $0.users != nil }
    return DocumentTable(
      caption: "\(metric.rawValue) by length of history",
      columns: [.init("Items in the history", numeric: false)] + (hasUsers ? [.init("Users")] : [])
        + methods.map { .init(Wording.method($0)) },
      rows: historyLengths.map { length in
        [.init(length)]
          + (hasUsers
            ? [.init(activity.first { $0.historyLength == length }?.users.map(ReportNumber.count) ?? "–")] : [])
          + methods.map { method in
            guard let value = value(method, historyLength: length, metric) else { return .init("–") }
            return .init(ReportNumber.decimals(value.value, decimals(metric)), strong: method == .federatedPrivate)
          }
      },
      note: methods.contains(.federatedPrivate) && methods.contains(.federatedWithoutNoise)
        ? "Whom the noise costs most: compare each row with the same without noise." : nil)
  }

  private var fullActivityTable: DocumentTable? {
    guard !activity.isEmpty else { return nil }
    return DocumentTable(
      caption: "Quality by length of history with 95\u{a0}% intervals",
      columns: [.init("Items in the history", numeric: false)] + columns(first: "Recommendations from"),
      rows: activity.map { row in
        [.init(row.historyLength), .init(Wording.method(row.method), strong: row.method == .federatedPrivate)]
          + cells(QualityRow(method: row.method, users: row.users, metrics: row.metrics))
      }, isComparison: true)
  }

  private var fullTable: DocumentTable? {
    let byPartner = partners.abridged().flatMap { partner in
      methods.compactMap { method in rows.first { $0.method == method && $0.partner == partner } }
    }
    guard !byPartner.isEmpty else { return nil }
    return DocumentTable(
      caption: "Quality by partner with 95\u{a0}% intervals",
      columns: [.init("Partner", numeric: false)] + columns(first: "Recommendations from"),
      rows: byPartner.map { row in
        [
          .init(row.partner ?? ""),
          .init(Wording.method(row.method), strong: row.method == .federatedPrivate),
        ]
          + cells(row)
      }, isComparison: true)
  }

  private var hasUsers: Bool { rows.contains { $0.users != nil } }

  private func columns(first: String) -> [DocumentTable.Column] {
    [.init(first, numeric: false)] + (hasUsers ? [.init("Users")] : []) + metrics.map { .init($0.rawValue) }
  }

  private func cells(_ row: QualityRow) -> [DocumentTable.Cell] {
    let users: [DocumentTable.Cell] =
      hasUsers ? [.init(row.users.map(ReportNumber.count) ?? "–")] : []
    return users
      + metrics.map { metric in
        guard let value = row.metrics.first(where: { $0.metric == metric }) else {
          return .init(ReportNumber.notMeasured)
        }
        let decimals = decimals(metric)
        var interval: String?
        if let low = value.low, let high = value.high, low.isFinite, high.isFinite {
          interval = ReportNumber.decimals(low, decimals) + "–" + ReportNumber.decimals(high, decimals)
        }
        return .init(
          ReportNumber.decimals(value.value, decimals), detail: interval,
          strong: row.method == .federatedPrivate)
      }
  }

  /// Quality by activity, as it was released.
  private func table(_ released: ReleasedQuality) -> DocumentTable {
    let metrics = [ReportMetric.fullHitRate10, .fullNDCG10]
    return DocumentTable(
      caption: "Quality by length of history, as release \(ReportNumber.count(released.release)) of the plan made it public",
      columns: [.init("Items in the history", numeric: false), .init("Users, noised")] + metrics.map { .init($0.rawValue) },
      rows: released.rows.map { row in
        [
          .init(row.historyLength ?? "all users", strong: row.historyLength == nil),
          .init(ReportNumber.decimals(row.usersNoised, 1), detail: "± \(ReportNumber.decimals(row.usersDeviation, 1))"),
        ]
          + metrics.map { metric in
            guard let value = row.metrics.first(where: { $0.metric == metric }) else { return .init("drowned in noise") }
            return .init(
              ReportNumber.decimals(value.value, 3),
              detail: value.low.flatMap { low in
                value.high.map { ReportNumber.decimals(low, 3) + "–" + ReportNumber.decimals($0, 3) }
              }, strong: row.historyLength == nil)
          }
      },
      note:
        "Clipped, noised and charged like every release. Behind ± is the noise's standard deviation; a range is what the noise leaves in 95 of 100 releases; which users were at hand is not in it, nor that figures drowned in noise are left out. A user at several partners counts at each. Each held-out item is ranked among all items that its user has not.",
      isComparison: true)
  }

  private var provenanceNote: String? {
    let interval = " The range with a figure is its 95\u{a0}% interval"
    let hasIntervals = rows.contains { $0.metrics.contains { $0.low != nil && $0.high != nil } }
    switch utility.quality?.provenance {
    case .exactInSimulation?:
      return
        "Exact figures of a simulation. They are not differentially private, and a real federation does not print them."
        + (hasIntervals ? interval + "." : "")
    case .noisedRelease?:
      return "Each figure is a release of the plan: clipped, noised and charged."
        + (hasIntervals ? interval + ", noise included." : "")
    case .ownPartner?:
      return "Computed by a partner at home, on its own users." + (hasIntervals ? interval + "." : "")
    case nil: return nil
    }
  }
}
