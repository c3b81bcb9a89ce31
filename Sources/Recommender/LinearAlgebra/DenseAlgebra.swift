internal import CSystemBLAS

/// Dense linear algebra over OpenBLAS: products, Cholesky, symmetric eigenvectors.
///
/// All matrices are row-major and contiguous. Symmetric matrices are read and written through their **upper** triangle
/// (row i, column j >= i); the strict lower triangle is left as it was unless the function says otherwise.
/// Functions are safe to call from many threads at once; see `oneThread` for who brings the parallelism.
package enum DenseAlgebra {
  /// One thread per call, set once and for the whole process: the order of additions, and with it every bit of a model,
  /// must not depend on the number of cores or on what else runs. Parallelism is brought by `Parallel`, over users and items.
  static let oneThread: Void = openblas_set_num_threads(1)

  /// `c = alpha op(a) op(b) + beta c`, with `op(a)` rows × inner, `op(b)` inner × columns, `c` rows × columns.
  ///
  /// - Parameters:
  ///   - transposeA: `a` is stored inner × rows.
  ///   - transposeB: `b` is stored columns × inner.
  ///   - beta: 0 overwrites `c`, which may then be uninitialised.
  package static func multiply(
    _ a: UnsafePointer<Float>, transposeA: Bool = false, _ b: UnsafePointer<Float>, transposeB: Bool = false,
    into c: UnsafeMutablePointer<Float>, rows: Int, columns: Int, inner: Int, alpha: Float = 1,
    beta: Float = 0
  ) {
    _ = oneThread
    guard rows > 0, columns > 0 else { return }
    cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      Int32(rows),
      Int32(columns), Int32(inner), alpha, a, Int32(max(1, transposeA ? rows : inner)), b,
      Int32(max(1, transposeB ? inner : columns)), beta, c, Int32(columns))
  }

  /// `multiply` in Float64.
  package static func multiply(
    _ a: UnsafePointer<Double>, transposeA: Bool = false, _ b: UnsafePointer<Double>,
    transposeB: Bool = false,
    into c: UnsafeMutablePointer<Double>, rows: Int, columns: Int, inner: Int, alpha: Double = 1,
    beta: Double = 0
  ) {
    _ = oneThread
    guard rows > 0, columns > 0 else { return }
    cblas_dgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      Int32(rows),
      Int32(columns), Int32(inner), alpha, a, Int32(max(1, transposeA ? rows : inner)), b,
      Int32(max(1, transposeB ? inner : columns)), beta, c, Int32(columns))
  }

  /// `y = alpha op(a) x + beta y`, with `a` stored rows × columns.
  package static func multiply(
    _ a: UnsafePointer<Float>, transposeA: Bool = false, vector x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>, rows: Int, columns: Int, alpha: Float = 1, beta: Float = 0
  ) {
    _ = oneThread
    guard rows > 0, columns > 0 else { return }
    cblas_sgemv(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, Int32(rows), Int32(columns), alpha, a,
      Int32(columns),
      x, 1, beta, y, 1)
  }

  /// `c += alpha aᵀ a` on the upper triangle of `c` (order × order), with `a` stored rows × order.
  package static func addGram(
    of a: UnsafePointer<Float>, rows: Int, order: Int, alpha: Float = 1, into c: UnsafeMutablePointer<Float>
  ) {
    _ = oneThread
    guard rows > 0, order > 0 else { return }
    cblas_ssyrk(
      CblasRowMajor, CblasUpper, CblasTrans, Int32(order), Int32(rows), alpha, a, Int32(order), 1, c,
      Int32(order))
  }

  /// `addGram` in Float64.
  package static func addGram(
    of a: UnsafePointer<Double>, rows: Int, order: Int, alpha: Double = 1,
    into c: UnsafeMutablePointer<Double>
  ) {
    _ = oneThread
    guard rows > 0, order > 0 else { return }
    cblas_dsyrk(
      CblasRowMajor, CblasUpper, CblasTrans, Int32(order), Int32(rows), alpha, a, Int32(order), 1, c,
      Int32(order))
  }

  /// Copies the upper triangle of a square matrix onto its lower triangle.
  package static func mirrorUpper<Scalar>(_ a: UnsafeMutablePointer<Scalar>, order: Int) {
    // In tiles, so that the column-wise side stays in the cache.
    let tile = 64
    for top in stride(from: 0, to: order, by: tile) {
      for left in stride(from: 0, through: top, by: tile) {
        for row in top..<min(top + tile, order) {
          for column in left..<min(left + tile, row) { a[row * order + column] = a[column * order + row] }
        }
      }
    }
  }

  /// Replaces the upper triangle of a symmetric positive definite matrix by its Cholesky factor `U`, `a = Uᵀ U`.
  ///
  /// - Returns: whether the matrix was positive definite; if not, `a` is spoiled.
  package static func choleskyFactor(_ a: UnsafeMutablePointer<Float>, order: Int) -> Bool {
    _ = oneThread
    // Our upper triangle by rows is LAPACK's lower triangle by columns.
    var (size, leading, info) = (Int32(order), Int32(max(1, order)), Int32(0))
    spotrf_("L", &size, a, &leading, &info)
    return info == 0
  }

  /// `choleskyFactor` in Float64.
  package static func choleskyFactor(_ a: UnsafeMutablePointer<Double>, order: Int) -> Bool {
    _ = oneThread
    var (size, leading, info) = (Int32(order), Int32(max(1, order)), Int32(0))
    dpotrf_("L", &size, a, &leading, &info)
    return info == 0
  }

  /// Solves `a x = b` in place for `count` right-hand sides, given the factor of `a` from `choleskyFactor`.
  ///
  /// - Parameter b: `count` right-hand sides, one per row of `order` entries; becomes the solutions.
  package static func choleskySolve(
    factor: UnsafePointer<Float>, order: Int, _ b: UnsafeMutablePointer<Float>, count: Int = 1
  ) {
    _ = oneThread
    var (size, right, leading, info) = (Int32(order), Int32(count), Int32(max(1, order)), Int32(0))
    spotrs_("L", &size, &right, factor, &leading, b, &leading, &info)
    precondition(info == 0, "spotrs refused its argument \(-info)")
  }

  /// `choleskySolve` in Float64.
  package static func choleskySolve(
    factor: UnsafePointer<Double>, order: Int, _ b: UnsafeMutablePointer<Double>, count: Int = 1
  ) {
    _ = oneThread
    var (size, right, leading, info) = (Int32(order), Int32(count), Int32(max(1, order)), Int32(0))
    dpotrs_("L", &size, &right, factor, &leading, b, &leading, &info)
    precondition(info == 0, "dpotrs refused its argument \(-info)")
  }

  /// Replaces a factor from `choleskyFactor` by the upper triangle of the inverse of the factored matrix.
  ///
  /// - Returns: false when the factor is singular.
  package static func choleskyInverse(factor a: UnsafeMutablePointer<Float>, order: Int) -> Bool {
    _ = oneThread
    var (size, leading, info) = (Int32(order), Int32(max(1, order)), Int32(0))
    spotri_("L", &size, a, &leading, &info)
    return info == 0
  }

  /// `choleskyInverse` in Float64.
  package static func choleskyInverse(factor a: UnsafeMutablePointer<Double>, order: Int) -> Bool {
    _ = oneThread
    var (size, leading, info) = (Int32(order), Int32(max(1, order)), Int32(0))
    dpotri_("L", &size, a, &leading, &info)
    return info == 0
  }

  /// All eigenvalues and eigenvectors of a symmetric matrix, by divide and conquer (LAPACK `dsyevd`).
  ///
  /// - Parameters:
  ///   - a: order × order; only the upper triangle is read. On return **row** j is the unit eigenvector of value j.
  ///   - order: at least 1.
  /// - Returns: the eigenvalues, ascending.
  package static func symmetricEigen(_ a: UnsafeMutablePointer<Double>, order: Int) -> [Double] {
    _ = oneThread
    precondition(order >= 1, "an empty matrix has no eigenvalues")
    var (size, leading, info) = (Int32(order), Int32(order), Int32(0))
    var values = [Double](repeating: 0, count: order)
    var (workQuery, integerQuery, ask) = (0.0, Int32(0), Int32(-1))
    dsyevd_("V", "L", &size, a, &leading, &values, &workQuery, &ask, &integerQuery, &ask, &info)
    var (workSize, integerSize) = (Int32(workQuery), integerQuery)
    var work = [Double](repeating: 0, count: Int(workSize))
    var integerWork = [Int32](repeating: 0, count: Int(integerSize))
    dsyevd_("V", "L", &size, a, &leading, &values, &work, &workSize, &integerWork, &integerSize, &info)
    precondition(info == 0, "dsyevd did not converge (info \(info)); does the matrix hold NaN?")
    return values
  }
}
