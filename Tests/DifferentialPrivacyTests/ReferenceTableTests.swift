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
    let targetEpsilon: Double?
    /// Gaussian releases of a heterogeneous row; `nil` when it holds others.
    let terms: [(z: Double, rate: Double, count: Int)]?

    var isRenyi: Bool { accountant == "rdp" || accountant == "rdp_default_orders" }
    var rate: Double? { sampling == "none" ? 1 : sampling == "poisson" ? q : nil }

    init(_ object: [String: Any]) {
      func number(_ key: String) -> Double? { (object[key] as? NSNumber)?.doubleValue }
      let tolerance = object["tolerance_suggested"] as? [String: Any] ?? [:]
      id = object["id"] as? String ?? "?"
      mechanism = object["mechanism"] as? String ?? "?"
      sampling = object["sampling"] as? String ?? "?"
      accountant = object["accountant"] as? String ?? "?"
      targetEpsilon = number("target_epsilon")
      terms = (object["event"] as? String).flatMap(Self.parse)
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

    /// Reads the printed form of a flat composition of (sampled) Gaussian events.
    static func parse(_ text: String) -> [(z: Double, rate: Double, count: Int)]? {
      var rest = Substring(text)
      var terms: [(z: Double, rate: Double, count: Int)] = []
      func take(_ token: String) -> Bool {
        guard rest.hasPrefix(token) else { return false }
        rest = rest.dropFirst(token.count)
        return true
      }
      func number() -> Double? {
        let digits = rest.prefix { "0123456789.e-".contains($0) }
        rest = rest.dropFirst(digits.count)
        return Double(digits)
      }
      guard take("ComposedDpEvent(events=[") else { return nil }
      while true {
        let isRepeated = take("SelfComposedDpEvent(event=")
        var rate = 1.0
        let isSampled = take("PoissonSampledDpEvent(sampling_probability=")
        if isSampled {
          guard let value = number(), take(", event=") else { return nil }
          rate = value
        }
        guard take("GaussianDpEvent(noise_multiplier="), let z = number(), take(")") else { return nil }
        if isSampled, !take(")") { return nil }
        var count = 1
        if isRepeated {
          guard take(", count="), let value = number(), take(")") else { return nil }
          count = Int(value)
        }
        terms.append((z, rate, count))
        if take("])") { return rest.isEmpty ? terms : nil }
        guard take(", ") else { return nil }
      }
    }
  }

  @Test func eventsOfHeterogeneousRowsAreRead() {
    let text =
      "ComposedDpEvent(events=[SelfComposedDpEvent(event=PoissonSampledDpEvent(sampling_probability=0.01, event=GaussianDpEvent(noise_multiplier=1.5)), count=500), GaussianDpEvent(noise_multiplier=4.0)])"
    let terms = Row.parse(text)
    #expect(
      terms?.map(\.z) == [1.5, 4] && terms?.map(\.rate) == [0.01, 1] && terms?.map(\.count) == [500, 1])
    #expect(Row.parse("ComposedDpEvent(events=[LaplaceDpEvent(noise_multiplier=2.0)])") == nil)
  }

  enum Verdict {
    case passed
    case failed(String)
    case unsupported(String)
  }

  @Test func everyRowThatThisBuildAnswersHolds() throws {
    guard let file = Files.shared("reference/dp_public.json") else { return }
    let objects = try #require(try Files.json(file)["rows"] as? [[String: Any]])
    // Rényi rows of a heterogeneous case leave the event to the other rows of that case.
    var events: [String: String] = [:]
    for object in objects {
      if let name = object["case"] as? String, let event = object["event"] as? String { events[name] = event }
    }
    let rows = objects.map { object in
      var object = object
      if let name = object["case"] as? String, let event = events[name] { object["event"] = event }
      return Row(object)
    }
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
    guard let adjacency = row.adjacency else { return .unsupported("adjacency") }
    switch row.mechanism {
    case "gaussian_rdp_curve": return judgeCurve(row, adjacency)
    case "calibrate_noise": return judgeCalibration(row, adjacency)
    case "heterogeneous":
      guard let terms = row.terms else { return .unsupported("an event that this build does not know") }
      var loss = PrivacyLoss()
      for term in terms {
        loss.add(noiseMultiplier: term.z, rate: term.rate, count: term.count, adjacency: adjacency)
      }
      return judgeEpsilon(row, PrivacyLossSummary(loss: loss))
    case "gaussian":
      guard let z = row.z else { return .unsupported("no z") }
      guard let rate = row.rate else { return .unsupported("sampler") }
      // Under replace-one the accountants of the table differ: z of PLD and exact rows is over one user's norm
      // (distance 2), z of Rényi rows over the distance (note A1 of the formulas).
      var loss = PrivacyLoss()
      loss.add(
        noiseMultiplier: adjacency == .replaceOne && !row.isRenyi ? z / 2 : z, rate: rate, count: row.steps,
        adjacency: adjacency)
      return judgeEpsilon(row, PrivacyLossSummary(loss: loss))
    default: return .unsupported("mechanism")
    }
  }

  private func judgeCurve(_ row: Row, _ adjacency: Adjacency) -> Verdict {
    guard let order = row.order, let z = row.z, let rate = row.rate else { return .unsupported("sampler") }
    var loss = PrivacyLoss()
    loss.add(noiseMultiplier: z, rate: rate, count: row.steps, adjacency: adjacency)
    let ours = RenyiAccountant(orders: [order]).curve(of: loss)[0]
    // At fractional orders the table holds a series of absolute values, not the divergence: ours must be the
    // smaller one, and the same series must give the table's value.
    let published = RenyiDivergence.publishedSeries(order: order, rate: rate, noiseMultiplier: z)
    let expected = row.epsilon ?? .infinity
    let agrees = published == expected || abs(published - expected) <= row.relative * expected + row.absolute
    let isTighter = ours <= published * (1 + 1e-9)
    let isEqual = abs(ours - expected) <= row.relative * expected + row.absolute
    return agrees && (isEqual || (order != order.rounded() && isTighter))
      ? .passed : .failed("R(\(order)) = \(ours), as published \(published), expected \(expected)")
  }

  private func judgeCalibration(_ row: Row, _ adjacency: Adjacency) -> Verdict {
    guard let expected = row.z, let target = row.targetEpsilon, let delta = row.delta, let q = row.rate,
      let budget = try? PrivacyBudget(epsilon: target, delta: delta), let rate = try? SamplingRate(q),
      let z = try? Calibration.noiseMultiplier(
        for: budget, rate: rate, count: row.steps, adjacency: adjacency, parameters: .fixedByPlan)
    else { return .failed("could not be calibrated") }
    // Ours is over the distance between neighbours, the table's over one user's norm.
    let ours = z * adjacency.distanceFactor
    return abs(ours - expected) <= row.relative * expected + row.absolute
      ? .passed : .failed("z = \(ours), expected \(expected)")
  }

  private func judgeEpsilon(_ row: Row, _ summary: PrivacyLossSummary) -> Verdict {
    guard let delta = row.delta, let expected = row.epsilon else { return .unsupported("no δ or no ε") }
    let choice: ParameterChoice = row.isRenyi ? .adaptive : .fixedByPlan
    guard let bound = try? Accounting.bound(for: summary, delta: delta, parameters: choice) else {
      return .failed("refused")
    }
    // Where no lower bound is published, ours must not lie below what an attack proves.
    let least = (row.lowerBound ?? bound.lowerEpsilon) - row.absolute
    let most = expected * (1 + row.relative) + row.absolute
    if bound.epsilon < least { return .failed("ε = \(bound.epsilon) below \(least): soundness") }
    if bound.lowerEpsilon > most { return .failed("lower ε = \(bound.lowerEpsilon) above \(most)") }
    if bound.epsilon > most { return .failed("ε = \(bound.epsilon) above \(most)") }
    if row.lowerBound == nil, !row.isRenyi, bound.epsilon < expected * (1 - row.relative) - row.absolute {
      print(
        "row \(row.id): ε = \(bound.epsilon) (attack \(bound.lowerEpsilon)), below the published \(expected)")
    }
    return .passed
  }
}
