internal import Glibc

/// What a set of recommendation lists does to the catalogue: how much of it is shown, and how much it favours the popular.
public struct CatalogueMetrics: Sendable, Equatable {
  /// Length of the lists that were looked at.
  public let listLength: Int
  /// Items on at least one list.
  public let distinctItems: Int
  /// `distinctItems` over the items of the catalogue, in 0...1.
  public let coverage: Double
  /// Mean of −log₂ of the share of training users that have a listed item, in bits: higher is less obvious. An item
  /// that no training user has counts as if one had.
  public let novelty: Double
  /// Mean popularity of the listed items over that of the training interactions, minus 1: 0 is as popular as what the
  /// users chose themselves, 1 twice as popular (Abdollahpouri et al. 2019).
  public let popularityLift: Double
  /// How unequal the exposure of items is, in 0...1: 0 all alike, 1 one item has it all (Gini coefficient).
  public let exposureGini: Double

  /// - Parameter lists: one list per user; users without a list are left out of the means.
  init(lists: [[Recommendation]], listLength: Int, train: Interactions) {
    let itemCount = train.itemCount
    var popularity = [Double](repeating: 0, count: itemCount)
    for item in train.items { popularity[Int(item)] += 1 }
    var exposure = [Int](repeating: 0, count: itemCount)
    var (novelty, listed, shown) = (0.0, 0.0, 0)
    let users = Double(max(train.userCount, 1))
    for list in lists {
      for entry in list {
        exposure[entry.item] += 1
        novelty -= log2(max(popularity[entry.item], 1) / users)
        listed += popularity[entry.item]
        shown += 1
      }
    }
    let chosen = train.items.reduce(0.0) { $0 + popularity[Int($1)] } / Double(max(train.count, 1))
    self.listLength = listLength
    distinctItems = exposure.count { $0 > 0 }
    coverage = itemCount > 0 ? Double(distinctItems) / Double(itemCount) : 0
    self.novelty = shown > 0 ? novelty / Double(shown) : 0
    popularityLift = shown > 0 && chosen > 0 ? listed / Double(shown) / chosen - 1 : 0
    exposureGini = Self.gini(exposure)
  }

  /// Gini coefficient Σ (2i − n − 1) xᵢ / (n Σ x) of ascending values, i from 1.
  private static func gini(_ exposure: [Int]) -> Double {
    let total = exposure.reduce(0, +)
    guard total > 0 else { return 0 }
    var sum = 0
    for (index, value) in exposure.sorted().enumerated() {
      sum += (2 * (index + 1) - exposure.count - 1) * value
    }
    return Double(sum) / (Double(exposure.count) * Double(total))
  }
}
