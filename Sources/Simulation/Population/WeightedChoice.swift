internal import Recommender

/// Draws indices with given weights.
///
/// Weights are rounded to integers of 32 bits once, and draws compare integers: a last-digit difference between two
/// machines' `exp` or `pow` does not change what is drawn.
struct WeightedChoice: Sendable {
  private let cumulative: [Int]

  var isEmpty: Bool { cumulative.isEmpty }

  /// - Precondition: weights are finite and not negative.
  init(_ weights: [Double]) {
    let largest = weights.max() ?? 0
    var total = 0
    cumulative = weights.map { weight in
      precondition(weight >= 0 && weight.isFinite, "weights of a choice are finite and not negative")
      total += max(1, Int((weight / largest * 4_294_967_296).rounded()))
      return total
    }
  }

  /// - Precondition: not empty.
  func draw(_ generator: inout SplitMix64) -> Int {
    guard let total = cumulative.last else { preconditionFailure("a choice among nothing") }
    let target = generator.uniform(below: total)
    var low = 0
    var high = cumulative.count - 1
    while low < high {
      let middle = (low + high) / 2
      if cumulative[middle] > target { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

extension SplitMix64 {
  /// True with the given probability, in thousandths.
  mutating func chance(perMille: Int) -> Bool { uniform(below: 1_000) < perMille }

  /// A number with mean 0 and variance 1, near enough to normal: the sum of twelve uniform numbers less 6
  /// (Irwin-Hall), made of additions only, so that it is the same on every machine.
  mutating func nextBell() -> Double {
    var sum = -6.0
    for _ in 0..<12 { sum += nextUnit() }
    return sum
  }

  /// A random order of `0..<count` (Fisher-Yates).
  mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for position in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(position, uniform(below: position + 1))
    }
    return order
  }
}
