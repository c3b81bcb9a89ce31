/// The eigenpairs of a noisy covariance that stand above the noise, shrunk to what they would be without it.
///
/// The noise is a symmetric Gaussian matrix with deviation τ off the diagonal and √2 τ on it; its eigenvalues fill
/// ±2τ√n (Wigner's semicircle). A signal eigenvalue is seen at λ = η + nτ²/η; the estimate √(λ² − 4nτ²) instead of η is
/// smaller because the seen eigenvector has turned, and is optimal in the Frobenius norm (Gavish and Donoho 2017,
/// "Optimal shrinkage of singular values", eq. 7, for square matrices).
struct SpectralFactors {
  /// Shrunk eigenvalues, largest first.
  let values: [Double]
  /// Unit eigenvectors, one per row of `order` entries.
  let vectors: [Double]

  /// - Parameters:
  ///   - covariance: order × order, symmetric.
  ///   - offDiagonalDeviation: τ; 0 keeps every eigenvalue above rounding.
  ///   - rankMax: pairs kept at most, the largest first.
  init(covariance: [Double], order: Int, offDiagonalDeviation: Double, rankMax: Int) {
    var rows = covariance
    let seen = DenseAlgebra.symmetricEigen(&rows, order: order)
    let edge = 2 * offDiagonalDeviation * Double(order).squareRoot()
    let threshold = max(1.02 * edge, 1e-9 * max(seen.last ?? 0, 0))
    let kept = (0..<order).reversed().filter { seen[$0] > threshold }.prefix(rankMax)
    values = kept.map { (seen[$0] * seen[$0] - edge * edge).squareRoot() }
    vectors = kept.flatMap { rows[$0 * order..<($0 + 1) * order] }
  }
}
