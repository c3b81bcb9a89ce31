internal import ArgumentParser
internal import CommandSupport
internal import FederatedLearning
internal import Foundation
internal import Recommender

/// `tacit simulate`: several parties train one recommender in one process, with real cryptography and real noise.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Train one recommender among several simulated partners, with real secure aggregation and real noise.",
    discussion: "Settings come from defaults, then the YAML file of --config, then flags.")

  @Option(help: "A YAML file with the same names as these flags.") var config: String?
  @Option(help: "A plan file as tacit plan writes it; flags and --config count more.") var plan: String?
  @Option(help: "'synthetic', a data folder, or an interaction file.") var data: String?
  @Option(help: "A number of partners, or by:COLUMN of the users' table.") var partners: String?
  @Option(help: "One of \(AlgorithmChoice.names.joined(separator: ", ")).") var algorithm: String?
  @Option(help: "Cap on ε, per user.") var epsilon: String?
  @Option(help: "δ of the cap.") var delta: String?
  @Option(help: "Training rounds, where the algorithm lets them be chosen.") var rounds: String?
  @Option(help: "central, distributed or none.") var noise: String?
  @Option(help: "The most partners that hold data of one user.") var maxPartnersPerUser: String?
  @Option(help: "Probability that a partner drops out of an attempt.") var dropout: String?
  @Option(help: "on or off.") var secureAggregation: String?
  @Option(help: "Seed of data, splits, initial values and simulated faults; never of keys, masks or noise.") var seed: String?
  @Option(help: "Folder of the run, for instance runs/first; a free name under runs/ when left out.") var output: String?
  @Option(name: .customLong("set"), help: "An algorithm parameter as name=number; may be repeated.")
  var parameters: [String] = []
  @Option(help: "Poisson sampling rate of users.") var samplingRate: String?
  @Option(help: "Partners that may collude with the coordinator (distributed noise).") var colluders: String?
  @Option(help: "Shamir threshold t; by default ⌊2n/3⌋ + 1.") var threshold: String?
  @Option(help: "complete, drawn (each partner draws its holders), or auto: drawn where it at least halves the shares.")
  var graph: String?
  @Option(help: "The fewest partners in a sum.") var minimumPartners: String?
  @Option(help: "Attempts per round.") var attempts: String?
  @Option(help: "Extra attempts that the budget pays for.") var reserveAttempts: String?
  @Option(help: "aes256-ctr, chacha20, or auto: the faster one, measured now and written into the plan.") var suite: String?
  @Option(help: "N of the plan; by default the number of users to two digits.") var nominalUsers: String?
  @Option(help: "Share of the budget for a noised evaluation.") var evaluationShare: String?
  @Option(help: "on or off: popularity, each partner alone, and the same without noise.") var baselines: String?
  @Option(help: "Probability that a partner's message comes after its deadline.") var stragglers: String?
  @Option(help: "none, split-survivors, small-cohort, swap-model, forge-key or rewrite-ledger.") var lyingCoordinator: String?
  @Option(help: "Length of the lists in recommendations.tsv.") var topN: String?
  @Option(help: "Items after which a user's history counts half when scoring.") var halfLife: String?
  @Option(
    help:
      "What networks learn of items: attributes, text, files of vectors (.npy, .safetensors), separated by commas; none by default."
  )
  var itemFeatures: String?
  @Option(
    help: "Share of users who train nobody: tacit evaluate then shows how the model serves new users by their first events.")
  var holdOutUsers: String?
  @Option(help: "Share of items that are not trained on: tacit evaluate then shows how new items are found by their features.")
  var holdOutItems: String?
  @Option(help: "Name of the search over settings that this run belongs to; ledgers and report count it.") var search: String?
  @Option(help: "A folder in which the partners' ledgers outlive this run, so that several runs are counted together.")
  var ledgers: String?
  @Option(help: "EPSILON,DELTA: the most that the ledgers of --ledgers may spend, over all runs; by default the plan's own cap.")
  var cap: String?
  @Flag(help: "Hold out each user's last training item instead of reading the test items (for tuning).")
  var validation = false
  @Flag(help: "Draw keys, masks and noise from the seed. Nothing about such a run is private.")
  var insecureTestRandomness = false
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws { try Failures.report { try SimulationRun(settings: try settings(), format: format).execute() } }

  /// Defaults, then the file, then flags.
  func settings() throws -> SimulationSettings {
    var settings = SimulationSettings()
    if let plan {
      guard let bytes = FileManager.default.contents(atPath: plan), let text = String(bytes: bytes, encoding: .utf8) else {
        throw CommandFailure(.noInput, "\(plan): no such file, or it is not UTF-8 text")
      }
      try settings.merge(planFile: text, file: plan)
    }
    if let config {
      guard let bytes = FileManager.default.contents(atPath: config) else {
        throw CommandFailure(.noInput, "\(config): no such file, or it cannot be read")
      }
      guard let text = String(bytes: bytes, encoding: .utf8) else {
        throw CommandFailure(.configuration, "\(config): the file is not UTF-8 text")
      }
      try settings.merge(yaml: text, file: config)
    }
    let flags: [(String, String?)] = [
      ("data", data), ("partners", partners), ("algorithm", algorithm), ("epsilon", epsilon), ("delta", delta),
      ("rounds", rounds), ("noise", noise), ("max-partners-per-user", maxPartnersPerUser), ("dropout", dropout),
      ("secure-aggregation", secureAggregation), ("seed", seed), ("output", output), ("sampling-rate", samplingRate),
      ("colluders", colluders), ("threshold", threshold), ("graph", graph), ("minimum-partners", minimumPartners),
      ("attempts", attempts), ("reserve-attempts", reserveAttempts), ("suite", suite),
      ("nominal-users", nominalUsers), ("evaluation-share", evaluationShare), ("baselines", baselines),
      ("stragglers", stragglers), ("lying-coordinator", lyingCoordinator), ("top-n", topN), ("half-life", halfLife),
      ("item-features", itemFeatures), ("hold-out-users", holdOutUsers), ("hold-out-items", holdOutItems),
      ("search", search), ("ledgers", ledgers), ("cap", cap),
    ]
    for (key, value) in flags { if let value { try settings.set(key, to: value, source: "--\(key)") } }
    settings.parameters.merge(try SimulationSettings.parameters(parameters)) { $1 }
    if validation { settings.validation = true }
    if insecureTestRandomness { settings.insecureTestRandomness = true }
    return settings
  }
}
