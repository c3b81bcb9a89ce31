internal import CommandSupport
internal import Foundation

/// Flower's SecAgg+ on the same work, measured by a script that drives its own functions in one process.
struct AggregationPeer {
  let peers: PythonPeers
  /// Path of bench_flower_secagg.py.
  let script: String
  let repeats: Int

  /// What the peer took.
  struct Figures {
    let clientSeconds: Double
    let serverSeconds: Double
    let uploadBytes: Int
  }

  /// The version whose functions the script calls.
  static let version = "1.41.0"

  /// The script's one line, as far as it is read.
  private struct Printed: Decodable {
    let clientSeconds: [String: Double]
    let serverSeconds: [String: Double]
    let uploadBytes: [String: Int]
    let implementation: String

    private enum CodingKeys: String, CodingKey {
      case clientSeconds = "client_s"
      case serverSeconds = "server_s"
      case uploadBytes = "client_upload_bytes"
      case implementation = "impl"
    }
  }

  /// - Parameter holders: with how many others a client shares its keys; all of them in the complete graph.
  /// - Throws: `CommandFailure` of kind `unavailable`.
  func measure(_ work: AggregationWork, holders: Int, threshold: Int) throws -> Figures {
    let output = try peers.output(
      of: script,
      [
        "--n", "\(work.clients)", "--dim", "\(work.entries)", "--num-shares", "\(min(holders + 1, work.clients))",
        "--threshold-frac", "\(Double(threshold) / Double(min(holders + 1, work.clients)))", "--dropout", "\(work.dropouts)",
        "--runs", "\(repeats)",
      ])
    let printed: Printed
    do { printed = try JSONDecoder().decode(Printed.self, from: output) } catch {
      throw CommandFailure(.unavailable, "\(script) printed something else than one line of figures")
    }
    guard printed.implementation.contains(Self.version) else {
      throw CommandFailure(.unavailable, "found \(printed.implementation); expected flwr \(Self.version)")
    }
    guard let client = printed.clientSeconds["total"], let server = printed.serverSeconds["total"] else {
      throw CommandFailure(.unavailable, "\(script) printed no totals")
    }
    return Figures(clientSeconds: client, serverSeconds: server, uploadBytes: printed.uploadBytes.values.reduce(0, +))
  }
}
