internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import SecureAggregation
internal import Simulation

/// One row of `tacit bench training`.
struct TrainingRow: Codable {
  let work: String
  /// `pair updates/s`, `sequences/s` (of CPU time; more is better) or `CPU s` (less is better).
  let unit: String
  /// Median over the repetitions.
  let value: Double
  let repeats: Int
  /// The same figure at the machine's limit.
  let limit: Double
  /// 1 is the machine's limit.
  let shareOfLimit: Double
  /// Operations per CPU second of a large matrix product, and bytes per CPU second of a copy, in this run.
  let limitOperationsPerSecond: Double
  let limitBytesPerSecond: Double
  /// What the row has to reach: `value` itself, or `ratio` where the row has a peer.
  let mark: Double?
  private(set) var peer: String?
  /// Median over the repetitions.
  private(set) var peerValue: Double?
  /// Median over pairs of ours and the peer's: how many times as fast as the peer (rates), or how many times its seconds.
  private(set) var ratio: Double?
  /// Whether the mark is reached; `nil` without a mark, or where its peer was not measured.
  private(set) var isReached: Bool?

  static let seconds = "CPU s"

  init(
    work: String, unit: String, values: [Double], limit: Double, machine: MachineLimit, mark: Double?, isAgainstPeer: Bool,
    peer: [TrainingPeer.Figure]
  ) {
    self.work = work
    self.unit = unit
    value = median(values)
    repeats = values.count
    self.limit = limit
    let isTime = unit == Self.seconds
    shareOfLimit = isTime ? limit / value : value / limit
    (limitOperationsPerSecond, limitBytesPerSecond) = (machine.operationsPerSecond, machine.bytesPerSecond)
    self.mark = mark
    if let name = peer.first?.peer {
      self.peer = name
      peerValue = median(peer.map(\.value))
      ratio = median(zip(values, peer).map { $0 / $1.value })
    }
    let judged = isAgainstPeer ? ratio : value
    if let mark, let judged { isReached = isTime ? judged <= mark : judged >= mark }
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  var text: String {
    func number(_ value: Double) -> String { String(format: "%.4g", value) }
    var lines = [
      work,
      "  ours   \(number(value)) \(unit) (median of \(repeats)), \(number(100 * shareOfLimit)) % of the limit of \(number(limit)) "
        + "(products \(number(limitOperationsPerSecond / 1e9)) GFLOP/s, copies \(number(limitBytesPerSecond / 1e9)) GB/s)",
    ]
    if let peer, let peerValue, let ratio {
      lines.append("  \(peer)   \(number(peerValue)) \(unit); ours \(number(ratio)) times that")
    }
    if let mark {
      let verdict = isReached.map { $0 ? "reached" : "MISSED" } ?? "not judged: its peer was not measured"
      lines.append("  mark   \(unit == Self.seconds ? "at most" : "at least") \(number(mark)): \(verdict)")
    }
    return lines.joined(separator: "\n")
  }
}

/// Measures the rows.
struct TrainingBench {
  let limit: MachineLimit
  let repeats: Int
  /// CPU seconds of one measurement of a rate, at least.
  let seconds: Double
  /// `nil` once it proved absent.
  var peer: TrainingPeer?
  let show: (TrainingRow) throws -> Void

  init(
    limit: MachineLimit, repeats: Int, seconds: Double, peer: TrainingPeer?, show: @escaping (TrainingRow) throws -> Void
  ) {
    (self.limit, self.repeats, self.seconds, self.peer, self.show) = (limit, repeats, seconds, peer, show)
  }

  /// One round of `mf`: every user solves its vector and reports each observed pair's pull on its item.
  func factorization(_ dataset: Dataset, dimension: Int) throws {
    let algorithm = try MatrixFactorization(
      itemCount: dataset.itemCount, regime: .implicit(ImplicitFactorization(dimension: dimension)))
    let model = algorithm.initialModel(seed: 1)
    var sum = [Double](repeating: 0, count: algorithm.shapes[1].dimension)
    let (pairs, d) = (Double(dataset.train.count), Double(dimension))
    let rates = (0..<repeats).map { _ in
      pairs / Self.spent { algorithm.trainer(for: 1, model: model).accumulate(dataset.train, seed: 1, into: &sum) }
    }
    // A pair's part of the user's normal equations (half a square), its score and its pull; a user's own solution.
    let operations = pairs * (d * (d + 1) + 2 * d + 4 * d) + Double(dataset.userCount) * (d * d * d / 3 + 2 * d * d)
    try show(
      TrainingRow(
        work: "mf, d = \(dimension), one round of \(dataset.train.count) pairs of \(dataset.userCount) users (\(dataset.name))",
        unit: "pair updates/s", values: rates, limit: pairs / limit.seconds(operations: operations), machine: limit, mark: 10e6,
        isAgainstPeer: false, peer: []))
  }

  /// Forward, backward and update of `sasrec`: at a batch of 1 a user's own step and its contribution, above also the server's.
  mutating func transformer(batch: Int) throws {
    let (work, seconds) = (try TrainingBenchmark(batch: batch), self.seconds)
    // Once without the clock: caches and pages.
    _ = work.run(batches: 1)
    var (rates, figures): ([Double], [TrainingPeer.Figure]) = ([], [])
    for _ in 0..<repeats {
      var (count, taken) = (max(1, 64 / batch), 0.0)
      while true {
        taken = Self.spent { _ = work.run(batches: count, includesServerStep: batch > 1) }
        if taken >= seconds { break }
        count = taken > seconds / 8 ? Int(1.2 * seconds / taken * Double(count)) + 1 : 8 * count
      }
      rates.append(Double(batch * count) / taken)
      if let figure = asking({ try $0.transformer(work, seconds: seconds) }) { figures.append(figure) }
    }
    try show(
      TrainingRow(
        work: "sasrec, batch of \(batch), \(work.length) items, \(work.negatives) negatives, d = \(TrainingBenchmark.dimension)",
        unit: "sequences/s", values: rates, limit: 1 / limit.seconds(operations: work.operations), machine: limit,
        mark: batch == 1 ? 10 : 2, isAgainstPeer: true, peer: figures))
  }

  /// `als` from first to last sweep: in one place, and as a federation with secure aggregation off and on.
  mutating func leastSquares(_ dataset: Dataset, factors: Int, sweeps: Int) throws {
    let algorithm = try AlternatingLeastSquares(
      itemCount: dataset.itemCount, configuration: .init(dimension: factors, sweeps: sweeps))
    let partners = dataset.userAttributes["partner"].map { Set($0).count } ?? 10
    let pairs = try peer.map { _ in try PairFile(dataset.train) }
    let d = Double(factors)
    let operations =
      Double(sweeps)
      * (2 * Double(dataset.train.count) * d * (d + 1)
        + Double(dataset.userCount + dataset.itemCount) * (d * d * d / 3 + 2 * d * d))
    /// A partner's sum is written once and read once, 4 bytes an entry.
    let bytes = Double(sweeps) * Double(algorithm.shapes[0].dimension) * 8 * Double(partners)
    let name = "als, d = \(factors), \(sweeps) sweeps, \(dataset.train.count) pairs (\(dataset.name))"
    let ways: [(name: String, mark: Double?, bytes: Double, run: () throws -> Double)] = [
      ("one place", nil, 0, { Self.spent { _ = CentralTraining.run(algorithm, on: dataset.train, seed: 1) } }),
      (
        "\(partners) partners, secure aggregation off", 1, bytes,
        { try Self.federated(dataset, isSecure: false, factors: factors, sweeps: sweeps) }
      ),
      (
        "\(partners) partners, secure aggregation on", 3, bytes,
        { try Self.federated(dataset, isSecure: true, factors: factors, sweeps: sweeps) }
      ),
    ]
    for way in ways {
      var (times, defaults, exact): ([Double], [TrainingPeer.Figure], [TrainingPeer.Figure]) = ([], [], [])
      for _ in 0..<repeats {
        times.append(try way.run())
        guard let pairs else { continue }
        for solver in ["cg", "cholesky"] {
          let figure = asking { try $0.leastSquares(pairs, factors: factors, iterations: sweeps, solver: solver) }
          guard let figure else { break }
          if solver == "cg" { defaults.append(figure) } else { exact.append(figure) }
        }
      }
      // Beside its default, three steps of conjugate gradients, and beside the exact solutions that ours are.
      for figures in exact.isEmpty ? [defaults] : [defaults, exact] {
        try show(
          TrainingRow(
            work: "\(name), \(way.name)", unit: TrainingRow.seconds, values: times,
            limit: limit.seconds(operations: operations, bytes: way.bytes), machine: limit, mark: way.mark, isAgainstPeer: true,
            peer: figures))
      }
    }
  }

  private mutating func asking(_ question: (TrainingPeer) throws -> TrainingPeer.Figure) -> TrainingPeer.Figure? {
    guard let peer else { return nil }
    do { return try question(peer) } catch {
      Console.error("NOT COMPARED WITH OTHERS: \((error as? CommandFailure)?.description ?? "\(error)")")
      self.peer = nil
      return nil
    }
  }

  /// CPU seconds of all releases between partners and coordinator, every message as bytes; ledgers in memory.
  private static func federated(_ dataset: Dataset, isSecure: Bool, factors: Int, sweeps: Int) throws -> Double {
    var settings = SimulationSettings()
    settings.partners = dataset.userAttributes["partner"] == nil ? "10" : "by:partner"
    settings.algorithm = "als"
    settings.rounds = sweeps
    settings.noise = "none"
    settings.parameters = ["dimension": Double(factors)]
    settings.evaluationShare = 0
    settings.secureAggregation = isSecure
    let experiment = try Experiment.prepare(settings, dataset: dataset)
    let federation = try experiment.federationInMemory()
    var result: FederationResult?
    let taken = spent { result = federation.run() }
    guard let result, result.end == .completed else {
      throw CommandFailure(.stopped, "the run ended early: \(result.map { "\($0.end)" } ?? "it did not begin")")
    }
    return taken
  }

  private static func spent(_ body: () -> Void) -> Double {
    let began = StageMeter.processCPU()
    body()
    return max(StageMeter.processCPU() - began, 1e-9)
  }
}
