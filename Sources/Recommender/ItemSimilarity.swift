internal import CVectorKernels

/// How alike two items are in a model's eyes, from −1 to 1; symmetric, 0 for an item of which the model knows nothing.
public protocol ItemSimilarity: Sendable {
  /// What is measured, in words.
  var measure: String { get }
  func similarity(_ item: Int, _ other: Int) -> Float
  /// Writes the similarity of all items to one of them.
  ///
  /// - Parameter values: one entry for each item of the catalogue, overwritten.
  func similarities(to item: Int, into values: inout [Float])
  /// Writes the similarity of some items to one: `similarity(others[k], item)` at place k, to the last bit.
  ///
  /// - Parameter values: at least as many entries as there are others; those behind them stay.
  func similarities(of others: [Int], to item: Int, into values: inout [Float])
}

extension ItemSimilarity {
  public func similarities(of others: [Int], to item: Int, into values: inout [Float]) {
    for (place, other) in others.enumerated() { values[place] = similarity(other, item) }
  }
}

/// The cosine of two rows of a table of item factors.
struct FactorSimilarity: ItemSimilarity {
  let measure = "cosine of item factors"
  private let factors: PaddedTable
  /// 1 / length of each row; 0 for rows of zeros.
  private let inverseNorms: [Float]
  /// Row of each item, −1 for items without; empty when row i is item i.
  private let positions: [Int32]

  init(_ factors: PaddedTable, positions: [Int32] = []) {
    self.factors = factors
    self.positions = positions
    inverseNorms = (0..<factors.rowCount).map { row in
      let slice = factors.values[row * factors.stride..<(row + 1) * factors.stride]
      let square = slice.reduce(0.0) { $0 + Double($1) * Double($1) }
      return square > 0 ? Float(1 / square.squareRoot()) : 0
    }
  }

  func similarity(_ item: Int, _ other: Int) -> Float {
    guard let left = row(item), let right = row(other) else { return 0 }
    return factors.values.withUnsafeBufferPointer { table in
      guard let base = table.baseAddress else { return 0 }
      let dot = tacit_dot_f32(base + left * factors.stride, base + right * factors.stride, factors.stride)
      return Self.cosine(dot * inverseNorms[left] * inverseNorms[right])
    }
  }

  func similarities(to item: Int, into values: inout [Float]) {
    guard let own = row(item) else {
      values = [Float](repeating: 0, count: values.count)
      return
    }
    let vector = factors.values[own * factors.stride..<(own + 1) * factors.stride].map { $0 * inverseNorms[own] }
    var dots = [Float](repeating: 0, count: factors.rowCount)
    tacit_table_times_vector_f32(factors.values, factors.rowCount, factors.stride, vector, 0, &dots)
    for other in values.indices {
      values[other] = row(other).map { Self.cosine(dots[$0] * inverseNorms[$0]) } ?? 0
    }
  }

  private func row(_ item: Int) -> Int? {
    guard !positions.isEmpty else { return item }
    return positions[item] < 0 ? nil : Int(positions[item])
  }

  /// Rounding may leave the interval.
  private static func cosine(_ value: Float) -> Float { min(max(value, -1), 1) }
}

/// The partial correlation of two items, −Pᵢⱼ / √(Pᵢᵢ Pⱼⱼ): how often they come together when all other items are accounted for.
///
/// P is the inverse of the ridged co-occurrence matrix, of which EASE's weights Bᵢⱼ = −Pᵢⱼ / Pⱼⱼ are made (Steck 2019, eq. 8); dividing
/// by both diagonals makes them symmetric.
struct PrecisionSimilarity: ItemSimilarity {
  let measure = "partial correlation of items"
  /// P, full and row-major.
  private let precision: [Float]
  private let order: Int
  /// 1 / √Pᵢᵢ.
  private let scale: [Float]

  init(precision: [Float], order: Int) {
    self.precision = precision
    self.order = order
    scale = (0..<order).map { item in
      let diagonal = precision[item * order + item]
      return diagonal > 0 ? 1 / diagonal.squareRoot() : 0
    }
  }

  func similarity(_ item: Int, _ other: Int) -> Float {
    if item == other { return 1 }
    return min(max(-precision[item * order + other] * scale[item] * scale[other], -1), 1)
  }

  func similarities(to item: Int, into values: inout [Float]) {
    for other in values.indices { values[other] = similarity(item, other) }
  }

  /// P is symmetric: along one row instead of down a column, which would be a line of memory for each item.
  func similarities(of others: [Int], to item: Int, into values: inout [Float]) {
    precision.withUnsafeBufferPointer { precision in
      let row = item * order
      for (place, other) in others.enumerated() {
        values[place] = other == item ? 1 : min(max(-precision[row + other] * scale[other] * scale[item], -1), 1)
      }
    }
  }
}
