/// The upper triangle of a symmetric matrix, row by row: (0,0) (0,1) … (0,n−1) (1,1) (1,2) …
enum PackedTriangle {
  /// Entries of the packed triangle of an order × order matrix.
  static func count(order: Int) -> Int { order * (order + 1) / 2 }

  /// Position of the diagonal entry of `row`; entry (row, column >= row) lies `column - row` behind it.
  static func diagonal(_ row: Int, order: Int) -> Int { row * order - row * (row - 1) / 2 }

  /// Writes the full symmetric matrix, row-major.
  ///
  /// - Parameter offDiagonal: factor on the entries off the diagonal.
  static func unpack<Scalar: BinaryFloatingPoint>(
    _ packed: [Float], order: Int, offDiagonal: Scalar = 1
  ) -> [Scalar] {
    precondition(
      packed.count == count(order: order), "a triangle of order \(order) has \(count(order: order)) entries")
    var full = [Scalar](repeating: 0, count: order * order)
    full.withUnsafeMutableBufferPointer { full in
      packed.withUnsafeBufferPointer { packed in
        guard let base = full.baseAddress else { return }
        for row in 0..<order {
          let start = diagonal(row, order: order) - row
          base[row * order + row] = Scalar(packed[start + row])
          for column in row + 1..<max(row + 1, order) {
            base[row * order + column] = Scalar(packed[start + column]) * offDiagonal
          }
        }
        DenseAlgebra.mirrorUpper(base, order: order)
      }
    }
    return full
  }

  /// Packs the upper triangle of a row-major square matrix.
  static func pack(upperOf full: [Float], order: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count(order: order)) { packed, filled in
      for row in 0..<order {
        let start = diagonal(row, order: order) - row
        for column in row..<order { packed[start + column] = full[row * order + column] }
      }
      filled = count(order: order)
    }
  }
}
