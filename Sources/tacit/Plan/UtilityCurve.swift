internal import Foundation

/// What noise leaves of a recommender's quality: measured points over N/z and the size of the catalogue, and nothing outside of them.
struct UtilityCurve: Sendable {
  struct Point: Sendable, Equatable {
    /// N/z: users over the noise multiplier of the whole task.
    let usersOverNoise: Double
    /// NDCG@10 of the private model over that of the same algorithm without noise.
    let kept: Double
    let users: Int
    let items: Int
    let runs: Int
  }

  let algorithm: String
  let points: [Point]

  /// Quality that is to be expected, as a share of that without noise; or why the measurements do not tell.
  enum Prediction: Equatable {
    case kept(Double)
    case unknown(String)
  }

  static func of(_ algorithm: String) -> UtilityCurve? { MeasuredUtility.curves.first { $0.algorithm == algorithm } }

  /// Smallest and largest catalogue that was measured.
  var itemRange: ClosedRange<Int> { (points.map(\.items).min() ?? 0)...(points.map(\.items).max() ?? 0) }

  /// Interpolates in log(N/z) for the catalogues measured below and above, and between those in log(items).
  func prediction(usersOverNoise ratio: Double, items: Int) -> Prediction {
    guard itemRange.contains(items) else {
      return .unknown(
        "measured on catalogues of \(itemRange.lowerBound) to \(itemRange.upperBound) items, not on \(items); try it with tacit simulate"
      )
    }
    let sizes = Array(Set(points.map(\.items))).sorted()
    let below = sizes.last { $0 <= items } ?? items
    let above = sizes.first { $0 >= items } ?? items
    guard let low = Self.value(line(below), at: ratio), let high = Self.value(line(above), at: ratio) else {
      let range = [below, above].map { size in line(size).map { $0.0 } }
      let least = range.compactMap { $0.first }.max() ?? 0
      let most = range.compactMap { $0.last }.min() ?? 0
      return .unknown(
        "measured for N/z from \(Int(least)) to \(Int(most)) at such a catalogue, not for \(Int(ratio)); "
          + (ratio < least
            ? "below that, expect next to nothing"
            : "above that, expect no less than \(Int((kept(line(below).last, line(above).last)) * 100)) %"))
    }
    guard above > below else { return .kept(low) }
    return .kept(Self.between((Double(below), low), (Double(above), high), at: Double(items)))
  }

  /// The least N/z at which as much is kept; `nil` when no measured N/z keeps that much.
  func usersOverNoise(keeping wanted: Double, items: Int) -> Double? {
    let ratios = Set(points.map(\.usersOverNoise)).sorted()
    guard let first = ratios.first, let last = ratios.last else { return nil }
    func keeps(_ ratio: Double) -> Bool? {
      guard case .kept(let kept) = prediction(usersOverNoise: ratio, items: items) else { return nil }
      return kept >= wanted
    }
    // Lines are made monotone, so that the first crossing is the only one.
    let steps = 400
    for step in 0...steps {
      let ratio = first * pow(last / first, Double(step) / Double(steps))
      if keeps(ratio) == true { return ratio }
    }
    return nil
  }

  private func kept(_ left: (Double, Double)?, _ right: (Double, Double)?) -> Double { min(left?.1 ?? 0, right?.1 ?? 0) }

  /// log-spaced points of one catalogue, averaged where they nearly coincide, and never falling: more signal is no worse.
  private func line(_ items: Int) -> [(Double, Double)] {
    let own = points.filter { $0.items == items }.sorted { $0.usersOverNoise < $1.usersOverNoise }
    var groups: [[Point]] = []
    for point in own {
      if let first = groups.last?.first, point.usersOverNoise < first.usersOverNoise * 1.25 {
        groups[groups.count - 1].append(point)
      } else {
        groups.append([point])
      }
    }
    var line = groups.map { group in
      let count = Double(group.count)
      return (
        exp(group.map { log($0.usersOverNoise) }.reduce(0, +) / count), min(1, group.map(\.kept).reduce(0, +) / count)
      )
    }
    for index in line.indices.dropFirst() { line[index].1 = max(line[index].1, line[index - 1].1) }
    return line
  }

  private static func value(_ line: [(Double, Double)], at ratio: Double) -> Double? {
    guard let first = line.first, let last = line.last, ratio >= first.0, ratio <= last.0 else { return nil }
    for (left, right) in zip(line, line.dropFirst()) where ratio <= right.0 {
      return between(left, right, at: ratio)
    }
    return last.1
  }

  /// The value at x on a straight line over log x.
  private static func between(_ left: (Double, Double), _ right: (Double, Double), at x: Double) -> Double {
    left.1 + (right.1 - left.1) * log(x / left.0) / log(right.0 / left.0)
  }
}
