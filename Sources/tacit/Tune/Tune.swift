internal import CommandSupport
internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Reporting
internal import Storage

/// What the tries of a search are compared by.
enum TuneMetric: String, CaseIterable {
  case ndcg, hr

  var metric: ReportMetric { self == .ndcg ? .fullNDCG10 : .fullHitRate10 }
}

/// A search over settings: runs on validation items, one after another, on ledgers that count them all.
struct Tune {
  let settings: SimulationSettings
  let grid: TuneGrid
  let metric: TuneMetric
  let format: OutputFormat
  /// Words of the command line that `tacit simulate` takes too.
  let asked: [String]

  /// One run of the search, and what it is compared by.
  struct Try: Codable {
    let parameters: [String: Double]
    let run: String
    /// As its last evaluation release says; absent where noise leaves nothing to say. Without noise, as measured.
    let value: Double?
    let low: Double?
    let high: Double?
    /// ε of all that the ledgers hold after it; absent without noise.
    let epsilonSpent: Double?
  }

  /// What the search prints and leaves as tune.json.
  struct Document: Codable {
    let schema: String
    let algorithm: String
    let metric: String
    let isNoised: Bool
    let tries: [Try]
    /// Counted from 1.
    let best: Int
    let delta: Double
    /// Tries whose range reaches that of the best one.
    let undecided: [Int]
    /// Why not all tries were made.
    let stopped: String?
    let command: String
  }

  private var isPrivate: Bool { settings.noise != "none" }

  /// A name for a search that nobody named: its words, shortened, a hash of all of them, and its number among those that the ledgers know,
  /// so that a search which is made again is counted again.
  static func name(of words: [String], _ settings: SimulationSettings) throws -> String {
    let text = words.joined(separator: "/")
    let kept = try settings.ledgers.map { try KeptLedgers(at: $0) }
    let number = try kept?.states().map(\.searches.count).max() ?? 0
    return "\(text.prefix(80))/\(SHA256.hash(Array(text.utf8)).hex.prefix(8))/\(number + 1)"
  }

  func execute() throws {
    try refuseWhatIsNotCounted()
    let points = grid.points.map(settings(of:))
    if isPrivate { try checkBudget(points) }
    let output = try folder()
    var tries: [Try] = []
    var stopped: String?
    for (index, var point) in points.enumerated() {
      point.output = "\(output)/try-\(index + 1)"
      if format == .text { Console.error("try \(index + 1) of \(points.count): \(Self.words(grid.points[index]))") }
      do {
        let more = ["--validation", "--baselines", "off", "--output", point.output ?? ""]
        let report = try SimulationRun(settings: point, format: format, arguments: arguments(grid.points[index]) + more)
          .execute(isSilent: true)
        tries.append(reading(report, grid.points[index], run: point.output ?? ""))
      } catch let failure as CommandFailure where failure.kind == .stopped && !tries.isEmpty {
        // Attempts that fail are charged too, so that less may fit than was counted on: what is known chooses.
        stopped = "try \(index + 1) came to no end, and none after it was made: \(failure)"
        Console.error(stopped ?? "")
        break
      }
      // Whatever ends the search, what was paid for is there.
      if let document = try? choice(tries, stopped) { try PlainFile.write(try Self.bytes(document), to: "\(output)/tune.json") }
    }
    let document = try choice(tries, stopped)
    let bytes = try Self.bytes(document)
    try PlainFile.write(bytes, to: "\(output)/tune.json")
    Console.output(format == .json ? String(decoding: bytes.dropLast(), as: UTF8.self) : lines(document).joined(separator: "\n"))
  }

  private static func bytes(_ document: Document) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return Array(try encoder.encode(document)) + [0x0A]
  }

  private func settings(of point: [String: Double]) -> SimulationSettings {
    var settings = settings
    settings.parameters.merge(point) { $1 }
    return settings
  }

  // MARK: - Before anything is spent

  private func refuseWhatIsNotCounted() throws {
    guard settings.algorithm != AlgorithmChoice.automatic else {
      throw CommandFailure(.usage, "auto has no parameters to try; name the algorithm that it chose with --algorithm")
    }
    guard isPrivate else {
      guard settings.ledgers == nil, settings.cap == nil else {
        throw CommandFailure(.usage, "tries without noise are not charged: leave --ledgers and --cap out, or add noise")
      }
      return
    }
    guard settings.ledgers != nil, settings.cap != nil else {
      throw CommandFailure(
        .usage,
        "every try is charged: say where with --ledgers FOLDER, and the most that all tries and the run after them may spend with --cap EPSILON,DELTA"
      )
    }
    guard settings.evaluationShare > 0 else {
      throw CommandFailure(
        .usage, "what chooses is each try's evaluation release, and --evaluation-share is 0; give it a share such as 0.3")
    }
  }

  /// All tries and one run more must fit, or the search would spend what its answer needs.
  private func checkBudget(_ points: [SimulationSettings]) throws {
    guard let path = settings.ledgers, let cap = settings.cap else { return }
    let kept = try KeptLedgers(at: path)
    var plans = try kept.earlierPlans()
    var events: [[(plan: Digest, event: ChargedEvent)]] = []
    var names: [String] = []
    var runs: [Digest] = []
    for point in points {
      let experiment = try Experiment.prepare(point)
      // And for the run after it, whose plan is another one of the same releases.
      for hash in [SHA256.hash(experiment.planFile.bytes), Self.again(experiment.planFile)] { plans[hash] = experiment.plan }
      runs.append(Self.again(experiment.planFile))
      events.append(KeptLedgers.charges(of: experiment.planFile, reserve: settings.reserveAttempts))
      names = experiment.plan.roster.map(\.name)
    }
    let states = try names.map { (name: $0, state: try kept.state(of: $0)) }
    // Whichever did best is run once more.
    let all = events.flatMap { $0 }
    for (name, state) in states {
      let spending = SpendingCap(cap, first: state?.firstCap, plans: plans)
      for (index, last) in events.enumerated() {
        let needed = spending.epsilon(of: state, and: all + last.map { (plan: runs[index], event: $0.event) })
        guard !spending.holds(needed) else { continue }
        guard needed.isFinite else {
          throw CommandFailure(
            .usage, "nothing can be proven about the ledger of '\(name)' with further runs; see what tacit simulate says of it")
        }
        throw CommandFailure(
          .usage,
          "\(points.count) tries and the run after them need ε = \(KeptLedgers.text(needed)) on the ledger of '\(name)', above --cap \(cap.epsilon) at δ = \(cap.delta): nothing was trained; give fewer --tries, a smaller --epsilon or a larger --cap"
        )
      }
    }
  }

  private static func again(_ file: PlanFile) -> Digest { SHA256.hash(file.bytes + Array("again".utf8)) }

  private func folder() throws -> String {
    if let output = settings.output {
      guard !FileManager.default.fileExists(atPath: output) else {
        throw CommandFailure(.usage, "--output \(output) exists; choose another name or remove it first")
      }
      return output
    }
    guard let free = (1...9999).lazy.map({ "runs/tune-\($0)" }).first(where: { !FileManager.default.fileExists(atPath: $0) })
    else {
      throw CommandFailure(.cannotCreate, "runs/ holds 9999 searches; name one with --output")
    }
    return free
  }

  // MARK: - After

  private func reading(_ report: RunReport, _ parameters: [String: Double], run: String) -> Try {
    let value: MetricValue?
    if isPrivate {
      value = report.utility?.released?.last?.rows.first?.metrics.first { $0.metric == metric.metric }
    } else {
      value = report.utility?.quality?.rows.first { $0.method == .federatedWithoutNoise && $0.partner == nil }?
        .metrics.first { $0.metric == metric.metric }
    }
    return Try(
      parameters: parameters, run: run, value: value?.value, low: value?.low, high: value?.high,
      epsilonSpent: report.privacy.tuning?.use?.epsilon)
  }

  private func choice(_ tries: [Try], _ stopped: String?) throws -> Document {
    let known = tries.indices.filter { tries[$0].value != nil }
    guard let best = known.max(by: { tries[$0].value ?? 0 < tries[$1].value ?? 0 }) else {
      throw CommandFailure(
        .stopped,
        "the noise of the evaluation releases leaves nothing to choose by; the tries are charged. Give a larger --evaluation-share or --epsilon next time"
      )
    }
    let reach = tries[best].low ?? tries[best].value ?? 0
    let undecided = known.filter { $0 != best && (tries[$0].high ?? tries[$0].value ?? 0) >= reach }
    return Document(
      schema: "tacit.tune/1", algorithm: settings.algorithm, metric: metric.metric.rawValue, isNoised: isPrivate, tries: tries,
      best: best + 1, delta: settings.delta, undecided: undecided.map { $0 + 1 }, stopped: stopped,
      command: command(tries[best].parameters))
  }

  /// The run with the best settings: what was asked for, but for the validation items.
  private func command(_ best: [String: Double]) -> String {
    (["tacit"] + arguments(best)).map(ShellWords.quoted).joined(separator: " ")
  }

  /// Of `tacit simulate`: what was asked for, with the parameters of one try.
  private func arguments(_ point: [String: Double]) -> [String] {
    ["simulate"] + asked + point.sorted { $0.key < $1.key }.flatMap { ["--set", "\($0.key)=\($0.value)"] }
      + (settings.search.map { ["--search", $0] } ?? [])
  }

  private static func words(_ parameters: [String: Double]) -> String {
    parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\(Text.significant($0.value))" }.joined(separator: " ")
  }

  private func lines(_ document: Document) -> [String] {
    var lines = document.tries.enumerated().map { index, one in
      let value = one.value.map { String(format: "%.4f", $0) } ?? "–"
      let range = one.low.flatMap { low in one.high.map { String(format: " (%.4f to %.4f)", low, $0) } } ?? ""
      let spent = one.epsilonSpent.map { ", ε spent so far \(KeptLedgers.text($0)) at δ = \(document.delta)" } ?? ""
      return
        "\(index + 1 == document.best ? "*" : " ") try \(index + 1)  \(Self.words(one.parameters))  \(document.metric) \(value)\(range)\(spent)"
    }
    lines.append(
      isPrivate
        ? "Chosen by noised evaluation releases alone; every try is charged."
        : "Without noise: chosen by what was measured on the validation items, and nothing about it is private.")
    if !document.undecided.isEmpty {
      lines.append(
        "The ranges do not tell the best one from try \(document.undecided.map(String.init).joined(separator: ", "))\(isPrivate ? ": a larger --evaluation-share tells more" : "")."
      )
    }
    return lines + ["next      \(document.command)"]
  }
}
