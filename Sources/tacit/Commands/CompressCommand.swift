internal import ArgumentParser
internal import CommandSupport
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import Recommender
internal import Reporting
internal import Storage

/// `tacit compress`: the model of a run in fewer bytes, and what that costs in quality.
struct CompressCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compress",
    abstract: "Bytes against quality: a run's item tables as float16 and int8, and without unpopular items.",
    discussion: """
      Every row is the same model in another form, measured on the same users as the whole one. Tables (items times dimension) take the \
      form; vectors stay float32. The figures are exact: only a simulation may print them.
      """)

  @Argument(help: ArgumentHelp("Folder of a run, for instance runs/first.", valueName: "run")) var path: String
  @Option(help: "The data, when they are no longer where the run found them.") var data: String?
  @Option(help: "Shares of the catalogue that are kept, the most popular items first; separated by commas.") var keep =
    "1,0.75,0.5,0.25"
  @Option(help: "Also write the model as items.safetensors and items.ids.txt into this new folder.") var output: String?
  @Option(help: "In which form to write it: float32, float16 or int8.") var table: String = "int8"
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws { try Failures.report { try execute() } }

  private struct Row: Encodable {
    let table: String
    let itemsKept: Int
    let bytes: Int
    let shareOfBytes: Double
    let metrics: [Figure]
  }

  private struct Figure: Encodable {
    let metric: ReportMetric
    let value: Double
    /// Against the whole model in float32, on the same users; 95 % interval.
    let difference: Double
    let low: Double
    let high: Double
  }

  private struct Document: Encodable {
    let run: String
    let algorithm: String
    let itemCount: Int
    let rows: [Row]
    let output: String?
  }

  private func execute() throws {
    guard let chosen = TableFormat(rawValue: table) else {
      throw CommandFailure(
        .usage, "--table is '\(table)'; expected one of \(TableFormat.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    let shares = try keep.split(separator: ",", omittingEmptySubsequences: false).map { text in
      guard let share = Double(text), share > 0, share <= 1 else {
        throw CommandFailure(.usage, "--keep holds '\(text)'; expected shares above 0 and at most 1, such as 1,0.5")
      }
      return share
    }
    let run = try FinishedRun(at: path)
    let dataset = try run.dataset(from: data)
    let evaluator = Evaluator(train: dataset.train, test: dataset.test, negatives: dataset.negatives)
    let whole = run.scorer
    let wholeBytes = CompressedModel(run.model, format: .float32).byteCount
    var rows: [Row] = []
    for share in shares {
      let kept = max(1, Int((share * Double(dataset.itemCount)).rounded()))
      for format in TableFormat.allCases {
        let compressed = CompressedModel(run.model, format: format)
        let read = run.algorithm.scorer(model: compressed.model)
        let scorer: any Scorer = kept < dataset.itemCount ? PrunedScorer(read, keeping: kept) : read
        let bytes = compressed.byteCount(keeping: kept, of: dataset.itemCount)
        rows.append(
          Row(
            table: format.rawValue, itemsKept: kept, bytes: bytes, shareOfBytes: Double(bytes) / Double(max(1, wholeBytes)),
            metrics: Self.figures(evaluator.evaluate(scorer), evaluator.difference(from: whole, to: scorer))))
      }
    }
    if let output { try write(run, chosen, to: output) }
    let document = Document(
      run: run.folder.currentPath, algorithm: run.plan.algorithm.name, itemCount: dataset.itemCount, rows: rows, output: output)
    format == .json ? try Console.outputJSON(document) : show(document)
  }

  private static func figures(_ found: Evaluation, _ gain: EvaluationDifference) -> [Figure] {
    QualityFigures.metrics.compactMap { entry in
      guard let value = (entry.isListed ? found.listed : found.full)?.values[entry.own],
        let difference = (entry.isListed ? gain.listed : gain.full)?.values[entry.own]
      else { return nil }
      return Figure(
        metric: entry.metric, value: value.mean, difference: difference.mean, low: difference.mean - difference.halfWidth,
        high: difference.mean + difference.halfWidth)
    }
  }

  private func write(_ run: FinishedRun, _ format: TableFormat, to folder: String) throws {
    guard !FileManager.default.fileExists(atPath: folder) else {
      throw CommandFailure(.cannotCreate, "\(folder) exists and is left as it is; choose another name, or remove it first")
    }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try ModelBundle.write(CompressedModel(run.model, format: format), catalogue: Catalogue(itemIDs: run.itemIDs), to: folder)
  }

  private func show(_ document: Document) {
    let metrics = ReportMetric.canonicalOrder.filter { metric in
      document.rows.contains { $0.metrics.contains { $0.metric == metric } }
    }
    var table = TextTable(header: ["table", "items", "bytes", "of whole"] + metrics.map(\.rawValue))
    for row in document.rows {
      table.add(
        [row.table, "\(row.itemsKept)", "\(row.bytes)", Text.percent(row.shareOfBytes)]
          + metrics.map { metric in
            guard let figure = row.metrics.first(where: { $0.metric == metric }) else { return "–" }
            return String(format: "%.4f (%+.4f ±%.4f)", figure.value, figure.difference, (figure.high - figure.low) / 2)
          })
    }
    Console.output("\(document.run): \(document.algorithm), \(document.itemCount) items\n")
    Console.output(table.text)
    Console.output(
      """

      In brackets what is won or lost against the whole model in float32 on the same users, ± half a 95 % interval. Exact figures: a real
      federation does not print them.
      """)
    if let output = document.output { Console.output("written   \(output)") }
  }
}
