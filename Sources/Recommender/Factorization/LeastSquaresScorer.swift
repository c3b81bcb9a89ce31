internal import CVectorKernels

/// Scores for `als` and the implicit regime of `mf`: the user's vector is solved from the weighted history,
/// then q·p.
struct LeastSquaresScorer: Scorer {
  private let solver: ImplicitUserSolver
  private let popularity: [Float]
  private let recency: RecencyWeighting

  init(model: ItemModel, objective: ImplicitObjective, recency: RecencyWeighting) {
    solver = ImplicitUserSolver(items: FactorTensors.items(of: model), objective: objective)
    popularity = FactorTensors.popularity(of: model).values
    self.recency = recency
  }

  var itemCount: Int { solver.factors.rowCount }

  func score(_ user: UserHistory, into scores: inout [Float]) { score(solved: solve(user), into: &scores) }

  /// The user's vector p, padded; empty for an empty history.
  func solve(_ user: UserHistory) -> [Float] {
    guard !user.items.isEmpty else { return [] }
    let workspace = solver.makeWorkspace()
    solver.solve(items: user.items, confidence: weights(of: user), workspace: workspace)
    return workspace.vector
  }

  func score(solved: [Float], into scores: inout [Float]) {
    precondition(scores.count == itemCount, "scores has \(scores.count) entries, the catalogue \(itemCount)")
    guard !solved.isEmpty else {
      scores = popularity
      return
    }
    precondition(solved.count == solver.factors.stride, "the vector was solved by another scorer")
    tacit_table_times_vector_f32(solver.factors.values, itemCount, solver.factors.stride, solved, 0, &scores)
  }

  func makeSimilarity() -> (any ItemSimilarity)? { FactorSimilarity(solver.factors) }

  /// q_jᵀ A⁻¹ c_i q_i for every item i of the history: the terms of which the score is the sum.
  func explain(_ item: Int, for user: UserHistory) -> [Float]? {
    guard !user.items.isEmpty else { return [] }
    let workspace = solver.makeWorkspace()
    let weights = weights(of: user)
    solver.solve(items: user.items, confidence: weights, workspace: workspace)
    let stride = solver.factors.stride
    var carrier = Array(solver.factors.values[item * stride..<(item + 1) * stride])
    solver.solveAgain(&carrier, workspace: workspace)
    return zip(solver.factors.dots(user.items, carrier), weights).map { $0 * $1 }
  }

  private func weights(of user: UserHistory) -> [Float] {
    recency.weights(of: user)
  }
}
