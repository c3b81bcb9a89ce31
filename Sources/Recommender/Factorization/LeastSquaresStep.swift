/// The server's half of a sweep of `als`: one regularised least-squares problem per item from the summed
/// statistics.
struct LeastSquaresStep {
  let layout: StatisticsLayout
  let objective: ImplicitObjective
  let userNormBound: Float

  /// Item factors [items, dimension] and popularity [items].
  ///
  /// With noise the summed matrices need not be positive definite any more: eigenvalues are then raised to
  /// what the noise alone can reach (its spectral norm, about 2 σ √d), so that every row stays finite and of
  /// moderate length.
  func solve(sum: [Float], context: ReleaseContext) -> (items: Tensor, popularity: Tensor) {
    let (order, block, unit) = (layout.dimension, layout.block, Double(StatisticsLayout.countUnit))
    let background: [Double] = PackedTriangle.unpack(
      Array(sum[layout.global..<layout.global + layout.triangle]), order: order)
    let weight = Double(objective.unobservedWeight)
    let users = max(1, Double(sum[layout.count - 1]) / unit)
    let bound = Double(userNormBound)
    let noiseFloor = 2 * context.noiseDeviation * Double(order).squareRoot()
    var items = [Float](repeating: 0, count: layout.itemCount * order)
    var popularity = [Float](repeating: 0, count: layout.itemCount)

    items.withUnsafeMutableBufferPointer { items in
      popularity.withUnsafeMutableBufferPointer { popularity in
        let (items, popularity) = (items, popularity)
        Parallel.forEachBlock(of: layout.itemCount, size: 64) { range in
          for item in range {
            let start = item * block
            let count = max(0, Double(sum[start + block - 1]) / unit)
            popularity[item] = Float(count / users)
            var matrix: [Double] = PackedTriangle.unpack(
              Array(sum[start..<start + layout.triangle]), order: order)
            for index in matrix.indices { matrix[index] += weight * background[index] }
            // The problem in v = p / bound has the solution bound q, and the penalty divided by bound².
            let ridge =
              Double(objective.ridge(observed: Float(count), catalogue: Float(users))) / (bound * bound)
            var row = (0..<order).map { Double(sum[start + layout.triangle + $0]) }
            SymmetricSystem.solve(
              &matrix, &row, ridge: ridge, eigenvalueFloor: noiseFloor > 0 ? max(ridge, noiseFloor) : nil)
            for index in 0..<order { items[item * order + index] = Float(row[index] / bound) }
          }
        }
      }
    }
    return (
      Tensor(shape: [layout.itemCount, order], values: items),
      Tensor(shape: [layout.itemCount], values: popularity)
    )
  }
}

/// Small symmetric systems that may have lost their positive definiteness to noise.
enum SymmetricSystem {
  /// Solves (matrix + ridge 1) x = b in place; spoils `matrix`.
  ///
  /// - Parameters:
  ///   - matrix: order × order, both triangles.
  ///   - ridge: above 0.
  ///   - eigenvalueFloor: raise smaller eigenvalues (of the matrix with its ridge) to this; nil for a matrix that is
  ///     known to be positive semidefinite up to rounding.
  static func solve(_ matrix: inout [Double], _ b: inout [Double], ridge: Double, eigenvalueFloor: Double?) {
    let order = b.count
    if eigenvalueFloor == nil, let factor = factor(of: matrix, order: order, ridge: ridge) {
      DenseAlgebra.choleskySolve(factor: factor, order: order, &b)
      return
    }
    for index in 0..<order { matrix[index * order + index] += ridge }
    let floor = eigenvalueFloor ?? ridge
    // Row j of `matrix` becomes eigenvector j.
    let values = DenseAlgebra.symmetricEigen(&matrix, order: order)
    var solution = [Double](repeating: 0, count: order)
    for (index, value) in values.enumerated() {
      let vector = matrix[index * order..<(index + 1) * order]
      let coefficient = zip(vector, b).reduce(0) { $0 + $1.0 * $1.1 } / max(value, floor)
      for (position, entry) in zip(0..<order, vector) { solution[position] += coefficient * entry }
    }
    b = solution
  }

  /// The Cholesky factor of matrix + ridge 1, for `DenseAlgebra.choleskySolve`; `nil` when that is not positive definite.
  static func factor(of matrix: [Double], order: Int, ridge: Double) -> [Double]? {
    var factor = matrix
    for index in 0..<order { factor[index * order + index] += ridge }
    let isDefinite = factor.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.map { DenseAlgebra.choleskyFactor($0, order: order) } ?? false
    }
    return isDefinite ? factor : nil
  }

  /// Replaces a symmetric matrix by the nearest positive semidefinite one in Frobenius norm.
  static func projectToSemidefinite(_ matrix: inout [Double], order: Int) {
    var vectors = matrix
    let values = DenseAlgebra.symmetricEigen(&vectors, order: order)
    for index in matrix.indices { matrix[index] = 0 }
    for (index, value) in values.enumerated() where value > 0 {
      for row in 0..<order {
        let scaled = value * vectors[index * order + row]
        for column in 0..<order { matrix[row * order + column] += scaled * vectors[index * order + column] }
      }
    }
  }
}
