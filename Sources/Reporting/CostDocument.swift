/// The sections on cost and on what went wrong.
struct CostDocument {
  let cost: CostReport

  init(_ cost: CostReport) { self.cost = cost }

  var sections: [DocumentSection] {
    var blocks: [DocumentBlock] = [
      .facts([
        DocumentFact("Wall time", cost.wallSeconds.map(ReportNumber.seconds) ?? ReportNumber.notMeasured),
        DocumentFact(
          "CPU time, all parties", cost.cpuSeconds.map(ReportNumber.seconds) ?? ReportNumber.notMeasured),
        DocumentFact("Peak memory", cost.memoryPeakBytes.map(ReportNumber.bytes) ?? ReportNumber.notMeasured),
      ])
    ]
    if !cost.stages.isEmpty { blocks.append(.table(stageTable)) }
    if !cost.traffic.isEmpty { blocks.append(.table(trafficTable)) }
    return [
      DocumentSection(id: "cost", title: "Bytes and seconds", blocks: blocks),
      DocumentSection(
        id: "faults", title: "Dropouts and refusals",
        blocks: [
          countTable(
            "Partners that dropped out, by stage, over all rounds", "Stage",
            cost.dropouts?.map { ($0.stage.rawValue, $0.count) }, none: "No partner dropped out."),
          countTable(
            "Refused messages, by reason", "Reason", cost.refusals?.map { ($0.reason, $0.count) },
            none: "No message was refused."),
        ]),
    ]
  }

  private var stageTable: DocumentTable {
    DocumentTable(
      caption: "CPU seconds and bytes by stage, all parties, whole run",
      columns: [.init("Stage", numeric: false), .init("CPU"), .init("Bytes")],
      rows: cost.stages.map { stage in
        [
          .init(stage.stage.rawValue),
          .init(stage.cpuSeconds.map(ReportNumber.seconds) ?? ReportNumber.notMeasured),
          .init(stage.bytes.map(ReportNumber.bytes) ?? ReportNumber.notMeasured),
        ]
      })
  }

  private var trafficTable: DocumentTable {
    let shown = cost.traffic.abridged()
    let gap = cost.traffic.count - shown.count
    return DocumentTable(
      caption: "Bytes by partner, whole run",
      columns: [.init("Partner", numeric: false), .init("Up (sent)"), .init("Down (received)")],
      rows: shown.map { traffic in
        [
          .init(traffic.partner), .init(ReportNumber.bytes(traffic.bytesUp)),
          .init(ReportNumber.bytes(traffic.bytesDown)),
        ]
      },
      note: gap == 0 ? nil : "\(ReportNumber.count(gap)) partners are left out here; report.json holds them.")
  }

  private func countTable(
    _ caption: String, _ first: String, _ counts: [(name: String, count: Int)]?, none: String
  ) -> DocumentBlock {
    guard let counts else { return .paragraph("\(caption): \(ReportNumber.notMeasured).") }
    guard !counts.isEmpty else { return .paragraph(none) }
    return .table(
      DocumentTable(
        caption: caption, columns: [.init(first, numeric: false), .init("Count")],
        rows: counts.map { [.init($0.name), .init(ReportNumber.count($0.count))] }))
  }
}
