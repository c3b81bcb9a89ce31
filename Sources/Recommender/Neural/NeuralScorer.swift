/// Scores from the vector that the encoder makes of the last items of the history: h·e + offset.
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
    vector = parameters.vector(of: model)
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
        DenseAlgebra.multiply(base, vector: solved, into: target, rows: itemCount, columns: d, beta: 1)
      }
    }
  }

  func makeSimilarity() -> (any ItemSimilarity)? {
    FactorSimilarity(
      PaddedTable(Tensor(shape: [itemCount, parameters.dimension], values: Array(vector[..<parameters.offsetStart]))))
  }

  func explain(_ item: Int, for user: UserHistory) -> [Float]? { nil }
}
