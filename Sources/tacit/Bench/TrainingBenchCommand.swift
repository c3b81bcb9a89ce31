internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import Recommender
internal import Simulation

/// `tacit bench training`: local training and whole sweeps, beside what this machine's matrix products allow.
struct TrainingBenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "training", abstract: "Training: pair updates, sequences and sweeps by CPU time, beside other programs.",
    discussion: """
      Figures are of CPU seconds of this process, all its threads together, medians over the repetitions. The limit of a row is what \
      its unavoidable arithmetic takes at the rate of a product of 512 × 512 matrices, and what its unavoidable bytes take at the \
      rate of a copy, both measured in this run. With --peer, scripts/training-peers.py measures PyTorch (sasrec) and \
      implicit (als) on one thread, each repetition right after ours; the ratio is the median over these pairs. It needs a Python \
      environment under .build/training-peers (--install); without one the comparison is left out, loudly. Data: --data, else \
      ml-1m in the folder that TACIT_SHARED names, else made-up interactions of as many users and items as ml-1m has.
      """)

  @Option(help: "The kinds to measure, separated by commas: mf, sasrec, als.") var work = "mf,sasrec,als"
  @Option(help: "Data for mf and als: a data folder, an interaction file or synthetic:USERSxITEMSxPARTNERS.") var data: String?
  @Option(help: "Length of a vector in mf.") var dimension = 64
  @Option(help: "Length of a vector in als, and of the peer's.") var factors = 56
  @Option(help: "Sweeps of als, and iterations of the peer.") var sweeps = 4
  @Option(help: "CPU seconds of one measurement of sasrec, at least.") var seconds = 1.0
  @Option(help: "Repetitions; the median is printed.") var repeats = 5
  @Flag(help: "Measure PyTorch and implicit beside it.") var peer = false
  @Flag(help: "Make the peers' Python environment with pip when it is absent.") var install = false
  @Option(help: ArgumentHelp("The folder that holds scripts/ and .build/.", valueName: "folder")) var root = "."
  @Option(help: "text or json: one object per row.") var format: OutputFormat = .text

  private static let kinds = ["mf", "sasrec", "als"]

  func validate() throws {
    for kind in work.split(separator: ",") where !Self.kinds.contains(String(kind)) {
      throw ValidationError("'\(kind)' in --work; expected some of \(Self.kinds.joined(separator: ", ")), separated by commas")
    }
    guard !work.isEmpty, dimension >= 1, factors >= 1, sweeps >= 1, repeats >= 1, seconds > 0, seconds <= 600 else {
      throw ValidationError("expected at least 1 kind, dimension, factor, sweep and repetition, and 0 to 600 seconds")
    }
  }

  func run() throws {
    try Failures.report {
      var bench = TrainingBench(
        limit: MachineLimit.measure(), repeats: repeats, seconds: seconds, peer: peer ? trainingPeer : nil, show: show)
      let kinds = Set(work.split(separator: ",").map(String.init))
      let dataset = kinds.isSubset(of: ["sasrec"]) ? nil : try TrainingBenchData.load(data)
      if let dataset, kinds.contains("mf") { try bench.factorization(dataset, dimension: dimension) }
      if kinds.contains("sasrec") { for batch in [1, 128] { try bench.transformer(batch: batch) } }
      if let dataset, kinds.contains("als") { try bench.leastSquares(dataset, factors: factors, sweeps: sweeps) }
    }
  }

  private var trainingPeer: TrainingPeer {
    TrainingPeer(
      peers: PythonPeers(
        root: root, name: "training-peers", packages: ["torch", "numpy", "scipy", "implicit"], installs: install),
      script: URL(fileURLWithPath: root).appending(path: "scripts/training-peers.py").path)
  }

  private func show(_ row: TrainingRow) throws {
    switch format {
    case .json: Console.output(try row.json())
    case .text: Console.output(row.text)
    }
  }
}

/// What `mf` and `als` are measured on.
enum TrainingBenchData {
  static func load(_ name: String?) throws -> Dataset {
    if let name { return try DataSource.load(name, seed: 1, validation: false).dataset }
    if let shared = ProcessInfo.processInfo.environment["TACIT_SHARED"] {
      let folder = "\(shared)/data/ml-1m"
      if FileManager.default.fileExists(atPath: folder) {
        return try DataSource.load(folder, seed: 1, validation: false).dataset
      }
    }
    Console.error("NOT MEASURED ON ml-1m: neither --data nor TACIT_SHARED names it; made-up interactions of its size instead")
    return madeUp(users: 6040, items: 3706, partners: 10, meanLength: 165)
  }

  /// Histories of 20 items and an exponential number more; the chance of item i goes with 1/√i.
  static func madeUp(users: Int, items: Int, partners: Int, meanLength: Double) -> Dataset {
    var generator = SplitMix64(seed: 1)
    let histories = (0..<users).map { _ -> [Int32] in
      let more = -log(1 - generator.nextUnit()) * (meanLength - 20)
      let length = min(items / 2, 20 + Int(more))
      var (history, seen) = ([Int32](), Set<Int32>())
      while history.count < length {
        let place = generator.nextUnit()
        let item = Int32(min(items - 1, Int(place * place * Double(items))))
        if seen.insert(item).inserted { history.append(item) }
      }
      return history
    }
    return Dataset(
      name: "made-up, as large as ml-1m", catalogue: Catalogue(itemIDs: (0..<items).map(String.init)),
      userIDs: (0..<users).map(String.init), train: Interactions(itemCount: items, histories: histories),
      userAttributes: ["partner": (0..<users).map { "\($0 % partners)" }])
  }
}
