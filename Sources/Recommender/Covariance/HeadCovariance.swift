internal import Glibc

/// The private recipe: noisy counts choose a head of popular items, then one noisy covariance of the head is denoised.
///
/// Model tensors after the first release: `counts` [items], the released sum; `popularity` [items], the counts above a
/// floor of a quarter of their noise; `head` [size], the head's item indices, ascending. After the second also
/// `items` [items, rank], loadings whose outer product is the denoised covariance of one user (rows outside the head are
/// zero), and `uniqueness` [1], the variance of every head item beside its loadings.
enum HeadCovariance {
  /// Loadings kept at most; signals weaker than the 512 strongest cost more time in scoring than they gain.
  static let rankMax = 512
  /// Uniqueness over the mean variance of a head item.
  ///
  /// The same for all items: the error of the loadings is the same for all items too, so a uniqueness in proportion to
  /// popularity trusts the rows of rare items too much. Measured on validation (ml-1m, online-retail, ε = 4): full
  /// NDCG@10 .074 against .071 and .053 against .047; 2 to 6 are equally good.
  static let uniquenessFactor = 4.0

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

  /// Denoises the covariance and stores loadings and uniqueness, per user.
  static func foldCovariance(
    _ sum: [Float], headSize: Int, context: ReleaseContext, into model: inout ItemModel
  ) {
    let head = Head(model: model)
    precondition(
      head.items.count == headSize, "the model's head has \(head.items.count) items, not \(headSize)")
    let users = max(context.expectedUsers, 1)
    let covariance: [Double] = PackedTriangle.unpack(sum, order: headSize, offDiagonal: 0.5.squareRoot())
    // A positive semidefinite matrix of Frobenius norm 1 has a trace of at least 1, which bounds the noisy trace.
    let trace = max((0..<headSize).reduce(0) { $0 + covariance[$1 * headSize + $1] }, users)
    let factors = SpectralFactors(
      covariance: covariance, order: headSize,
      offDiagonalDeviation: context.noiseDeviation * 0.5.squareRoot(),
      rankMax: rankMax)
    let rank = factors.values.count
    let scales = factors.values.map { ($0 / users).squareRoot() }
    var items = Tensor(zeros: [head.itemCount, rank])
    for (position, item) in head.items.enumerated() {
      for factor in 0..<rank {
        items.values[item * rank + factor] = Float(
          factors.vectors[factor * headSize + position] * scales[factor])
      }
    }
    model.tensors["items"] = items
    model.tensors["uniqueness"] = Tensor(
      shape: [1], values: [Float(uniquenessFactor * trace / (Double(headSize) * users))])
  }
}

/// The head of a model: which items, and how popular.
struct Head {
  let itemCount: Int
  /// Item of every position, ascending.
  let items: [Int]
  /// Position of every item, −1 outside the head.
  let positions: [Int32]
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
    self.itemCount = popularity.count
    self.items = items
    self.positions = positions
    self.direction = Head.unit(items.map { popularity[$0] })
  }

  /// The vector at length 1; zeros stay zeros.
  static func unit(_ values: [Float]) -> [Float] {
    let norm = values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    return norm > 0 ? values.map { Float(Double($0) / norm) } : values
  }
}
