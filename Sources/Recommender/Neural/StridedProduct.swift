internal import CSystemBLAS
internal import CVectorKernels

/// A matrix inside a larger one: where its first entry stands, and how many entries lie from one row to the next.
struct MatrixView {
  let base: UnsafeMutablePointer<Float>
  let stride: Int

  init(_ base: UnsafeMutablePointer<Float>, stride: Int) {
    self.base = base
    self.stride = stride
  }
}

extension DenseAlgebra {
  /// `c = alpha op(a) op(b) + beta c` on matrices with strides of their own: heads of attention, columns of gates.
  static func multiply(
    _ a: MatrixView, transposeA: Bool = false, _ b: MatrixView, transposeB: Bool = false, into c: MatrixView,
    rows: Int, columns: Int, inner: Int, alpha: Float = 1, beta: Float = 0
  ) {
    _ = oneThread
    guard rows > 0, columns > 0 else { return }
    cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, Int32(rows),
      Int32(columns), Int32(inner), alpha, a.base, Int32(a.stride), b.base, Int32(b.stride), beta, c.base, Int32(c.stride))
  }

  /// `c = a bᵀ`, with `a` rows × inner and `b` columns × inner, both without gaps.
  ///
  /// For matrices of some dozens of rows and columns, where turning `b` around first is the faster way.
  ///
  /// - Parameter scratch: columns × inner floats.
  static func multiply(
    _ a: UnsafePointer<Float>, transposing b: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>,
    into c: UnsafeMutablePointer<Float>, rows: Int, columns: Int, inner: Int
  ) {
    tacit_transpose_f32(b, columns, inner, scratch)
    multiply(a, scratch, into: c, rows: rows, columns: columns, inner: inner)
  }
}
