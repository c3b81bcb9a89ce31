import Recommender

/// Seeded draws for tests: SplitMix64.
struct TestRandom {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  mutating func uniform() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }

  /// About standard normal: twelve uniform draws.
  mutating func normal() -> Double { (0..<12).reduce(-6.0) { sum, _ in sum + uniform() } }

  /// `count` distinct items, in random order, the low ones more often.
  mutating func history(count: Int, itemCount: Int) -> [Int32] {
    var items: [Int32] = []
    while items.count < count {
      let draw = uniform()
      let item = Int32(draw * draw * Double(itemCount))
      if !items.contains(item) { items.append(item) }
    }
    return items
  }

  mutating func interactions(users: Int, itemCount: Int, longest: Int) -> Interactions {
    Interactions(
      itemCount: itemCount,
      histories: (0..<users).map { _ in
        let count = below(longest + 1)
        return history(count: count, itemCount: itemCount)
      })
  }
}

/// What `contribute` writes, as a full vector.
func contribution(of items: [Int32], to trainer: any LocalTrainer, dimension: Int) -> [Double] {
  var buffer = ContributionBuffer(dimension: dimension)
  trainer.contribute(UserHistory(items: items[...]), into: &buffer)
  if buffer.isDense { return buffer.values.map(Double.init) }
  var full = [Double](repeating: 0, count: dimension)
  for (index, value) in zip(buffer.indices, buffer.values) { full[Int(index)] += Double(value) }
  return full
}

func sumOfContributions(_ interactions: Interactions, to trainer: any LocalTrainer, dimension: Int)
  -> [Double]
{
  var sum = [Double](repeating: 0, count: dimension)
  for user in 0..<interactions.userCount {
    let one = contribution(of: Array(interactions.history(of: user)), to: trainer, dimension: dimension)
    for index in sum.indices { sum[index] += one[index] }
  }
  return sum
}

func widestGap(_ a: [Double], _ b: [Double]) -> Double {
  a.count == b.count ? zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } : .infinity
}

func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

/// EASE by its definition: B = I − P diag(1 / diag P), P the inverse of `matrix`, by Gauss-Jordan elimination.
func easeWeights(_ matrix: [[Double]]) -> [[Double]] {
  let order = matrix.count
  var left = matrix
  var inverse = (0..<order).map { row in (0..<order).map { $0 == row ? 1.0 : 0.0 } }
  for pivot in 0..<order {
    let best = (pivot..<order).max { abs(left[$0][pivot]) < abs(left[$1][pivot]) } ?? pivot
    left.swapAt(pivot, best)
    inverse.swapAt(pivot, best)
    let scale = 1 / left[pivot][pivot]
    for column in 0..<order {
      left[pivot][column] *= scale
      inverse[pivot][column] *= scale
    }
    for row in 0..<order where row != pivot {
      let factor = left[row][pivot]
      for column in 0..<order {
        left[row][column] -= factor * left[pivot][column]
        inverse[row][column] -= factor * inverse[pivot][column]
      }
    }
  }
  var weights = inverse
  for row in 0..<order {
    for column in 0..<order {
      weights[row][column] = row == column ? 0 : -inverse[row][column] / inverse[column][column]
    }
  }
  return weights
}
