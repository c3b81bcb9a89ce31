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
    abstract:
      "Measure a finished run again, over all partners, by partner and by length of history; or compare two runs user by user, or several by ε.",
    discussion: "The figures are exact, from all partners' data in one place: only a simulation may print or draw them.")

  @Argument(
    help: ArgumentHelp(
      "Folder of a run, for instance runs/first; two of them with --compare, two or more with --over-epsilon.", valueName: "run"))
  var paths: [String]
  @Flag(help: "How much better the second run is than the first, with intervals of the differences between the same users.")
  var compare = false
  @Flag(help: "What each of several runs reached at which ε, on the data of the first.")
  var overEpsilon = false
  @Option(
    help: ArgumentHelp(
      "Draw quality by length of history, or with --over-epsilon against ε, into this folder: an SVG file per measure.",
      valueName: "folder"))
  var plot: String?
  @Option(help: "The data, when they are no longer where the run found them.") var data: String?
  @Option(help: "How users are divided into partners, as for simulate; as in the run when left out.") var partners: String?
  @Option(help: "Write the score of every listed candidate to this file (user, item, score).") var scores: String?
  @Option(help: "Write the best items of every test user to this file (user, item, rank, score).") var topk: String?
  @Option(help: "Length of the lists of --topk.") var top = 100
  @Option(help: "text or json.") var format: OutputFormat = .text

  func validate() throws {
    guard !(compare && overEpsilon) else { throw ValidationError("expected one of --compare and --over-epsilon, found both.") }
    guard overEpsilon ? paths.count >= 2 : paths.count == (compare ? 2 : 1) else {
      throw ValidationError(
        overEpsilon
          ? "--over-epsilon takes two runs or more, found \(paths.count)."
          : compare
            ? "--compare takes two runs, found \(paths.count)."
            : "found \(paths.count) runs, expected one, or two with --compare.")
    }
    guard !(compare || overEpsilon) || (scores == nil && topk == nil) else {
      throw ValidationError("--scores and --topk are of one run; expected none of them with several.")
    }
    guard !(compare && plot != nil) else {
      throw ValidationError("--plot draws one run, or several with --over-epsilon; expected none with --compare.")
    }
    guard (1...1000).contains(top) else { throw ValidationError("--top is \(top), expected 1 to 1000.") }
  }

  func run() throws { try Failures.report { try execute() } }

  private func execute() throws {
    let finished = try FinishedRun(at: paths[0])
    let (dataset, coldStart) = try finished.data(from: data)
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
    let activity = UserGrouping.activity(of: dataset.train)
    let groupings = [UserGrouping(name: "partner", labels: labels), activity]
    let evaluator = Evaluator(train: dataset.train, test: dataset.test, negatives: dataset.negatives)
    if compare {
      return try RunComparison(first: finished, second: try FinishedRun(at: paths[1])).show(
        evaluator, groupings, partners: partition.names, format)
    }
    if overEpsilon {
      return try EpsilonComparison([finished] + paths.dropFirst().map { try FinishedRun(at: $0) }).show(
        evaluator, plot: plot, format)
    }
    let scorer = finished.scorer
    let evaluation = evaluator.evaluate(scorer, groupings: groupings)
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
    let byLength = QualityFigures.rows(method, evaluation, by: activity)
    let drawings = try plot.map { try AggregationGrowth.write(Self.figures(byLength), to: $0) } ?? []
    let cold = try coldStart.map { ColdStart.Document(try ColdStart.evaluate(finished, $0), $0) }
    try show(finished, dataset, rows, byLength, evaluation.catalogue, cold, drawings)
  }

  private static func figures(_ rows: [ActivityRow]) -> [ReportFigure] {
    ReportMetric.canonicalOrder.compactMap { metric in
      ReportFigure.quality(
        metric,
        byActivity: rows.compactMap { row in
          row.metrics.first { $0.metric == metric }.map { ("histories of \(row.historyLength)", row.users, $0) }
        })
    }
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
    /// By length of history; what the best served group has over the worst is how unfair a model is.
    let activity: [ActivityRow]
    let lists: Lists
    /// Users and items that were left out of training, where the run has some.
    let coldStart: ColdStart.Document?
    let scores: String?
    let topk: String?
    /// Paths of the drawings of --plot.
    let drawings: [String]?
  }

  private func show(
    _ run: FinishedRun, _ dataset: Dataset, _ rows: [QualityRow], _ activity: [ActivityRow], _ lists: CatalogueMetrics,
    _ coldStart: ColdStart.Document?, _ drawings: [String]
  ) throws {
    if format == .json {
      try Console.outputJSON(
        Document(
          run: run.folder.currentPath, data: data ?? run.settings.data, algorithm: run.plan.algorithm.name,
          modelVersion: run.model.version, rows: rows, activity: activity,
          lists: .init(
            length: lists.listLength, coverage: lists.coverage, noveltyBits: lists.novelty,
            popularityLift: lists.popularityLift, exposureGini: lists.exposureGini),
          coldStart: coldStart, scores: scores, topk: topk,
          drawings: drawings.isEmpty ? nil : drawings))
      return
    }
    let metrics = ReportMetric.canonicalOrder.filter { metric in
      rows.contains { $0.metrics.contains { $0.metric == metric } }
    }
    var table = TextTable(header: ["", "users"] + metrics.map(\.rawValue))
    func add(_ name: String, _ users: Int?, _ values: [MetricValue]) {
      table.add(
        [name, users.map(String.init) ?? "–"]
          + metrics.map { metric in
            guard let value = values.first(where: { $0.metric == metric }) else { return "–" }
            return EpsilonComparison.text(value)
          })
    }
    for row in rows { add(row.partner ?? "all partners", row.users, row.metrics) }
    for row in activity { add("histories of \(row.historyLength)", row.users, row.metrics) }
    Console.output(
      "\(run.folder.currentPath): \(run.plan.algorithm.name) on \(dataset.name), model after \(run.model.version) of \(run.plan.releases.count) releases\n"
    )
    Console.output(table.text)
    Console.output(
      """

      P1 ranks each user's held-out item against the listed negatives, full against everything the user has not seen;
      ± is half a 95 % interval. The lists show \(Text.percent(lists.coverage)) of the catalogue. Exact figures: a real federation does not print them.
      """)
    if let coldStart { Console.output(coldStart.text) }
    if let scores { Console.output("scores    \(scores)") }
    if let topk { Console.output("lists     \(topk)") }
    for path in drawings { Console.output("drawn     \(path)") }
  }
}
