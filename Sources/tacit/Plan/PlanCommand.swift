internal import ArgumentParser
internal import CommandSupport
internal import DataImport
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import Recommender
internal import Reporting

/// `tacit plan`: what can be had for a budget, before anybody signs.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "What can be had: noise, rounds, bytes, time and quality for a budget; writes the plan file.",
    discussion: """
      tacit plan --target-epsilon 4 --users 100000 --partners 8 --items 2000 --output plan.yaml
      tacit plan --target-sigma 1.2 --users 100000 --partners 8        what ε a noise multiplier costs
      tacit plan --target-epsilon 2 --quality 0.9 --partners 8         how many users it takes

      The file is what `tacit-coordinator plan` reads (put the catalogue's path in it) and `tacit simulate --plan` tries out.
      """)

  @Option(help: "The cap on ε.") var targetEpsilon: Double?
  @Option(help: ArgumentHelp("Instead: the noise multiplier of all training releases together.", valueName: "z")) var targetSigma:
    Double?
  @Option(
    help: ArgumentHelp(
      "Instead of --users: the share of the quality without noise that is to be kept, as in 0.9.", valueName: "share"))
  var quality: Double?
  @Option(help: "δ, well below 1/(number of users).") var delta = 1e-6
  @Option(help: "N: a round number of users, never a count of data.") var users: Int?
  @Option(help: "Partners.") var partners: Int
  @Option(help: "Items in the catalogue.") var items: Int?
  @Option(help: ArgumentHelp("The public catalogue, for its size and for the plan file.", valueName: "file")) var catalogue:
    String?
  @Option(help: "One of \(AlgorithmChoice.names.joined(separator: ", ")).") var algorithm = "mf"
  @Option(help: "Training rounds, where the algorithm lets them be chosen.") var rounds: Int?
  @Option(
    name: .customLong("set"),
    help: "An algorithm parameter as name=number, as in table-bits=8; may be repeated. Quality was measured without.")
  var parameters: [String] = []
  @Option(help: "Poisson sampling rate of users.") var rate = 1.0
  @Option(help: "distributed or central.") var noise = "distributed"
  @Option(help: "Partners that may collude with the coordinator.") var colluders = 1
  @Option(help: "Shamir threshold t; by default ⌊2n/3⌋ + 1.") var threshold: Int?
  @Option(help: "The fewest partners in a sum.") var minimumSurvivors: Int?
  @Option(
    help:
      "Between whom shares and masks pass: complete, drawn, or auto: drawn where it at least halves the shares, as the coordinator takes it."
  )
  var graph = GraphChoice.automatic.rawValue
  @Option(help: "The most partners that hold data of one user.") var maxPartnersPerUser = 1
  @Option(help: "Share of the budget for one noised evaluation.") var evaluationShare = 0.02
  @Option(help: "Extra attempts that the budget pays for.") var reserveAttempts = 0
  @Option(help: "Items in a typical user's history.") var history = 20.0
  @Option(help: "Exponent of the popularity curve.") var zipf = 1.0
  @Option(
    help: ArgumentHelp(
      "Instead of --zipf: a public list, the last number of each line says how wanted an item is.", valueName: "file"))
  var popularity: String?
  @Option(help: ArgumentHelp("Write the plan file here.", valueName: "file")) var output: String?
  @Flag(help: "Replace a plan file that is there.") var force = false
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws {
    try Failures.report {
      do { try execute() } catch let error as PlanQuestionError {
        throw CommandFailure(.configuration, error.description)
      } catch let error as PlanError {
        throw CommandFailure(.configuration, "no such plan can be made: \(error)")
      } catch let error as InvalidHyperparameter { throw CommandFailure(.configuration, "\(error)") }
    }
  }

  private func execute() throws {
    var question = try question()
    if let targetSigma { question.epsilon = try Planner.epsilon(noiseMultiplier: targetSigma, question) }
    if let quality { question.users = try Planner.users(keeping: quality, question) }
    let answer = try Planner.answer(question)
    switch format {
    case .json: try Console.outputJSON(answer)
    case .text: Console.output(PlanText(answer).text)
    }
    for warning in answer.warnings where format == .text { Console.output("warning: \(warning)") }
    guard let output else { return }
    guard force || !FileManager.default.fileExists(atPath: output) else {
      throw CommandFailure(.cannotCreate, "\(output) exists; choose another name, or add --force")
    }
    try AtomicFile.write(PlanSettingsText(question: question, catalogue: catalogue).text, to: output)
    if format == .text {
      Console.output(
        "written to \(output): try it with tacit simulate --plan \(output) --data DATA --partners \(question.partners), make it with tacit-coordinator plan \(output)"
      )
    }
  }

  private func question() throws -> PlanQuestion {
    func fail(_ option: String, _ found: String, _ expected: String) -> CommandFailure {
      CommandFailure(.usage, "--\(option) is \(found); expected \(expected)")
    }
    guard (targetEpsilon == nil) != (targetSigma == nil) else {
      throw CommandFailure(
        .usage, "expected one of --target-epsilon and --target-sigma, found \(targetEpsilon == nil ? "neither" : "both")")
    }
    guard (users == nil) != (quality == nil) else {
      throw CommandFailure(.usage, "expected one of --users and --quality, found \(users == nil ? "neither" : "both")")
    }
    guard quality == nil || targetSigma == nil else {
      throw CommandFailure(
        .usage, "--quality asks for users at a wanted ε; expected --target-epsilon beside it, found --target-sigma")
    }
    if let targetEpsilon, !(targetEpsilon > 0 && targetEpsilon.isFinite) {
      throw fail("target-epsilon", "\(targetEpsilon)", "a number above 0")
    }
    if let targetSigma, !(targetSigma > 0 && targetSigma.isFinite) {
      throw fail("target-sigma", "\(targetSigma)", "a number above 0")
    }
    if let quality, !(quality > 0 && quality < 1) {
      throw fail("quality", "\(quality)", "a share above 0 and below 1, such as 0.9")
    }
    guard delta > 0, delta < 1 else { throw fail("delta", "\(delta)", "a number above 0 and below 1, such as 1e-6") }
    if let users, !(1...1 << 40).contains(users) { throw fail("users", "\(users)", "a whole number from 1 to 2^40") }
    guard let graphChoice = GraphChoice(rawValue: graph) else {
      throw fail("graph", "'\(graph)'", GraphChoice.allCases.map(\.rawValue).joined(separator: ", "))
    }
    let most = graphChoice == .complete ? 1000 : TrainingPlan.drawnPartnersMax
    guard (2...most).contains(partners) else {
      throw fail("partners", "\(partners)", "2 to \(most), at least 3 with distributed noise")
    }
    guard rate > 0, rate <= 1 else { throw fail("rate", "\(rate)", "a rate above 0 and at most 1") }
    guard history >= 1, history.isFinite, zipf >= 0, zipf <= 10 else {
      throw fail("history or zipf", "\(history), \(zipf)", "at least 1, and 0 to 10")
    }
    var parameters = try SimulationSettings.parameters(parameters)
    var rounds = rounds
    if let set = parameters.removeValue(forKey: "rounds") {
      guard rounds == nil else { throw CommandFailure(.usage, "found --rounds and --set rounds; expected one of them") }
      guard let whole = Int(exactly: set) else { throw fail("set", "rounds=\(set)", "a whole number") }
      rounds = whole
    }
    if let rounds, !(1...100_000).contains(rounds) { throw fail("rounds", "\(rounds)", "1 to 100,000") }
    guard (0...0.5).contains(evaluationShare), (0...1000).contains(reserveAttempts), (1...1000).contains(maxPartnersPerUser)
    else {
      throw CommandFailure(
        .usage, "expected --evaluation-share 0 to 0.5, --reserve-attempts 0 to 1000, --max-partners-per-user 1 to 1000")
    }
    guard maxPartnersPerUser <= partners else {
      throw fail("max-partners-per-user", "\(maxPartnersPerUser)", "at most the \(partners) partners there are")
    }
    guard let mode = NoiseMode(rawValue: noise), mode != .none else {
      throw fail("noise", "'\(noise)'", "distributed or central")
    }
    guard AlgorithmChoice.names.contains(algorithm) else {
      let hint =
        NearestName.match(algorithm, among: AlgorithmChoice.names).map { "'\($0)'" }
        ?? AlgorithmChoice.names.joined(separator: ", ")
      throw fail("algorithm", "'\(algorithm)'", hint)
    }
    let count: Int
    if let catalogue {
      do { count = try CatalogueFile.read(path: catalogue).count } catch { throw CommandFailure(.data, "\(error)") }
      guard items == nil || items == count else {
        throw fail("items", "\(items ?? 0)", "the \(count) items of \(catalogue), or no --items")
      }
    } else {
      count = items ?? 1000
    }
    guard (1...1 << 22).contains(count) else { throw fail("items", "\(count)", "1 to \(1 << 22)") }
    let curve: PopularityCurve
    if let popularity {
      guard let bytes = FileManager.default.contents(atPath: popularity), let text = String(bytes: bytes, encoding: .utf8) else {
        throw CommandFailure(.noInput, "\(popularity) cannot be read as UTF-8 text; expected one number per line")
      }
      curve = try PopularityCurve(list: text, name: popularity, items: count)
    } else {
      curve = PopularityCurve(zipf: zipf, items: count)
    }
    var question = PlanQuestion(
      epsilon: targetEpsilon ?? 1, delta: delta, users: users ?? 10_000, partners: partners, items: count, popularity: curve)
    question.algorithm = algorithm
    question.rounds = rounds
    question.parameters = parameters
    question.rate = rate
    question.noise = mode
    question.colluders = colluders
    question.graph = graphChoice
    question.threshold = threshold
    question.minimumSurvivors = minimumSurvivors
    question.partnersPerUser = maxPartnersPerUser
    question.evaluationShare = evaluationShare
    question.reserveAttempts = reserveAttempts
    question.historyLength = min(history, Double(count))
    return question
  }
}

/// The answer for people.
private struct PlanText {
  let answer: PlanAnswer

  init(_ answer: PlanAnswer) { self.answer = answer }

  var text: String {
    let a = answer
    var lines = [
      "\(a.algorithm), \(a.users) users at \(a.partners) partners, \(a.itemCount) items, noise \(a.noise)"
    ]
    if let reason = a.chosenBecause { lines.append("auto: \(reason)") }
    if !a.parameters.isEmpty {
      lines.append(
        "with " + a.parameters.sorted { $0.key < $1.key }.map { "\($0.key) \(number($0.value))" }.joined(separator: ", "))
    }
    lines += [
      "ε ≤ \(number(a.epsilonPlanned)) at δ = \(a.delta) for all \(a.rounds) releases (cap \(number(a.epsilonCap)))",
      "z = \(number(a.noiseMultiplier)) over all training releases; users over noise N/z = \(Int(a.usersOverNoise.rounded()))",
      "threshold \(a.threshold), at least \(a.minimumSurvivors) partners in a sum, \(a.colluders) may collude; sampling rate \(a.samplingRate), expected cohort \(number(a.expectedCohort))",
      graph, "",
    ]
    var table = TextTable(header: ["release", "times", "entries", "Δ²", "σ²", "z", "bits", "noise on an entry"])
    for release in a.releases {
      table.add([
        release.name, "\(release.times)", "\(release.dimension)", "\(release.deltaSquared)", "\(release.sigmaSquared)",
        number(release.noiseMultiplier), "\(release.modulusBits)", number(release.noiseDeviation),
      ])
    }
    lines += [table.text, ""]
    var rows = TextTable(header: ["row of an item in", "noise", "signal: first", "middle", "last", "rows that drown"])
    for release in a.releases {
      guard let items = release.items else { continue }
      rows.add([
        release.name, number(items.noise), number(items.signalOfFirst), number(items.signalOfMiddle), number(items.signalOfLast),
        String(format: "%.0f %%", items.drowned * 100),
      ])
    }
    let quality =
      a.predictedQuality.map { String(format: "about %.0f %% of NDCG@10 without noise; ", $0 * 100) } ?? "not predicted: "
    lines += [
      rows.text, "Signal: the most that holders of an item can add up to in one round, items by popularity (\(a.popularity)).",
      "",
      "quality   \(quality)\(a.prediction)",
      "bytes     one partner and round: up \(bytes(a.costs.bytesUpPerRound)), down \(bytes(a.costs.bytesDownPerRound)) at most; whole plan: up \(bytes(a.costs.bytesUp)), down \(bytes(a.costs.bytesDown))",
      "CPU       one partner \(number(a.costs.partnerSeconds)) s, coordinator \(number(a.costs.coordinatorSeconds)) s, whole plan",
      "          (\(a.costsMeasured))",
    ]
    return lines.joined(separator: "\n")
  }

  private var graph: String {
    guard let graph = answer.graph else {
      return "complete graph: every partner deals shares to, and shares masks with, all others"
    }
    return
      "drawn graph: every partner draws k = \(graph.holders) holders, t = \(answer.threshold) of them open a secret; masks with the first m = \(graph.maskDraws) and with whoever drew it so"
  }

  private func number(_ value: Double) -> String { Text.significant(value) }

  private func bytes(_ count: Int) -> String {
    count < 1_000_000 ? String(format: "%.1f kB", Double(count) / 1e3) : String(format: "%.1f MB", Double(count) / 1e6)
  }
}
