/// Which items come together and how often: the strict upper triangle of co-occurrence, without its zeros.
///
/// As tensors: `lengths` [items], how many later items each item has; `neighbours` [m], these items, ascending for each item;
/// `co-occurrence` [⌈m / 64⌉, 64], what the pairs weigh, in the same order and filled up with zeros (a table, so that it may be kept as
/// Float16 or int8 with a scale for every 64 entries; items' numbers are a vector and never rounded).
struct NeighbourTable: Sendable, Equatable {
  private(set) var lengths: [Int32]
  private(set) var columns: [Int32]
  private(set) var values: [Float]

  /// Without a single pair.
  init(itemCount: Int) {
    lengths = [Int32](repeating: 0, count: itemCount)
    columns = []
    values = []
  }

  var itemCount: Int { lengths.count }
  /// Pairs that are kept.
  var count: Int { columns.count }

  /// Takes the rows of one block from its released sum: every entry above the threshold.
  ///
  /// - Parameter threshold: at least 0.
  mutating func merge(_ sum: [Float], block: Int, of blocks: PairBlocks, above threshold: Float) {
    precondition(sum.count == blocks.dimension, "the sum has \(sum.count) entries, the block \(blocks.dimension)")
    var merged = NeighbourTable(itemCount: itemCount)
    merged.columns.reserveCapacity(count + count / 8)
    merged.values.reserveCapacity(count + count / 8)
    var start = 0
    sum.withUnsafeBufferPointer { sum in
      for row in 0..<itemCount {
        let place = blocks.place(of: row)
        if place.block == block {
          let before = merged.columns.count
          for column in row + 1..<max(row + 1, itemCount) where sum[place.origin + column] > threshold {
            merged.columns.append(Int32(column))
            // Honest sums are nowhere near; a model with larger ones would be refused (`ModelCheck`).
            merged.values.append(min(sum[place.origin + column], 0x1p40))
          }
          merged.lengths[row] = Int32(merged.columns.count - before)
        } else {
          let range = start..<start + Int(lengths[row])
          merged.columns += columns[range]
          merged.values += values[range]
          merged.lengths[row] = lengths[row]
        }
        start += Int(lengths[row])
      }
    }
    self = merged
  }

  /// Keeps a pair when it is among the `neighbours` strongest of one of its two items; of equally strong ones all stay.
  ///
  /// An item j is as strong a neighbour as it is recommended for it: cᵢⱼ · factors[j]. What is dropped when some pairs are still missing would be
  /// dropped when all are there, so that a table may be pruned while it grows.
  ///
  /// - Parameter factors: one for each item, 0 or larger.
  mutating func prune(to neighbours: Int, factors: [Float]) {
    let bars = strengthBars(neighbours, factors)
    var start = 0
    var kept = 0
    for row in 0..<itemCount {
      let end = start + Int(lengths[row])
      let before = kept
      for pair in start..<end {
        let column = Int(columns[pair])
        guard values[pair] * factors[column] >= bars[row] || values[pair] * factors[row] >= bars[column] else { continue }
        columns[kept] = columns[pair]
        values[kept] = values[pair]
        kept += 1
      }
      lengths[row] = Int32(kept - before)
      start = end
    }
    columns.removeLast(columns.count - kept)
    values.removeLast(values.count - kept)
  }

  /// How strong each item's weakest kept neighbour is; 0 for items with no more than so many.
  private func strengthBars(_ neighbours: Int, _ factors: [Float]) -> [Float] {
    let rows = SymmetricRows(self)
    var bars = [Float](repeating: 0, count: itemCount)
    bars.withUnsafeMutableBufferPointer { bars in
      Parallel.forEachBlock(of: itemCount, size: 256) { block in
        for row in block where rows.starts[row + 1] - rows.starts[row] > neighbours {
          var strengths = (rows.starts[row]..<rows.starts[row + 1]).map { rows.values[$0] * factors[Int(rows.columns[$0])] }
          strengths.sort(by: >)
          bars[row] = strengths[neighbours - 1]
        }
      }
    }
    return bars
  }
}

/// Both triangles of a table, compressed by rows; columns ascend.
struct SymmetricRows: Sendable {
  let starts: [Int]
  let columns: [Int32]
  let values: [Float]

  init(_ table: NeighbourTable) {
    let itemCount = table.itemCount
    var starts = [Int](repeating: 0, count: itemCount + 1)
    for row in 0..<itemCount { starts[row + 1] += Int(table.lengths[row]) }
    for column in table.columns { starts[Int(column) + 1] += 1 }
    for row in 0..<itemCount { starts[row + 1] += starts[row] }
    var filled = starts
    var columns = [Int32](repeating: 0, count: 2 * table.count)
    var values = [Float](repeating: 0, count: 2 * table.count)
    // A row's earlier items come first, because their rows are read before its own.
    var pair = 0
    for row in 0..<itemCount {
      for _ in 0..<Int(table.lengths[row]) {
        let column = Int(table.columns[pair])
        for (at, other) in [(row, column), (column, row)] {
          columns[filled[at]] = Int32(other)
          values[filled[at]] = table.values[pair]
          filled[at] += 1
        }
        pair += 1
      }
    }
    (self.starts, self.columns, self.values) = (starts, columns, values)
  }

  /// What two different items weigh together; 0 where nothing was kept.
  func value(_ row: Int, _ column: Int) -> Float {
    var (low, high) = (starts[row], starts[row + 1])
    while low < high {
      let middle = (low + high) / 2
      if columns[middle] < column { low = middle + 1 } else { high = middle }
    }
    return low < starts[row + 1] && columns[low] == column ? values[low] : 0
  }
}

extension NeighbourTable {
  /// Entries that share a scale where the table is kept as int8.
  private static let width = 64

  private static func rowCount(_ entries: Int) -> Int { (entries + width - 1) / width }

  static let tensorNames = ["lengths", "neighbours", "co-occurrence"]

  /// As a model or the coordinator's state holds it.
  var tensors: [String: Tensor] {
    let rows = Self.rowCount(count)
    return [
      "lengths": Tensor(shape: [itemCount], values: lengths.map(Float.init)),
      "neighbours": Tensor(shape: [count], values: columns.map(Float.init)),
      "co-occurrence": Tensor(
        shape: [rows, Self.width], values: values + [Float](repeating: 0, count: rows * Self.width - count)),
    ]
  }

  /// Reads tensors in which `fault` finds nothing.
  init(tensors: [String: Tensor]) {
    guard let lengths = tensors["lengths"]?.values, let neighbours = tensors["neighbours"]?.values,
      let values = tensors["co-occurrence"]?.values
    else { preconditionFailure("a table of neighbours has the tensors \(Self.tensorNames)") }
    self.lengths = lengths.map { Int32($0) }
    columns = neighbours.map { Int32($0) }
    self.values = Array(values.prefix(neighbours.count))
  }

  /// Why the tensors of a model are no such table, or `nil`.
  static func fault(in model: ItemModel, itemCount: Int) -> String? {
    let count = model.tensors["neighbours"]?.values.count ?? 0
    for (name, shape) in [
      ("lengths", [itemCount]), ("neighbours", [count]), ("co-occurrence", [rowCount(count), width]),
    ] {
      if let fault = ModelCheck.fault(in: model, tensor: name, shape: shape) { return fault }
    }
    guard let lengths = model.tensors["lengths"]?.values, let neighbours = model.tensors["neighbours"]?.values,
      let values = model.tensors["co-occurrence"]?.values
    else { return "a tensor is missing" }
    guard values.allSatisfy({ $0 >= 0 }) else { return "tensor 'co-occurrence' has negative entries" }
    var start = 0
    for (row, length) in lengths.enumerated() {
      guard length >= 0, length == length.rounded(), Int(length) <= count - start else {
        return "tensor 'lengths' does not divide the \(count) neighbours among the items"
      }
      var last = Float(row)
      for neighbour in neighbours[start..<start + Int(length)] {
        guard neighbour > last, neighbour < Float(itemCount), neighbour == neighbour.rounded() else {
          return "tensor 'neighbours' holds no ascending later items of item \(row)"
        }
        last = neighbour
      }
      start += Int(length)
    }
    return start == count ? nil : "tensor 'lengths' does not divide the \(count) neighbours among the items"
  }
}
