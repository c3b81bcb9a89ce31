internal import FederatedLearning
internal import Recommender

/// Models of somebody else, in each algorithm's hands: what its check lets pass must be scored, explained, compared and trained on
/// without a trap.
struct ModelFuzzing {
  private static let itemCount = 5
  private static let users = Interactions(itemCount: itemCount, histories: [[0, 1, 2], [2, 4], [3, 1, 0, 4], [1]])
  private static let algorithms: [String: any FederatedAlgorithm] = {
    var made: [String: any FederatedAlgorithm] = [:]
    do {
      for name in AlgorithmRegistry.names {
        let known = Set(AlgorithmRegistry.parameters(of: name).map(\.name))
        let small = [
          "dimension": 4.0, "rounds": 1, "tower": 4, "tower-inputs": 2, "blocks": 1, "heads": 1, "window": 4, "width": 2,
          "horizontal": 2, "vertical": 1,
        ]
        let parameters = try AlgorithmRegistry.resolve(
          name, small.filter { known.contains($0.key) }, setting: .init(itemCount: itemCount, usersOverNoise: nil, rounds: nil))
        made[name] = try AlgorithmRegistry.make(name, parameters, itemCount: itemCount)
      }
    } catch { fatalError("an algorithm for five items: \(error)") }
    return made
  }()

  /// The models of a short training, before it and after it.
  static var seeds: [[UInt8]] {
    algorithms.sorted { $0.key < $1.key }.flatMap { _, algorithm in
      [algorithm.initialModel(seed: 1), CentralTraining.run(algorithm, on: users, seed: 1)].map { ModelBytes.encode($0) }
    }
  }

  static func score(_ bytes: [UInt8]) {
    guard let model = try? ModelBytes.decode(bytes), let algorithm = algorithms[model.algorithm],
      algorithm.fault(in: model) == nil
    else { return }
    let scorer = algorithm.scorer(model: model)
    hold(scorer.itemCount == itemCount, "a scorer knows the catalogue")
    var scores = [Float](repeating: 0, count: itemCount)
    for user in 0..<users.userCount {
      let history = UserHistory(of: user, in: users, release: 1)
      scorer.score(history, into: &scores)
      _ = scorer.explain(0, for: history)
      scorer.score(solved: scorer.solve(history), into: &scores)
    }
    scorer.score(UserHistory(items: []), into: &scores)
    if let similarity = scorer.makeSimilarity() {
      for item in 0..<itemCount { _ = similarity.similarity(item, 2) }
    }
    guard algorithm.shapes.indices.contains(model.version) else { return }
    var buffer = ContributionBuffer(dimension: algorithm.shapes[model.version].dimension)
    algorithm.trainer(for: model.version, model: model).contribute(UserHistory(of: 0, in: users, release: 1), into: &buffer)
  }
}
