internal import CommandSupport
internal import Foundation
internal import Recommender

/// PyTorch and implicit on the same work, one measurement at a time.
struct TrainingPeer {
  let peers: PythonPeers
  /// Path of training-peers.py.
  let script: String

  /// What the script prints: who, and sequences per CPU second or CPU seconds.
  struct Figure: Decodable {
    let peer: String
    let value: Double
  }

  /// Sequences per CPU second.
  func transformer(_ work: TrainingBenchmark, seconds: Double) throws -> Figure {
    try measure([
      "sasrec", "--batch", "\(work.batch)", "--length", "\(work.length)", "--negatives", "\(work.negatives)", "--dimension",
      "\(TrainingBenchmark.dimension)", "--catalogue", "\(TrainingBenchmark.itemCount)", "--seconds", "\(seconds)",
    ])
  }

  /// CPU seconds of one fit.
  ///
  /// - Parameter solver: cg (its default) or cholesky (ours).
  func leastSquares(_ pairs: PairFile, factors: Int, iterations: Int, solver: String) throws -> Figure {
    try measure([
      "als", "--pairs", pairs.path, "--users", "\(pairs.users)", "--items", "\(pairs.items)", "--factors", "\(factors)",
      "--iterations", "\(iterations)", "--solver", solver,
    ])
  }

  private func measure(_ arguments: [String]) throws -> Figure {
    let output = try peers.output(of: script, arguments)
    guard let figure = try? JSONDecoder().decode(Figure.self, from: output), figure.value > 0 else {
      throw CommandFailure(.unavailable, "\(script) printed something else than one figure")
    }
    return figure
  }
}

/// The interactions of a data set as a file that numpy reads: all users, then all items, as little-endian Int32.
final class PairFile {
  let path: String
  let users: Int
  let items: Int

  init(_ interactions: Interactions) throws {
    (users, items) = (interactions.userCount, interactions.itemCount)
    path = FileManager.default.temporaryDirectory.appending(path: "tacit-pairs-\(UUID().uuidString)").path
    var numbers: [Int32] = []
    numbers.reserveCapacity(2 * interactions.count)
    for user in 0..<users { numbers += repeatElement(Int32(user).littleEndian, count: interactions.history(of: user).count) }
    numbers += interactions.items.map { $0.littleEndian }
    guard FileManager.default.createFile(atPath: path, contents: numbers.withUnsafeBytes { Data($0) }) else {
      throw CommandFailure(.cannotCreate, "\(path) cannot be written; is the temporary folder full?")
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
