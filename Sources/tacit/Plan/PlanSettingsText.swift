internal import CommandSupport
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import Yams

/// The plan file: settings in the words of `tacit-coordinator plan`, which is YAML of `key: value` lines.
struct PlanSettingsText {
  let question: PlanQuestion
  /// Path of the public catalogue; a placeholder to be filled in when `nil`.
  let catalogue: String?

  var text: String {
    var lines = [
      "# Written by tacit plan. What is not here is computed: noise, grids, rings.",
      "catalogue: \(Self.quoted(catalogue ?? "items.tsv"))",
      "algorithm: \(question.algorithm)",
    ]
    if let rounds = question.rounds { lines.append("rounds: \(rounds)") }
    if !question.parameters.isEmpty {
      let parameters = question.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      lines.append("parameters: [\(parameters.joined(separator: ", "))]")
    }
    lines += [
      "noise: \(question.noise.rawValue)", "epsilon: \(question.epsilon)", "delta: \(question.delta)",
      "nominal-users: \(question.users)", "maximum-users: \(Planner.maximumUsers(question))",
      "max-partners-per-user: \(question.partnersPerUser)", "sampling-rate: \(question.rate)",
      "evaluation-share: \(question.evaluationShare)",
    ]
    if let threshold = question.threshold { lines.append("threshold: \(threshold)") }
    if let minimum = question.minimumSurvivors { lines.append("minimum-partners: \(minimum)") }
    lines += [
      "colluders: \(question.colluders)", "graph: \(question.graph.rawValue)", "attempts: \(question.attempts)",
      "reserve-attempts: \(question.reserveAttempts)",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  private static func quoted(_ text: String) -> String {
    "\"" + text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"") + "\""
  }
}

extension SimulationSettings {
  /// Takes a plan file as the coordinator reads it; what a simulation takes from its data (catalogue, caps, partners) is passed over.
  ///
  /// - Throws: `CommandFailure` that names file and key.
  mutating func merge(planFile yaml: String, file: String) throws {
    let node: Node?
    do { node = try Yams.compose(yaml: yaml) } catch {
      throw CommandFailure(.configuration, "\(file): not valid YAML; expected a plan file as tacit plan writes it")
    }
    guard let mapping = node?.mapping else {
      throw CommandFailure(.configuration, "\(file): expected `key: value` lines as tacit plan writes them")
    }
    // What the coordinator takes when the file does not say.
    (graph, noise, reserveAttempts) = (GraphChoice.complete.rawValue, NoiseMode.distributed.rawValue, 2)
    let fromData = ["catalogue", "maximum-users", "maximum-users-of", "partners", "task", "model-seed"]
    for (keyNode, value) in mapping {
      let key = keyNode.string ?? ""
      if fromData.contains(key) { continue }
      if key == "item-features" {
        itemFeatures = try Self.featureSources(value, file)
        continue
      }
      if key == "parameters" {
        for word in value.sequence?.compactMap(\.string) ?? value.string?.split(whereSeparator: { $0 == "," || $0 == " " }).map(
          String.init) ?? []
        {
          let parts = word.split(separator: "=", maxSplits: 1)
          guard parts.count == 2, let number = Double(parts[1]), number.isFinite else {
            throw CommandFailure(.configuration, "\(file): parameters has '\(word)'; expected NAME=NUMBER")
          }
          parameters[String(parts[0])] = number
        }
        continue
      }
      guard Self.planKeys.contains(key) else {
        throw CommandFailure(
          .configuration,
          "\(file): unknown key '\(key)'; \(NearestName.match(key, among: Self.planKeys).map { "did you mean '\($0)'?" } ?? "expected a plan file as tacit plan writes it")"
        )
      }
      guard let text = value.scalar?.string else {
        throw CommandFailure(.configuration, "\(file): '\(key)' must be a single value")
      }
      try set(key, to: text, source: file)
    }
  }

  /// Files are looked for beside the plan, as the coordinator does.
  private static func featureSources(_ value: Node, _ file: String) throws -> String {
    let words =
      value.sequence.map { $0.map { $0.scalar?.string ?? "" } }
      ?? value.scalar.map { $0.string.split(separator: ",", omittingEmptySubsequences: false).map(String.init) } ?? []
    guard !words.isEmpty, words.allSatisfy({ !$0.isEmpty && !$0.contains(",") }) else {
      throw CommandFailure(
        .configuration, "\(file): 'item-features' must be names of sources or files, as in [attributes, vectors.npy]")
    }
    let folder = (file as NSString).deletingLastPathComponent
    return words.map { word in
      ItemFeatureSource.names.contains(word) || word.hasPrefix("/") || folder.isEmpty ? word : "\(folder)/\(word)"
    }.joined(separator: ",")
  }

  private static let planKeys = [
    "algorithm", "rounds", "half-life", "noise", "epsilon", "delta", "nominal-users", "max-partners-per-user", "sampling-rate",
    "evaluation-share", "threshold", "minimum-partners", "colluders", "graph", "attempts", "reserve-attempts",
    "suite", "item-features", "search",
  ]
}
