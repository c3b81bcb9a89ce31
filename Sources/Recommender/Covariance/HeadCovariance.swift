internal import CVectorKernels
internal import Glibc

/// The private recipe: noisy counts choose a head of popular items, then one noisy covariance of the head is denoised.
///
/// Model tensors after the first release: `counts` [items], the released sum; `popularity` [items], the counts above a
/// floor of a quarter of their noise; `head` [size], the head's item indices, ascending. After the second also
/// `items` [items, rank], loadings whose outer product is the denoised covariance of one user (rows outside the head are
/// zero), and `uniqueness` [size], the part of each head item's variance that the loadings do not carry.
enum HeadCovariance {
  /// Stores the noisy counts, and the head that they choose: its `headSize` largest, the lower index first in a tie.
  static func foldCounts(_ sum: [Float], headSize: Int, deviation: Double, into model: inout ItemModel) {
    // Without a floor an item whose noise is negative would have a negative popularity.
    let floor = Float(0.25 * deviation)
    let popularity = sum.map { max($0, floor) }
    let order = popularity.indices.sorted { (popularity[$0], $1) > (popularity[$1], $0) }
    model.tensors["counts"] = Tensor(shape: [sum.count], values: sum)
    model.tensors["popularity"] = Tensor(shape: [sum.count], values: popularity)
    model.tensors["head"] = Tensor(shape: [headSize], values: order.prefix(headSize).sorted().map(Float.init))
  }

  /// Denoises the covariance and stores loadings and uniquenesses, per user.
  static func foldCovariance(
    _ sum: [Float], headSize: Int, context: ReleaseContext, into model: inout ItemModel
  ) {
    let head = Head(model: model)
    precondition(
      head.items.count == headSize, "the model's head has \(head.items.count) items, not \(headSize)")
    let users = max(context.expectedUsers, 1)
    let factors = SpectralFactors(
      covariance: PackedTriangle.unpack(sum, order: headSize, offDiagonal: 0.5.squareRoot()), order: headSize,
      offDiagonalDeviation: context.noiseDeviation * 0.5.squareRoot())
    let rank = factors.values.count
    var items = Tensor(zeros: [head.itemCount, rank])
    var uniqueness = Tensor(zeros: [headSize])
    for (position, item) in head.items.enumerated() {
      var carried = 0.0
      for (factor, value) in factors.values.enumerated() {
        let loading = factors.vectors[factor * headSize + position] * (value / users).squareRoot()
        items.values[item * rank + factor] = Float(loading)
        carried += loading * loading
      }
      // A normalised row spreads a total variance of 1 about as the counts do.
      let expected = Double(head.share[position])
      uniqueness.values[position] = Float(max(expected - carried, 0.3 * expected, 1e-12))
    }
    model.tensors["items"] = items
    model.tensors["uniqueness"] = uniqueness
  }
}

/// The head of a model: which items, and how popular.
struct Head {
  let itemCount: Int
  /// Item of every position, ascending.
  let items: [Int]
  /// Position of every item, −1 outside the head.
  let positions: [Int32]
  /// Popularity of the head's items, adding up to 1.
  let share: [Float]
  /// Popularity of the head's items as a direction of length 1.
  let direction: [Float]

  init(model: ItemModel) {
    guard let popularity = model.tensors["popularity"]?.values, let head = model.tensors["head"]?.values
    else {
      preconditionFailure("the counts must be released before the covariance of the head they choose")
    }
    let items = head.map { Int($0) }
    var positions = [Int32](repeating: -1, count: popularity.count)
    for (position, item) in items.enumerated() { positions[item] = Int32(position) }
    let values = items.map { Double(popularity[$0]) }
    let total = max(values.reduce(0, +), .leastNormalMagnitude)
    let norm = max(values.reduce(0) { $0 + $1 * $1 }.squareRoot(), .leastNormalMagnitude)
    self.itemCount = popularity.count
    self.items = items
    self.positions = positions
    self.share = values.map { Float($0 / total) }
    self.direction = values.map { Float($0 / norm) }
  }
}

/// Contributes r̄ r̄ᵀ: the user's row on the head, without its popular direction, at length 1.
///
/// The upper triangle with √2 off the diagonal has L2 norm ‖r̄‖² = 1 exactly, so clipping takes nothing from anybody
/// and gives every user, of short and of long history, the same weight.
struct HeadCovarianceTrainer: LocalTrainer {
  let head: Head

  init(model: ItemModel) { head = Head(model: model) }

  func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
    let size = head.items.count
    guard let residual = residual(of: user.items) else { return }
    buffer.isDense = true
    let entries = PackedTriangle.count(order: size)
    if buffer.values.count != entries { buffer.values = [Float](repeating: 0, count: entries) }
    buffer.values.withUnsafeMutableBufferPointer { values in
      if let base = values.baseAddress { tacit_pack_outer_f32(residual, size, base) }
    }
  }

  /// The normalised residual; nil when the user has nothing on the head beside the popular direction.
  private func residual(of items: ArraySlice<Int32>) -> [Float]? {
    let positions = items.lazy.map { head.positions[Int($0)] }.filter { $0 >= 0 }.map(Int.init)
    var (count, along) = (0.0, 0.0)
    for position in positions {
      count += 1
      along += Double(head.direction[position])
    }
    // ‖x − (x·h) h‖² for a binary x.
    let squared = count - along * along
    guard squared > 1e-6 * count, squared > 0 else { return nil }
    let scale = Float(1 / squared.squareRoot())
    let back = Float(-along) * scale
    var residual = head.direction.map { back * $0 }
    for position in positions { residual[position] += scale }
    return residual
  }

  /// Rows in blocks, their Gram matrix in one product.
  func accumulate(_ interactions: Interactions, seed: UInt64, into sum: inout [Double]) {
    let size = head.items.count
    precondition(sum.count == PackedTriangle.count(order: size), "the sum has the wrong length")
    var gram = [Float](repeating: 0, count: size * size)
    let block = 512
    for first in stride(from: 0, to: interactions.userCount, by: block) {
      let rows = (first..<min(first + block, interactions.userCount))
        .compactMap { residual(of: interactions.history(of: $0)) }
      DenseAlgebra.addGram(of: rows.flatMap { $0 }, rows: rows.count, order: size, into: &gram)
    }
    for row in 0..<size {
      let start = PackedTriangle.diagonal(row, order: size) - row
      sum[start + row] += Double(gram[row * size + row])
      for column in row + 1..<max(row + 1, size) {
        sum[start + column] += 2.0.squareRoot() * Double(gram[row * size + column])
      }
    }
  }
}
