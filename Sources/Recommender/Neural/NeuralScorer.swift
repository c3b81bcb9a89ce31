/// Scores from the vector that the encoder makes of the last items of the history: h·e + offset, and in `ncf` what the perceptron
/// makes of h and e.
///
/// What an event contributed cannot be told apart in a network, so there is no explanation.
struct NeuralScorer<Encoder: SequenceEncoder>: Scorer {
  private let encoder: Encoder
  private let parameters: NeuralParameters
  private let window: Int
  private let vector: [Float]
  private let popularity: [Float]
  private let pool = WorkspacePool { Arena() }

  init(encoder: Encoder, parameters: NeuralParameters, window: Int, model: ItemModel) {
    self.encoder = encoder
    self.parameters = parameters
    self.window = window
    vector = parameters.effectiveVector(of: model)
    popularity = model.tensors[NeuralParameters.popularity]?.values ?? []
  }

  var itemCount: Int { parameters.itemCount }

  func score(_ user: UserHistory, into scores: inout [Float]) { score(solved: solve(user), into: &scores) }

  /// h; empty for an empty history.
  func solve(_ user: UserHistory) -> [Float] {
    guard !user.items.isEmpty else { return [] }
    let d = parameters.dimension
    let items = user.items.suffix(window)
    return pool.withWorkspace { arena in
      vector.withUnsafeBufferPointer { vector in
        guard let base = vector.baseAddress else { return [] }
        arena.reset()
        let input = arena.floats(items.count * d)
        for (position, item) in items.enumerated() {
          (input + position * d).update(from: base + Int(item) * d, count: d)
        }
        // Forward passes read parameters only.
        let dense = UnsafeMutablePointer(mutating: base + parameters.denseStart)
        let pass = Pass(parameters: dense, gradient: dense, arena: arena)
        let hidden = encoder.forward(input, length: items.count, pass: pass).0
        return Array(UnsafeBufferPointer(start: hidden + (items.count - 1) * d, count: d))
      }
    }
  }

  func score(solved: [Float], into scores: inout [Float]) {
    precondition(scores.count == itemCount, "scores has \(scores.count) entries, the catalogue \(itemCount)")
    guard !solved.isEmpty else {
      scores = popularity
      return
    }
    let d = parameters.dimension
    precondition(solved.count == d, "the vector was solved by another scorer")
    vector.withUnsafeBufferPointer { vector in
      scores.withUnsafeMutableBufferPointer { scores in
        guard let base = vector.baseAddress, let target = scores.baseAddress else { return }
        target.update(from: base + parameters.offsetStart, count: itemCount)
        guard let tower = parameters.tower else {
          DenseAlgebra.multiply(base, vector: solved, into: target, rows: itemCount, columns: d, beta: 1)
          return
        }
        scorePairs(tower, base, solved, into: target)
      }
    }
  }

  /// Adds scalar product and perceptron over all items.
  private func scorePairs(
    _ tower: PairTower, _ base: UnsafePointer<Float>, _ solved: [Float], into target: UnsafeMutablePointer<Float>
  ) {
    pool.withWorkspace { arena in
      arena.reset()
      // Matrix products read only.
      let base = UnsafeMutablePointer(mutating: base)
      let dense = base + parameters.denseStart
      let state = arena.floats(solved.count)
      for (index, value) in solved.enumerated() { state[index] = value }
      DenseAlgebra.multiply(
        MatrixView(base, stride: tower.dimension), MatrixView(state, stride: 1), into: MatrixView(target, stride: 1),
        rows: itemCount, columns: 1, inner: tower.factors, beta: 1)
      let user = arena.floats(tower.first)
      tower.userSide(of: state, rows: 1, parameters: dense, into: user)
      // A block's units stay in the cache.
      let most = 256
      let (items, z) = (arena.floats(most * tower.first), arena.floats(most * tower.first))
      let (y, scores) = (arena.floats(most * tower.second), arena.floats(most))
      for start in stride(from: 0, to: itemCount, by: most) {
        let count = min(most, itemCount - start)
        tower.itemSide(of: base + start * tower.dimension, rows: count, parameters: dense, into: items)
        tower.scores(user: user, items: items, count: count, parameters: dense, z: z, y: y, into: scores)
        VectorMath.add(scores, to: target + start, count: count)
      }
    }
  }

  func makeSimilarity() -> (any ItemSimilarity)? {
    FactorSimilarity(
      PaddedTable(Tensor(shape: [itemCount, parameters.dimension], values: Array(vector[..<parameters.offsetStart]))))
  }

  func explain(_ item: Int, for user: UserHistory) -> [Float]? { nil }
}
