internal import CVectorKernels

/// XᵀX without noise, and EASE on it.
enum ExactCovariance {
  /// Inverts XᵀX + λI and stores the counts and the packed inverse.
  ///
  /// Float32 is enough: the ridge keeps the condition number near the largest eigenvalue over λ, a few thousand.
  /// A sum that is none of co-occurrence counts (a partner can put anything into a masked sum) gets a larger ridge until the
  /// inverse exists.
  static func fold(_ sum: [Float], itemCount: Int, ridge: Double, into model: inout ItemModel) {
    var matrix: [Float] = []
    var counts = Tensor(zeros: [itemCount])
    var ridge = Float(ridge)
    repeat {
      matrix = PackedTriangle.unpack(sum, order: itemCount)
      for item in 0..<itemCount {
        counts.values[item] = matrix[item * itemCount + item]
        matrix[item * itemCount + item] += ridge
      }
      ridge *= 16
      precondition(ridge.isFinite, "the released sum is not finite")
    } while !(DenseAlgebra.choleskyFactor(&matrix, order: itemCount)
      && DenseAlgebra.choleskyInverse(factor: &matrix, order: itemCount))
    model.tensors["counts"] = counts
    model.tensors["precision"] = Tensor(
      shape: [PackedTriangle.count(order: itemCount)],
      values: PackedTriangle.pack(upperOf: matrix, order: itemCount))
  }
}

/// Contributes 1 for every pair of a user's items (and every item with itself), in the packed upper triangle.
struct CooccurrenceTrainer: LocalTrainer {
  let itemCount: Int

  func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
    let items = user.items.sorted()
    buffer.indices.reserveCapacity(PackedTriangle.count(order: items.count))
    for (position, item) in items.enumerated() {
      let start = PackedTriangle.diagonal(Int(item), order: itemCount) - Int(item)
      for other in items[position...] { buffer.indices.append(UInt32(start + Int(other))) }
    }
    buffer.values = [Float](repeating: 1, count: buffer.indices.count)
  }

  /// Row by row: the users of item i each add their items from i on, in a row that stays in the nearest cache.
  func accumulate(_ interactions: Interactions, seed: UInt64, into sum: inout [Double]) {
    precondition(sum.count == PackedTriangle.count(order: itemCount), "the sum has the wrong length")
    var sorted = interactions.items
    var starts = [Int](repeating: 0, count: itemCount + 1)
    for user in 0..<interactions.userCount {
      sorted[interactions.offsets[user]..<interactions.offsets[user + 1]].sort()
    }
    for item in sorted { starts[Int(item) + 1] += 1 }
    for item in 0..<itemCount { starts[item + 1] += starts[item] }
    // For every item, where it stands in the sorted rows, and where that row ends.
    var next = starts
    var spans = [(position: Int32, end: Int32)](repeating: (0, 0), count: sorted.count)
    for user in 0..<interactions.userCount {
      let end = interactions.offsets[user + 1]
      for position in interactions.offsets[user]..<end {
        let item = Int(sorted[position])
        spans[next[item]] = (Int32(position), Int32(end))
        next[item] += 1
      }
    }
    sum.withUnsafeMutableBufferPointer { sum in
      sorted.withUnsafeBufferPointer { sorted in
        spans.withUnsafeBufferPointer { spans in
          Parallel.forEachBlock(of: itemCount, size: 16) { block in
            for item in block {
              let start = PackedTriangle.diagonal(item, order: itemCount) - item
              for span in spans[starts[item]..<starts[item + 1]] {
                for position in Int(span.position)..<Int(span.end) { sum[start + Int(sorted[position])] += 1 }
              }
            }
          }
        }
      }
    }
  }
}

/// EASE: the score of item j is Σᵢ wᵢ Bᵢⱼ over the history, with B = I − P diag(1 / diag P), P = (XᵀX + λI)⁻¹.
struct EaseScorer: Scorer {
  let itemCount: Int
  let recency: RecencyWeighting
  /// P, full and row-major.
  private let precision: [Float]
  /// −1 / Pⱼⱼ.
  private let scale: [Float]

  init(model: ItemModel, itemCount: Int, recency: RecencyWeighting) {
    guard let packed = model.tensors["precision"] else {
      preconditionFailure("an EASE model holds `precision`")
    }
    let full: [Float] = PackedTriangle.unpack(packed.values, order: itemCount)
    self.itemCount = itemCount
    self.recency = recency
    self.scale = (0..<itemCount).map { -1 / full[$0 * itemCount + $0] }
    self.precision = full
  }

  func score(_ user: UserHistory, into scores: inout [Float]) {
    precondition(scores.count == itemCount, "scores must have one entry per item")
    // A row of P for each item: the oldest of a long history, which no Float32 would tell from none, cost as much as the newest.
    let items = user.items.suffix(recency.reach)
    let weights = recency.weights(of: user).suffix(items.count)
    scores.withUnsafeMutableBufferPointer { scores in
      precision.withUnsafeBufferPointer { precision in
        guard let row = precision.baseAddress, let out = scores.baseAddress else { return }
        out.update(repeating: 0, count: itemCount)
        for (item, weight) in zip(items, weights) {
          tacit_axpy_f32(out, weight, row + Int(item) * itemCount, itemCount)
        }
        for item in 0..<itemCount { out[item] *= scale[item] }
        // An item does not vouch for itself: its own term of −1 is taken back.
        for (item, weight) in zip(items, weights) { out[Int(item)] += weight }
      }
    }
  }

  func makeSimilarity() -> (any ItemSimilarity)? { PrecisionSimilarity(precision: precision, order: itemCount) }

  func explain(_ item: Int, for user: UserHistory) -> [Float]? {
    zip(user.items, recency.weights(of: user)).map { own, weight in
      Int(own) == item ? 0 : weight * precision[Int(own) * itemCount + item] * scale[item]
    }
  }
}
