internal import Glibc

/// Prefix sums over a stream by a binary tree: every complete node holds the noised sum of its steps (Kairouz, McMahan, Song, Thakkar,
/// Thakurta, Xu 2021, arXiv:2103.00039). The squared L2 sensitivity of all nodes together, for contributions of norm 1.
public struct TreeAggregation: Hashable, Sendable {
  /// Σ over nodes of (contributions in the node)², at its worst.
  public let sensitivitySquared: Double
  /// Whether it is that worst value itself, and not a bound.
  public let isExact: Bool

  /// A new tree for each epoch, a user at most once per tree: ⌈log₂(T + 1)⌉ nodes per tree (the same, appendix D).
  ///
  /// - Throws: `PrivacyParameterError` unless there is at least one step and one tree.
  public init(stepsPerTree: Int, trees: Int) throws(PrivacyParameterError) {
    guard stepsPerTree >= 1, trees >= 1, stepsPerTree < 1 << 50, trees < 1 << 30 else {
      throw PrivacyParameterError("\(trees) trees of \(stepsPerTree) steps; expected at least 1 of both")
    }
    var depth = 0
    while (1 << depth) < stepsPerTree + 1 { depth += 1 }
    sensitivitySquared = Double(depth * trees)
    isExact = true
  }

  /// One tree over all steps, a user at most `participations` times with at least `between` steps strictly between two of them.
  ///
  /// The worst pattern is found by dynamic programming over the complete aligned blocks: the value of a block by the numbers of free
  /// steps at its two ends and its contributions. Where that is too much work, every level is bounded on its own.
  ///
  /// - Throws: `PrivacyParameterError` unless there is at least one step and one participation.
  public init(steps: Int, participations: Int, between: Int) throws(PrivacyParameterError) {
    guard steps >= 1, participations >= 1, between >= 0, steps < 1 << 40 else {
      throw PrivacyParameterError(
        "a tree of \(steps) steps with \(participations) participations, \(between) steps between; expected at least 1, 1 and 0")
    }
    let separation = min(between, steps)
    let most = min(participations, (steps - 1) / (separation + 1) + 1)
    let work = pow(Double(separation + 1), 3) * Double(most) * Double(most) / 2 * log2(Double(steps) + 1)
    if work <= 3e8 {
      sensitivitySquared = Self.worst(steps: steps, most: most, separation: separation)
      isExact = true
    } else {
      sensitivitySquared = Self.levelBound(steps: steps, most: most, separation: separation)
      isExact = false
    }
  }

  /// value[a][b][c]: the largest sum of squares in a block with at least a free steps at its left end, at least b at its right end and
  /// c contributions; −1 where there is no such pattern.
  private struct Block {
    let most: Int
    let separation: Int
    var value: [Double]

    init(most: Int, separation: Int) {
      self.most = most
      self.separation = separation
      value = [Double](repeating: -1, count: (separation + 1) * (separation + 1) * (most + 1))
    }

    subscript(_ a: Int, _ b: Int, _ c: Int) -> Double {
      get { value[(a * (separation + 1) + b) * (most + 1) + c] }
      set { value[(a * (separation + 1) + b) * (most + 1) + c] = newValue }
    }

    /// This block of `size` steps followed by another of `otherSize`; a common parent counts its contributions too.
    func followed(size: Int, by other: Block, otherSize: Int, hasParent: Bool) -> Block {
      var result = Block(most: most, separation: separation)
      for a in 0...separation {
        for b in 0...separation {
          for c in 0...most {
            var best = c == 0 ? 0.0 : -1.0
            if c > 0 {
              // All on one side: the empty block lends its steps to the free end.
              let left = self[a, max(0, b - otherSize), c]
              let right = other[max(0, a - size), b, c]
              best = max(left, right)
              for one in 1..<max(1, c) where c > 1 {
                for gap in 0...separation {
                  let l = self[a, gap, one]
                  if l < 0 { break }
                  let r = other[separation - gap, b, c - one]
                  if r >= 0 { best = max(best, l + r) }
                }
              }
              if best >= 0, hasParent { best += Double(c * c) }
            }
            result[a, b, c] = best
          }
        }
      }
      return result
    }
  }

  private static func worst(steps: Int, most: Int, separation: Int) -> Double {
    // A leaf: one contribution, no free step at either end.
    var block = Block(most: most, separation: separation)
    for a in 0...separation {
      for b in 0...separation { block[a, b, 0] = 0 }
    }
    block[0, 0, 1] = 1
    var size = 1
    var whole: (block: Block, size: Int)?
    var rest = steps
    while rest > 0 {
      if rest & 1 == 1 {
        // Blocks come in falling size: the larger ones stand before what is there already.
        if let tail = whole {
          whole = (block.followed(size: size, by: tail.block, otherSize: tail.size, hasParent: false), size + tail.size)
        } else {
          whole = (block, size)
        }
      }
      rest >>= 1
      if rest > 0 {
        block = block.followed(size: size, by: block, otherSize: size, hasParent: true)
        size *= 2
      }
    }
    guard let whole else { return 0 }
    return (0...most).map { whole.block[0, 0, $0] }.max() ?? 0
  }

  /// A node of 2^l steps holds at most m_l contributions; Σ count² with Σ count ≤ k is largest when nodes are full.
  private static func levelBound(steps: Int, most: Int, separation: Int) -> Double {
    var total = 0.0
    var size = 1
    while size <= steps {
      let full = min(most, (size - 1) / (separation + 1) + 1)
      total += Double(most / full * full * full + (most % full) * (most % full))
      size *= 2
    }
    return total
  }
}
