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
      --clients the rows of the project's table are measured, except those that take minutes (--all).
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
  @Flag(help: "Measure the rows of the table that take minutes as well.") var all = false
  @Option(help: "text or json: one object per row.") var format: OutputFormat = .text

  func validate() throws {
    guard entries >= 1, repeats >= 1, threads >= 1, (0..<1).contains(dropouts), neighbours >= 0, clients ?? 3 >= 3 else {
      throw ValidationError(
        "expected at least 3 clients, 1 entry, 1 repetition, 1 thread, and a share of dropouts from 0 to below 1")
    }
  }

  func run() throws {
    try Failures.report {
      for work in works {
        let row = try AggregationBench(work: work, repeats: repeats, threads: threads).measure()
        switch format {
        case .json: Console.output(try row.json())
        case .text: Console.output(row.text)
        }
      }
    }
  }

  private var works: [AggregationWork] {
    if let clients {
      let graph: AggregationWork.Graph =
        neighbours == 0 ? .complete : .drawn(holders: neighbours, maskDraws: (neighbours + 1) / 2, threshold: nil)
      return [
        AggregationWork(
          clients: clients, graph: graph, threshold: threshold, entries: entries, bits: bits, dropouts: dropouts)
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
    ]
    return all ? quick + slow : quick
  }
}
