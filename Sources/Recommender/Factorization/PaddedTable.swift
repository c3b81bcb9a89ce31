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
    tacit_weighted_gram_f32(values, stride, all, nil, rowCount, nil, &gram)
    for row in 0..<stride {
      for column in row..<stride {
        gram[row * stride + column] *= scale
        gram[column * stride + row] = gram[row * stride + column]
      }
    }
    return gram
  }

  /// The sum of `weights[k]` times row `rows[k]` over all k, padded.
  func combination(of rows: ArraySlice<Int32>, weights: [Float]) -> [Float] {
    precondition(rows.count == weights.count, "\(rows.count) rows have \(weights.count) weights")
    var result = [Float](repeating: 0, count: stride)
    rows.withUnsafeBufferPointer { rows in
      tacit_gathered_sum_f32(values, stride, rows.baseAddress, weights, rows.count, &result)
    }
    return result
  }

  /// The sum of `weights[row]` times row `row` over all rows, padded.
  func combination(weights: [Float]) -> [Float] {
    combination(of: (0..<Int32(rowCount)).map { $0 }[...], weights: weights)
  }

  /// Rows `rows[k]` times `vector` (padded).
  func dots(_ rows: ArraySlice<Int32>, _ vector: [Float]) -> [Float] {
    precondition(vector.count == stride, "rows of a table times a padded vector")
    return [Float](unsafeUninitializedCapacity: rows.count) { result, count in
      rows.withUnsafeBufferPointer { rows in
        tacit_gathered_dots_f32(values, stride, rows.baseAddress, rows.count, vector, result.baseAddress)
      }
      count = rows.count
    }
  }

  /// Adds row `row` of another table, times `weights[k]`, to row `rows[k]`, for all k in order.
  ///
  /// - Parameter weights: by the indices of `rows`, so that a slice of rows goes with the whole list of weights.
  mutating func add(row: Int, of other: PaddedTable, to rows: ArraySlice<Int32>, weights: [Float]) {
    precondition(
      other.stride == stride && weights.indices.contains(rows.startIndex) && rows.endIndex <= weights.count || rows.isEmpty,
      "rows of a table are added to rows as long")
    let stride = stride
    rows.withUnsafeBufferPointer { indices in
      weights.withUnsafeBufferPointer { weights in
        other.values.withUnsafeBufferPointer { vectors in
          guard let first = weights.baseAddress, let vector = vectors.baseAddress else { return }
          tacit_scattered_add_f32(
            &values, stride, indices.baseAddress, first + rows.startIndex, rows.count, vector + row * stride)
        }
      }
    }
  }
}
