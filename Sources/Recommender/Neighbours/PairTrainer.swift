internal import Glibc

/// What one pair of a user's items weighs, by the number n of the user's items.
public enum PairWeighting: Sendable, Equatable {
  /// n^−γ, γ from 0 to 2: a pair of a long history says less about its two items (γ = 0: users with both).
  case power(Double)
  /// √(2 / (n (n − 1))): all pairs of a user together have L2 norm 1.
  case unitNorm

  /// - Parameter count: n, at least 2.
  func value(_ count: Int) -> Float {
    switch self {
    case .power(let exponent): Float(pow(Double(count), -exponent))
    case .unitNorm: Float((2 / (Double(count) * Double(count - 1))).squareRoot())
    }
  }
}

/// Contributes the weight of the user for every pair of the user's items whose row is in one block.
struct PairTrainer: LocalTrainer {
  let blocks: PairBlocks
  let block: Int
  let weighting: PairWeighting

  func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
    guard user.items.count > 1 else { return }
    let items = user.items.sorted()
    for (position, item) in items.enumerated() {
      let place = blocks.place(of: Int(item))
      guard place.block == block else { continue }
      for other in items[(position + 1)...] { buffer.indices.append(UInt32(place.origin + Int(other))) }
    }
    buffer.values = [Float](repeating: weighting.value(items.count), count: buffer.indices.count)
  }

  /// Row by row, each by one thread: the users of an item add their later items to a row that stays in the cache.
  func accumulate(_ interactions: Interactions, seed: UInt64, into sum: inout [Double]) {
    precondition(sum.count == blocks.dimension, "the sum has \(sum.count) entries, the block \(blocks.dimension)")
    let holders = Holders(interactions, blocks: blocks, block: block, weighting: weighting)
    let strips = Array(blocks.strips(of: block))
    sum.withUnsafeMutableBufferPointer { sum in
      holders.items.withUnsafeBufferPointer { items in
        Parallel.forEachBlock(of: strips.count, size: 8) { slots in
          for strip in strips[slots] {
            for row in blocks.rows(ofStrip: strip) {
              let origin = blocks.place(of: row).origin
              for span in holders.spans(of: row) {
                for position in Int(span.next)..<Int(span.end) { sum[origin + Int(items[position])] += span.weight }
              }
            }
          }
        }
      }
    }
  }
}

/// Who has the items of one block's rows: all histories in ascending order of items, and for each row where its users' later items stand.
private struct Holders {
  struct Span {
    /// Positions of the user's items behind the row's.
    let next: Int32
    let end: Int32
    let weight: Double
  }

  let items: [Int32]
  private let starts: [Int]
  private let all: [Span]

  init(_ interactions: Interactions, blocks: PairBlocks, block: Int, weighting: PairWeighting) {
    precondition(interactions.count <= Int(Int32.max), "found \(interactions.count) interactions, expected at most \(Int32.max)")
    var sorted = interactions.items
    let isInBlock = (0..<interactions.itemCount).map { blocks.place(of: $0).block == block }
    var starts = [Int](repeating: 0, count: interactions.itemCount + 1)
    for user in 0..<interactions.userCount {
      let range = interactions.offsets[user]..<interactions.offsets[user + 1]
      guard range.count > 1 else { continue }
      sorted[range].sort()
      for item in sorted[range] where isInBlock[Int(item)] { starts[Int(item) + 1] += 1 }
    }
    for item in 0..<interactions.itemCount { starts[item + 1] += starts[item] }
    var filled = starts
    var all = [Span](repeating: Span(next: 0, end: 0, weight: 0), count: starts[interactions.itemCount])
    for user in 0..<interactions.userCount {
      let range = interactions.offsets[user]..<interactions.offsets[user + 1]
      guard range.count > 1 else { continue }
      let weight = Double(weighting.value(range.count))
      for position in range where isInBlock[Int(sorted[position])] {
        let item = Int(sorted[position])
        all[filled[item]] = Span(next: Int32(position + 1), end: Int32(range.upperBound), weight: weight)
        filled[item] += 1
      }
    }
    (self.items, self.starts, self.all) = (sorted, starts, all)
  }

  func spans(of row: Int) -> ArraySlice<Span> { all[starts[row]..<starts[row + 1]] }
}
