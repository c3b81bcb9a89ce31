import DifferentialPrivacy
import Foundation
import Testing

/// The published values of Google's dp-accounting and of prv-accountant, row by row.
///
/// Rows of mechanisms that this build does not charge are counted and printed, never passed.
struct ReferenceTableTests {
  struct Row {
    let id: String
    let mechanism: String
    let sampling: String
    let adjacency: Adjacency?
    let accountant: String
    let z: Double?
    let q: Double
    let steps: Int
    let delta: Double?
    let order: Double?
    let epsilon: Double?
    let lowerBound: Double?
    let relative: Double
    let absolute: Double
    let note: String

    init(_ object: [String: Any]) {
      func number(_ key: String) -> Double? { (object[key] as? NSNumber)?.doubleValue }
      let tolerance = object["tolerance_suggested"] as? [String: Any] ?? [:]
      id = object["id"] as? String ?? "?"
      mechanism = object["mechanism"] as? String ?? "?"
      sampling = object["sampling"] as? String ?? "?"
      accountant = object["accountant"] as? String ?? "?"
      note = object["note"] as? String ?? ""
      adjacency =
        switch object["adjacency"] as? String {
        case "ADD_OR_REMOVE_ONE": .addRemove
        case "REPLACE_ONE": .replaceOne
        case "REPLACE_SPECIAL": .zeroOut
        default: nil
        }
      z = number("noise_multiplier")
      q = number("q") ?? 1
      steps = (object["steps"] as? NSNumber)?.intValue ?? 1
      delta = number("delta")
      order = number("order")
      epsilon = number("epsilon")
      lowerBound = number("lower_bound")
      relative = (tolerance["rel"] as? NSNumber)?.doubleValue ?? 0
      absolute = (tolerance["abs"] as? NSNumber)?.doubleValue ?? 0
    }
  }

  enum Verdict {
    case passed
    case failed(String)
    case unsupported(String)
  }

  @Test func everyRowThatThisBuildAnswersHolds() throws {
    guard let file = Files.shared("reference/dp_public.json") else { return }
    let rows = try #require(try Files.json(file)["rows"] as? [[String: Any]]).map(Row.init)
    #expect(!rows.isEmpty)
    var passed: [String: Int] = [:]
    var unsupported: [String: Int] = [:]
    for row in rows {
      switch judge(row) {
      case .passed: passed["\(row.mechanism)/\(row.sampling) by \(row.accountant)", default: 0] += 1
      case .failed(let why):
        Issue.record("row \(row.id) (\(row.mechanism), \(row.sampling), \(row.accountant)): \(why)")
      case .unsupported(let why): unsupported["\(row.mechanism)/\(row.sampling): \(why)", default: 0] += 1
      }
    }
    for (kind, count) in passed.sorted(by: { $0.key < $1.key }) {
      print("reference rows passed: \(count) \(kind)")
    }
    for (kind, count) in unsupported.sorted(by: { $0.key < $1.key }) {
      print("reference rows NOT answered by this build: \(count) \(kind)")
    }
    #expect(passed.values.reduce(0, +) > 1000)
  }

  private func judge(_ row: Row) -> Verdict {
    guard let adjacency = row.adjacency, let z = row.z, row.mechanism.hasPrefix("gaussian") else {
      return .unsupported("mechanism or adjacency")
    }
    guard row.sampling == "none" || row.sampling == "poisson" else { return .unsupported("sampler") }
    let rate = row.sampling == "poisson" ? row.q : 1
    // z of a row is over the distance under add/remove; under replace-one the accountants of the table differ: the
    // PLD rows are over one user's norm (distance 2), the Rényi rows over the distance (note A1 of the formulas).
    let isRenyi = row.accountant == "rdp" || row.accountant == "rdp_default_orders"
    let overDistance = adjacency == .replaceOne && !isRenyi ? z / 2 : z
    if let order = row.order {
      var loss = PrivacyLoss()
      loss.add(noiseMultiplier: overDistance, rate: rate, count: row.steps, adjacency: adjacency)
      let ours = RenyiAccountant(orders: [order]).curve(of: loss)[0]
      // At fractional orders the table holds a series of absolute values, not the divergence: ours must be the
      // smaller one, and the same series must give the table's value.
      let published = RenyiDivergence.publishedSeries(order: order, rate: rate, noiseMultiplier: z)
      let expected = row.epsilon ?? .infinity
      let agrees =
        published == expected || abs(published - expected) <= row.relative * expected + row.absolute
      let isTighter = ours <= published * (1 + 1e-9)
      let isEqual = abs(ours - expected) <= row.relative * expected + row.absolute
      return agrees && (isEqual || (order != order.rounded() && isTighter))
        ? .passed : .failed("R(\(order)) = \(ours), as published \(published), expected \(expected)")
    }
    guard let delta = row.delta, let expected = row.epsilon else { return .unsupported("no δ or no ε") }
    var loss = PrivacyLoss()
    loss.add(noiseMultiplier: overDistance, rate: rate, count: row.steps, adjacency: adjacency)
    let summary = PrivacyLossSummary(loss: loss)
    guard let bound = try? Accounting.bound(for: summary, delta: delta) else { return .failed("refused") }
    // Where no lower bound is published, ours must not lie below what an attack proves.
    let least = (row.lowerBound ?? bound.lowerEpsilon) - row.absolute
    let most = expected * (1 + row.relative) + row.absolute
    if bound.epsilon < least { return .failed("ε = \(bound.epsilon) below \(least): soundness") }
    if bound.lowerEpsilon > most { return .failed("lower ε = \(bound.lowerEpsilon) above \(most)") }
    if bound.epsilon <= most {
      if row.lowerBound == nil, !isRenyi, bound.epsilon < expected * (1 - row.relative) - row.absolute {
        print(
          "row \(row.id): ε = \(bound.epsilon) (attack \(bound.lowerEpsilon)) is tighter than the grid's \(expected)"
        )
      }
      return .passed
    }
    // A Rényi bound is sound but wider than a privacy loss distribution: such rows need the tighter accountant.
    if !isRenyi, !summary.isFullParticipation {
      return .unsupported("needs a privacy loss distribution to be as tight")
    }
    return .failed("ε = \(bound.epsilon) above \(most)")
  }
}
