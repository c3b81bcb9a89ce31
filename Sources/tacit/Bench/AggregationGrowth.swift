internal import CommandSupport
internal import Foundation
internal import Reporting

/// How the cost of a secure sum grows with the number of participants and with the length of the vector, as two drawings.
struct AggregationGrowth {
  let repeats: Int
  let threads: Int
  let bits: Int
  let dropouts: Double

  private static let counts = [25, 50, 100, 200, 400]
  private static let lengths = [10_000, 30_000, 100_000, 300_000, 1_000_000]

  /// Measures and draws.
  ///
  /// - Parameter said: told of every row as it is measured.
  func figures(_ said: (AggregationRow) throws -> Void) throws -> [ReportFigure] {
    let byCount = try Self.counts.map { count in
      (size: count, drawn: try measure(count, .solved, 30_000, said), complete: try measure(count, .complete, 30_000, said))
    }
    let byLength = try Self.lengths.map { length in
      (size: length, row: try measure(100, .drawn(holders: 14, maskDraws: 7, threshold: 9), length, said))
    }
    let figures = [
      ReportFigure.scaling(
        id: "aggregation-by-participants", title: "Secure sums of 30,000 entries: CPU seconds by participants",
        sizeName: "participants n", costName: "CPU seconds",
        series: [
          ScalingSeries(name: "a client, drawn graph", points: byCount.map { (Double($0.size), $0.drawn.clientSeconds) }),
          ScalingSeries(name: "a client, complete graph", points: byCount.map { (Double($0.size), $0.complete.clientSeconds) }),
          ScalingSeries(name: "the server, drawn graph", points: byCount.map { (Double($0.size), $0.drawn.serverSeconds) }),
          ScalingSeries(name: "the server, complete graph", points: byCount.map { (Double($0.size), $0.complete.serverSeconds) }),
        ]),
      ReportFigure.scaling(
        id: "aggregation-by-entries", title: "Secure sums of 100 with 14 neighbours: CPU seconds by entries",
        sizeName: "entries d", costName: "CPU seconds",
        series: [
          ScalingSeries(name: "a client", points: byLength.map { (Double($0.size), $0.row.clientSeconds) }),
          ScalingSeries(
            name: "a client's masks at the limit", points: byLength.map { (Double($0.size), $0.row.clientLimitSeconds) }),
          ScalingSeries(name: "the server", points: byLength.map { (Double($0.size), $0.row.serverSeconds) }),
          ScalingSeries(
            name: "the server's masks at the limit", points: byLength.map { (Double($0.size), $0.row.limitSeconds) }),
        ]),
    ]
    return figures.compactMap { $0 }
  }

  /// Writes each drawing into its own file, named by the drawing.
  ///
  /// - Returns: the paths.
  static func write(_ figures: [ReportFigure], to folder: String) throws -> [String] {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      return try figures.map { figure in
        let path = "\(folder)/\(figure.id).svg"
        try Data((figure.svg + "\n").utf8).write(to: URL(fileURLWithPath: path))
        return path
      }
    } catch { throw CommandFailure(.cannotCreate, "\(folder) cannot be written (\(error.localizedDescription))") }
  }

  private func measure(
    _ clients: Int, _ graph: AggregationWork.Graph, _ entries: Int, _ said: (AggregationRow) throws -> Void
  ) throws -> AggregationRow {
    let work = AggregationWork(clients: clients, graph: graph, entries: entries, bits: bits, dropouts: dropouts)
    let row = try AggregationBench(work: work, repeats: repeats, threads: threads).measure()
    try said(row)
    return row
  }
}
