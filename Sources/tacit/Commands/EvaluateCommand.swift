internal import ArgumentParser
internal import CommandSupport
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import Reporting
internal import Storage

/// `tacit evaluate`: the quality of a finished run, measured again from its model and the data.
struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure a finished run again, over all partners and by partner, and write its scores and lists.",
    discussion: "The figures are exact, from all partners' data in one place: only a simulation may print them.")

  @Argument(help: ArgumentHelp("Folder of a run, for instance runs/first.", valueName: "run")) var path: String
  @Option(help: "The data, when they are no longer where the run found them.") var data: String?
  @Option(help: "How users are divided into partners, as for simulate; as in the run when left out.") var partners: String?
  @Option(help: "Write the score of every listed candidate to this file (user, item, score).") var scores: String?
  @Option(help: "Write the best items of every test user to this file (user, item, rank, score).") var topk: String?
  @Option(help: "Length of the lists of --topk.") var top = 100
  @Option(help: "text or json.") var format: OutputFormat = .text

  func validate() throws {
    guard (1...1000).contains(top) else { throw ValidationError("--top is \(top), expected 1 to 1000.") }
  }

  func run() throws { try Failures.report { try execute() } }

  private func execute() throws {
    let finished = try FinishedRun(at: path)
    let dataset = try finished.dataset(from: data)
    guard dataset.test.contains(where: { !$0.isEmpty }) else {
      throw CommandFailure(
        .data,
        "\(data ?? finished.settings.data): no user has a test item, so there is nothing to measure; give data with a test file")
    }
    let partition: Partition
    do { partition = try dataset.partition(by: try PartitionRule(parsing: partners ?? finished.settings.partners)) } catch {
      throw CommandFailure(.data, "\(partners == nil ? "partners of the run" : "--partners"): \(error)")
    }
    var labels = [String](repeating: "", count: dataset.userCount)
    for (name, users) in zip(partition.names, partition.userIndices) { for user in users { labels[user] = name } }
    let scorer = finished.scorer
    let evaluation = Evaluator(train: dataset.train, test: dataset.test, negatives: dataset.negatives)
      .evaluate(scorer, groupings: [UserGrouping(name: "partner", labels: labels)])
    let method: ReportMethod = finished.plan.privacy.noise == .none ? .federatedWithoutNoise : .federatedPrivate
    let rows = QualityFigures.rows(method, evaluation, partners: partition.names)
    if let scores {
      guard let negatives = dataset.negatives else {
        throw CommandFailure(
          .data, "--scores: the data list no negatives, so there are no candidates to score; use --topk instead")
      }
      try RecommendationFile.writeScores(scorer: scorer, dataset: dataset, negatives: negatives, to: scores)
    }
    if let topk { try RecommendationFile.write(scorer: scorer, dataset: dataset, count: top, to: topk) }
    try show(finished, dataset, rows, evaluation.catalogue)
  }

  private struct Document: Encodable {
    struct Lists: Encodable {
      let length: Int
      let coverage: Double
      let noveltyBits: Double
      let popularityLift: Double
      let exposureGini: Double
    }
    let run: String
    let data: String
    let algorithm: String
    let modelVersion: Int
    let rows: [QualityRow]
    let lists: Lists
    let scores: String?
    let topk: String?
  }

  private func show(_ run: FinishedRun, _ dataset: Dataset, _ rows: [QualityRow], _ lists: CatalogueMetrics) throws {
    if format == .json {
      try Console.outputJSON(
        Document(
          run: run.folder.currentPath, data: data ?? run.settings.data, algorithm: run.plan.algorithm.name,
          modelVersion: run.model.version, rows: rows,
          lists: .init(
            length: lists.listLength, coverage: lists.coverage, noveltyBits: lists.novelty,
            popularityLift: lists.popularityLift, exposureGini: lists.exposureGini),
          scores: scores, topk: topk))
      return
    }
    let metrics = ReportMetric.canonicalOrder.filter { metric in
      rows.contains { $0.metrics.contains { $0.metric == metric } }
    }
    var table = TextTable(header: ["", "users"] + metrics.map(\.rawValue))
    for row in rows {
      table.add(
        [row.partner ?? "all partners", row.users.map(String.init) ?? "–"]
          + metrics.map { metric in
            guard let value = row.metrics.first(where: { $0.metric == metric }) else { return "–" }
            let half = ((value.high ?? value.value) - (value.low ?? value.value)) / 2
            return String(format: "%.4f ±%.3f", value.value, half)
          })
    }
    Console.output(
      "\(run.folder.currentPath): \(run.plan.algorithm.name) on \(dataset.name), model after \(run.model.version) of \(run.plan.releases.count) releases\n"
    )
    Console.output(table.text)
    Console.output(
      """

      P1 ranks each user's held-out item against the listed negatives, full against everything the user has not seen;
      ± is half a 95 % interval. The lists show \(Text.percent(lists.coverage)) of the catalogue. Exact figures: a real federation does not print them.
      """)
    if let scores { Console.output("scores    \(scores)") }
    if let topk { Console.output("lists     \(topk)") }
  }
}
