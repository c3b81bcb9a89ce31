internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import SecureAggregation

/// `tacit bench aggregation`: one secure sum with all parties in one process, beside what the machine could do at best.
struct AggregationBenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "aggregation", abstract: "Secure sums, all parties in one process: CPU seconds of a client and of the server.",
    discussion: """
      Figures are CPU seconds of this process, medians over the repetitions; a client's is the median over clients too. The limit \
      is a C loop of this very run that expands as many masks of AES-256-CTR in blocks of 16 KiB and adds them. Without \
      --clients the rows of the project's table are measured, except those that take minutes (--all). With --peer, Flower's SecAgg+ \
      plays the rows of 14 neighbours and of the complete graph beside ours, by bench_flower_secagg.py of the folder that \
      TACIT_SHARED names, in a Python environment under .build/aggregation-peers (--install); without either the comparison is left \
      out, loudly. With --plot, growth is measured instead and drawn into two SVG files.
      """)

  @Option(help: "Participants n.") var clients: Int?
  @Option(help: "Neighbours with whom a client shares a mask, about; 0: the complete graph. Shares go to as many holders.")
  var neighbours = 0
  @Option(help: "Entries of each vector.") var entries = 100_000
  @Option(help: "Bits of the ring.") var bits = 23
  @Option(help: "Share of the participants that leave after sharing keys, 0 to below 1.") var dropouts = 0.1
  @Option(help: "Shamir threshold t; by default the graph's.") var threshold: Int?
  @Option(help: "Threads on which masks are expanded.") var threads = 1
  @Option(help: "Repetitions; the median is printed.") var repeats = 3
  @Flag(help: "With --clients: the graph as the solver gives it for a tenth corrupt.") var solved = false
  @Flag(help: "With --clients and a drawn graph: the server in a process of its own; the peak is then the server's alone.")
  var separate = false
  @Flag(help: "Measure the rows of the table that take minutes as well.") var all = false
  @Flag(help: "Measure Flower's SecAgg+ beside it, once for each row.") var peer = false
  @Flag(help: "Make the peer's Python environment with pip when it is absent.") var install = false
  @Option(help: ArgumentHelp("The folder that holds .build/.", valueName: "folder")) var root = "."
  @Option(help: ArgumentHelp("Draw growth with participants and with entries into this folder.", valueName: "folder")) var plot:
    String?
  @Option(help: "text or json: one object per row.") var format: OutputFormat = .text

  func validate() throws {
    guard entries >= 1, repeats >= 1, threads >= 1, (0..<1).contains(dropouts), neighbours >= 0, clients ?? 3 >= 3 else {
      throw ValidationError(
        "expected at least 3 clients, 1 entry, 1 repetition, 1 thread, and a share of dropouts from 0 to below 1")
    }
  }

  func run() throws {
    try Failures.report {
      if let plot {
        let growth = AggregationGrowth(repeats: repeats, threads: threads, bits: bits, dropouts: dropouts)
        let figures = try growth.figures(show)
        for path in try AggregationGrowth.write(figures, to: plot) { Console.error("drawn: \(path)") }
        return
      }
      var comparison = peer ? try comparison() : nil
      for work in works {
        var row = try AggregationBench(work: work, repeats: repeats, threads: threads).measure()
        do { row.compare(with: try figures(of: comparison, on: work)) } catch let failure as CommandFailure
          where failure.kind == .unavailable
        {
          Console.error("NOT COMPARED WITH OTHERS: \(failure.description)")
          comparison = nil
        }
        try show(row)
      }
    }
  }

  private func show(_ row: AggregationRow) throws {
    switch format {
    case .json: Console.output(try row.json())
    case .text: Console.output(row.text)
    }
  }

  private func comparison() throws -> AggregationPeer {
    let shared = ProcessInfo.processInfo.environment["TACIT_SHARED"] ?? "../shared"
    return AggregationPeer(
      peers: PythonPeers(
        root: root, name: "aggregation-peers", packages: ["flwr==\(AggregationPeer.version)", "numpy"], installs: install),
      script: "\(shared)/tools/bench_flower_secagg.py", repeats: 1)
  }

  /// - Returns: `nil` for a graph that the peer does not have.
  private func figures(of peer: AggregationPeer?, on work: AggregationWork) throws -> AggregationPeer.Figures? {
    guard let peer else { return nil }
    let parameters = try work.parameters(entries: work.entries)
    switch work.graph {
    case .solved: return nil
    case .complete: return try peer.measure(work, holders: work.clients, threshold: parameters.threshold)
    case .drawn(let holders, _, _): return try peer.measure(work, holders: holders, threshold: parameters.threshold)
    }
  }

  private var works: [AggregationWork] {
    if let clients {
      let graph: AggregationWork.Graph =
        solved
        ? .solved : neighbours == 0 ? .complete : .drawn(holders: neighbours, maskDraws: (neighbours + 1) / 2, threshold: nil)
      return [
        AggregationWork(
          clients: clients, graph: graph, threshold: threshold, entries: entries, bits: bits, dropouts: dropouts,
          serverIsSeparate: separate)
      ]
    }
    // What the peers were measured on: 14 neighbours, t = 9.
    let fourteen = AggregationWork.Graph.drawn(holders: 14, maskDraws: 7, threshold: 9)
    let quick = [
      AggregationWork(clients: 100, graph: fourteen, entries: 1_000_000, bits: 23, dropouts: 0.1),
      AggregationWork(clients: 100, graph: fourteen, entries: 100_000, bits: 23, dropouts: 0.1),
      AggregationWork(clients: 100, graph: .solved, entries: 100_000, bits: 23, dropouts: 0.1),
      AggregationWork(clients: 10, graph: .complete, entries: 1_000_000, bits: 23, dropouts: 0.1),
    ]
    let slow = [
      AggregationWork(clients: 500, graph: .complete, entries: 100_000, bits: 23, dropouts: 0.1),
      AggregationWork(clients: 1000, graph: .solved, entries: 100_000, bits: 23, dropouts: 0.1),
      AggregationWork(clients: 10_000, graph: .solved, entries: 100_000, bits: 23, dropouts: 0.1, serverIsSeparate: true),
    ]
    return all ? quick + slow : quick
  }
}
