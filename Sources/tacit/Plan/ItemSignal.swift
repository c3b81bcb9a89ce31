internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Recommender

/// How often items occur in users' histories: a rank-frequency curve, never counted from private data.
struct PopularityCurve: Sendable {
  /// Share of all interactions, from the most popular item on; adds up to 1.
  let shares: [Double]
  /// Where it comes from, for people.
  let source: String

  /// Zipf's law: the i-th item occurs in proportion to 1/i^s.
  init(zipf exponent: Double, items: Int) {
    let weights = (1...items).map { pow(Double($0), -exponent) }
    let total = weights.reduce(0, +)
    shares = weights.map { $0 / total }
    source = "Zipf, exponent \(exponent)"
  }

  /// A public list: one number (sales, views) per line, or a table with the number in its last column.
  ///
  /// - Throws: a sentence on the first line that does not fit.
  init(list text: String, name: String, items: Int) throws(PlanQuestionError) {
    var weights: [Double] = []
    for (index, line) in text.split(whereSeparator: \.isNewline).enumerated() {
      let last = line.split(whereSeparator: { $0 == "\t" || $0 == "," || $0 == ";" || $0 == " " }).last.map(String.init) ?? ""
      guard let weight = Double(last), weight >= 0, weight.isFinite else {
        if index == 0 { continue }
        throw PlanQuestionError(
          "\(name), line \(index + 1): found '\(last.prefix(30))', expected a number of 0 or more at the line's end")
      }
      weights.append(weight)
    }
    guard weights.count == items else {
      throw PlanQuestionError("\(name): found \(weights.count) numbers, expected one for each of \(items) items")
    }
    let total = weights.reduce(0, +)
    guard total > 0 else { throw PlanQuestionError("\(name): every number is 0; expected how often items are wanted") }
    shares = weights.sorted(by: >).map { $0 / total }
    source = name
  }

  /// Expected users with the item of a rank in their history of `length` distinct items.
  func holders(_ rank: Int, users: Double, length: Double) -> Double { users * (1 - pow(1 - shares[rank], length)) }
}

/// Why a question to the planner cannot be answered.
struct PlanQuestionError: Error, Equatable, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// Signal and noise of every item's row in one release.
struct ItemSignal: Encodable, Sendable, Equatable {
  /// Entries of a row: 1 for counts, the dimension for factors.
  let rowWidth: Int
  /// Items with a row of their own.
  let rows: Int
  /// Length of the noise on one row of the decoded sum, √width · deviation, in units of contributions.
  let noise: Double
  /// The most that the users who hold an item can add up to in its row: of the most popular item, the middle one, the last one.
  let signalOfFirst: Double
  let signalOfMiddle: Double
  let signalOfLast: Double
  /// Share of rows whose signal is below their noise: 0 to 1.
  let drowned: Double

  /// - Returns: `nil` for releases that are no table of items.
  init?(
    _ release: PlannedRelease, items: Int, popularity: PopularityCurve, users: Double, historyLength: Double
  ) {
    guard release.purpose == .training, let encoding = release.encoding else { return nil }
    let clip = encoding.clipNorm
    // One user's clipped message of norm C is spread over the rows of the items in the history: C/√L in each row. A matrix of
    // pairs spreads it over L² entries: C/L in each.
    let perUser: Double
    if release.name.contains("covariance") {
      let order = Int(((8 * Double(release.dimension) + 1).squareRoot() - 1) / 2)
      guard order * (order + 1) / 2 == release.dimension, order <= items else { return nil }
      rowWidth = 1
      rows = order
      perUser = clip / historyLength
    } else if release.name == ItemNeighbours.partName {
      // Length 1 over the pairs of all blocks, and never more than the clip of one of them, which cuts a history with fewer pairs than there
      // are blocks. An entry is as strong as its rarer item allows.
      rowWidth = 1
      rows = items
      perUser = min(2.0.squareRoot() / historyLength, clip)
    } else {
      // Statistics that all items share stand behind the rows.
      guard release.dimension >= items else { return nil }
      rowWidth = release.dimension / items
      rows = items
      perUser = clip / historyLength.squareRoot()
    }
    noise = release.noiseDeviation * Double(rowWidth).squareRoot()
    let signals = (0..<rows).map {
      popularity.holders($0, users: users * release.samplingRate, length: historyLength) * perUser
    }
    signalOfFirst = signals[0]
    signalOfMiddle = signals[rows / 2]
    signalOfLast = signals[rows - 1]
    let floor = noise
    drowned = Double(signals.count { $0 < floor }) / Double(rows)
  }
}
