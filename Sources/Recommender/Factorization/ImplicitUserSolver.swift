internal import CVectorKernels

/// Solves a user's own vector from the public item factors: implicit feedback with squared loss.
///
/// For a history of items i with confidence c_i and every other item at weight w0 with target 0 (Hu, Koren,
/// Volinsky, ICDM 2008; in the form of Rendle, Krichene, Zhang, Koren, RecSys 2022),
///
///     p = (w0 QᵀQ + Σ (c_i - w0) q_i q_iᵀ + λ (n + w0 I) 1)⁻¹ Σ c_i q_i
///
/// The matrix is positive definite for every c_i ≥ 0, since the sum over the history never takes away more
/// than QᵀQ gave.
struct ImplicitUserSolver: Sendable {
  let factors: PaddedTable
  let objective: ImplicitObjective
  /// w0 QᵀQ, stride × stride.
  private let background: [Float]

  init(items: Tensor, objective: ImplicitObjective) {
    factors = PaddedTable(items)
    self.objective = objective
    background = factors.gram(scale: objective.unobservedWeight)
  }

  /// Room for one user's system; one per thread.
  final class Workspace {
    var matrix: [Float]
    /// The solution after `solve`; zero in the padding.
    var vector: [Float]
    var excess: [Float] = []

    init(stride: Int) {
      matrix = [Float](repeating: 0, count: stride * stride)
      vector = [Float](repeating: 0, count: stride)
    }
  }

  func makeWorkspace() -> Workspace { Workspace(stride: factors.stride) }

  /// Leaves the user's vector in `workspace.vector`, and the Cholesky factor of its system in
  /// `workspace.matrix`.
  ///
  /// - Parameters:
  ///   - items: the history, at least one item.
  ///   - confidence: c_i, finite and not negative, one per item.
  func solve(items: ArraySlice<Int32>, confidence: [Float], workspace: Workspace) {
    let (stride, order) = (factors.stride, factors.dimension)
    workspace.excess.removeAll(keepingCapacity: true)
    for value in confidence { workspace.excess.append(value - objective.unobservedWeight) }
    workspace.vector = factors.combination(of: items, weights: confidence)
    let ridge = objective.ridge(observed: Float(items.count), catalogue: Float(factors.rowCount))
    factorize(items: items, ridge: ridge, workspace: workspace)
    tacit_cholesky_solve_f32(workspace.matrix, order, stride, &workspace.vector)
  }

  /// Solves the system of the last `solve` for another right-hand side, in place.
  func solveAgain(_ rightHandSide: inout [Float], workspace: Workspace) {
    tacit_cholesky_solve_f32(workspace.matrix, factors.dimension, factors.stride, &rightHandSide)
  }

  private func factorize(items: ArraySlice<Int32>, ridge: Float, workspace: Workspace) {
    let (stride, order) = (factors.stride, factors.dimension)
    var ridge = ridge
    // Rounding can spoil a pivot when the factors are enormous; a larger ridge always ends that.
    while true {
      items.withUnsafeBufferPointer { items in
        tacit_weighted_gram_f32(
          factors.values, stride, items.baseAddress, workspace.excess, items.count, background, &workspace.matrix)
      }
      for row in 0..<order { workspace.matrix[row * stride + row] += ridge }
      if tacit_cholesky_f32(&workspace.matrix, order, stride) == 1 { return }
      ridge = max(ridge, .leastNormalMagnitude) * 16
      precondition(ridge.isFinite, "the item factors of the model are not finite")
    }
  }
}

/// The objective that users and server share: weights of unseen items and of the penalty.
public struct ImplicitObjective: Sendable, Equatable {
  /// λ, the penalty on squared lengths per unit of observed weight, above 0.
  public let regularization: Float
  /// w0, the weight of every pair that was not seen, above 0 and at most 1; a seen pair weighs its confidence.
  public let unobservedWeight: Float

  /// λ = .008 and w0 = .15, chosen on the validation split of ml-1m. Small or sparse sets like more of the
  /// first and less of the second: λ = .02 and w0 = .05 gains .016 HR@10 on that of online-retail.
  public static let standard = ImplicitObjective(unchecked: (regularization: 0.008, unobservedWeight: 0.15))

  /// - Throws: `InvalidHyperparameter` for a value out of its range.
  public init(regularization: Float, unobservedWeight: Float) throws {
    try Requirement.positive(regularization, "regularization")
    try Requirement.holds(
      unobservedWeight > 0 && unobservedWeight <= 1, "unobserved weight", unobservedWeight,
      "above 0 and at most 1")
    self.init(unchecked: (regularization, unobservedWeight))
  }

  init(unchecked: (regularization: Float, unobservedWeight: Float)) {
    (regularization, unobservedWeight) = unchecked
  }

  /// The penalty on one row: λ (observed + w0 catalogue), the frequency-scaled penalty of Rendle et al. 2022
  /// with exponent ν = 1.
  func ridge(observed: Float, catalogue: Float) -> Float {
    regularization * (observed + unobservedWeight * catalogue)
  }
}
