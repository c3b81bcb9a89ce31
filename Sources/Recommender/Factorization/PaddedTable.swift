internal import CVectorKernels

/// Rows of `dimension` floats, each padded with zeros to a multiple of 16, as the C kernels want them.
struct PaddedTable: Sendable {
  let rowCount: Int
  let dimension: Int
  /// Floats from one row to the next.
  let stride: Int
  var values: [Float]

  init(rowCount: Int, dimension: Int) {
    self.rowCount = rowCount
    self.dimension = dimension
    stride = (dimension + 15) / 16 * 16
    values = [Float](repeating: 0, count: rowCount * stride)
  }

  /// - Parameter tensor: shape [rows, dimension].
  init(_ tensor: Tensor) {
    precondition(tensor.shape.count == 2, "a table has two axes, not the shape \(tensor.shape)")
    self.init(rowCount: tensor.shape[0], dimension: tensor.shape[1])
    for row in 0..<rowCount {
      for column in 0..<dimension { values[row * stride + column] = tensor.values[row * dimension + column] }
    }
  }

  /// `scale` times the sum of the outer products of all rows: stride × stride, both triangles, zero in the
  /// padding.
  func gram(scale: Float = 1) -> [Float] {
    var gram = [Float](repeating: 0, count: stride * stride)
    let all = (0..<Int32(rowCount)).map { $0 }
    tacit_weighted_gram_f32(values, stride, all, nil, rowCount, &gram)
    for row in 0..<stride {
      for column in row..<stride {
        gram[row * stride + column] *= scale
        gram[column * stride + row] = gram[row * stride + column]
      }
    }
    return gram
  }

  /// The sum of `weight` times row `row` over all pairs, padded.
  func combination(of pairs: some Sequence<(row: Int, weight: Float)>) -> [Float] {
    var result = [Float](repeating: 0, count: stride)
    values.withUnsafeBufferPointer { table in
      guard let base = table.baseAddress else { return }
      for (row, weight) in pairs { tacit_axpy_f32(&result, weight, base + row * stride, stride) }
    }
    return result
  }

  /// Row `row` times `vector` (padded).
  func dot(_ row: Int, _ vector: [Float]) -> Float {
    precondition(
      vector.count == stride && row >= 0 && row < rowCount, "a row of the table times a padded vector")
    return values.withUnsafeBufferPointer { table in
      table.baseAddress.map { tacit_dot_f32($0 + row * stride, vector, stride) } ?? 0
    }
  }
}
