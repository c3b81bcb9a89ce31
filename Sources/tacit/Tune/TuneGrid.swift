internal import CommandSupport
internal import Recommender

/// Which settings are tried: values of algorithm parameters, combined with each other.
struct TuneGrid: Equatable {
  /// The most tries of one search: each of them costs budget.
  static let triesMax = 64
  /// In the order in which they are tried.
  let points: [[String: Double]]

  /// - Parameters:
  ///   - vary: `name=v1,v2` each.
  ///   - tries: so many of the combinations, drawn without replacement by the seed; all of them by default.
  /// - Throws: `CommandFailure` for what is no number, an unknown parameter, one that comes twice, or too many tries.
  init(_ vary: [String], tries: Int?, seed: UInt64, algorithm: String) throws {
    guard !vary.isEmpty else {
      throw CommandFailure(.usage, "there is nothing to try: give --vary name=v1,v2, such as --vary dimension=16,32")
    }
    var grid: [[String: Double]] = [[:]]
    let known = AlgorithmRegistry.parameters(of: algorithm).map(\.name)
    for text in vary {
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      let values = parts.count == 2 ? parts[1].split(separator: ",", omittingEmptySubsequences: false).map { Double($0) } : []
      guard let name = parts.first, !values.isEmpty, values.allSatisfy({ $0?.isFinite == true }) else {
        throw CommandFailure(.usage, "--vary is '\(text)'; expected name=v1,v2 with numbers, such as dimension=16,32")
      }
      guard known.isEmpty || known.contains(name) else {
        let hint =
          NearestName.match(name, among: known).map { "did you mean '\($0)'?" } ?? "it has \(known.joined(separator: ", "))"
        throw CommandFailure(.configuration, "--vary \(text): \(algorithm) has no parameter '\(name)'; \(hint)")
      }
      guard Set(values).count == values.count else {
        throw CommandFailure(.usage, "--vary \(text) names a value twice; each try costs budget")
      }
      guard grid[0][name] == nil else {
        throw CommandFailure(.usage, "--vary \(name) is given twice; give all its values at once")
      }
      // Before the product of many lists fills the memory.
      guard values.count <= 100_000 / grid.count else {
        throw CommandFailure(.usage, "--vary gives more than 100000 combinations; give fewer values")
      }
      grid = grid.flatMap { point in values.compactMap { $0 }.map { value in point.merging([name: value]) { $1 } } }
    }
    let count = tries ?? grid.count
    guard (1...min(grid.count, Self.triesMax)).contains(count) else {
      throw CommandFailure(
        .usage,
        "--vary gives \(grid.count) combinations, and \(count) tries were asked for; expected 1 to \(min(grid.count, Self.triesMax)) (--tries): each try costs budget"
      )
    }
    if tries != nil {
      var random = SplitMix64(seed: seed)
      grid.shuffle(using: &random)
    }
    points = Array(grid.prefix(count))
  }
}
