/// Reads the printed form of dp-accounting's events, `GaussianDpEvent(noise_multiplier=1.0)` and what can be nested around it.
///
/// An event that is not known is refused by name, before anything is composed.
public struct EventText {
  private enum Value {
    case number(Double)
    case list([Value])
    case call(String, [String: Value])
  }

  /// - Parameter multiplierIsOverDistance: whether a Gaussian's noise multiplier is over the distance of replace-one instead of over one
  ///   user's norm, as in Rényi rows of fixed-size cohorts.
  /// - Throws: `PrivacyParameterError` for text that is no event, or an event that is not covered.
  public static func event(_ text: String) throws(PrivacyParameterError) -> MechanismEvent {
    var reader = EventText(text)
    let value = try reader.value()
    reader.skipSpaces()
    guard reader.rest.isEmpty else {
      throw PrivacyParameterError("'\(reader.rest.prefix(20))' after the end of an event; expected nothing")
    }
    return try event(value)
  }

  /// Every event that is understood.
  private static let names = [
    "NoOpDpEvent", "GaussianDpEvent", "LaplaceDpEvent", "DiscreteLaplaceDpEvent", "RandomizedResponseDpEvent", "ZCDpEvent",
    "SelfComposedDpEvent", "ComposedDpEvent", "PoissonSampledDpEvent", "SampledWithoutReplacementDpEvent",
    "TruncatedSubsampledGaussianDpEvent", "SingleEpochTreeAggregationDpEvent", "RepeatAndSelectDpEvent",
  ]

  private var rest: Substring

  private init(_ text: String) { rest = Substring(text) }

  private mutating func skipSpaces() { rest = rest.drop { $0 == " " || $0 == "\n" || $0 == "\t" } }

  private mutating func take(_ character: Character) -> Bool {
    skipSpaces()
    guard rest.first == character else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func word() -> String {
    skipSpaces()
    let word = rest.prefix { $0.isLetter || $0.isNumber || "_.+-".contains($0) }
    rest = rest.dropFirst(word.count)
    return String(word)
  }

  private mutating func value() throws(PrivacyParameterError) -> Value {
    if take("[") || take("(") {
      var list: [Value] = []
      while !take("]"), !take(")") {
        list.append(try value())
        _ = take(",")
      }
      return .list(list)
    }
    let name = word()
    if let number = Double(name) { return .number(number) }
    guard take("(") else {
      throw PrivacyParameterError("'\(name)\(rest.prefix(12))' in an event; expected a number, a list or an event with arguments")
    }
    var arguments: [String: Value] = [:]
    while !take(")") {
      let key = word()
      guard take("=") else {
        throw PrivacyParameterError("an argument '\(key)' of \(name) without a value; expected name=value")
      }
      arguments[key] = try value()
      _ = take(",")
      skipSpaces()
      guard !rest.isEmpty else { throw PrivacyParameterError("\(name) is not closed; expected a closing parenthesis") }
    }
    return .call(name, arguments)
  }

  private static func event(_ value: Value) throws(PrivacyParameterError) -> MechanismEvent {
    guard case .call(let name, let arguments) = value else {
      throw PrivacyParameterError("a number or a list where an event was expected")
    }
    func number(_ key: String) throws(PrivacyParameterError) -> Double {
      guard case .number(let number)? = arguments[key] else {
        throw PrivacyParameterError("\(name) without \(key); expected a number")
      }
      return number
    }
    func integer(_ key: String) throws(PrivacyParameterError) -> Int {
      let value = try number(key)
      guard let integer = Int(exactly: value) else {
        throw PrivacyParameterError("\(key) of \(name) is \(value); expected a whole number")
      }
      return integer
    }
    func inner(_ key: String = "event") throws(PrivacyParameterError) -> MechanismEvent {
      guard let inner = arguments[key] else { throw PrivacyParameterError("\(name) without \(key); expected an event") }
      return try event(inner)
    }
    switch name {
    case "NoOpDpEvent": return .composed([])
    case "GaussianDpEvent": return .release(.gaussian(noiseMultiplier: try number("noise_multiplier")), sampling: .everyone)
    case "LaplaceDpEvent": return .release(.laplace(scale: try number("noise_multiplier")), sampling: .everyone)
    case "DiscreteLaplaceDpEvent":
      return .release(
        .discreteLaplace(decay: try number("noise_parameter"), sensitivity: try integer("sensitivity")), sampling: .everyone)
    case "RandomizedResponseDpEvent":
      return .release(
        .randomizedResponse(noise: try number("noise_parameter"), buckets: try integer("num_buckets")), sampling: .everyone)
    case "ZCDpEvent":
      return .release(
        .concentrated(rho: try number("rho"), xi: arguments["xi"] == nil ? 0 : try number("xi")), sampling: .everyone)
    case "SelfComposedDpEvent": return .repeated(try inner(), count: try integer("count"))
    case "ComposedDpEvent":
      guard case .list(let list)? = arguments["events"] else {
        throw PrivacyParameterError("ComposedDpEvent without events; expected a list")
      }
      var events: [MechanismEvent] = []
      for value in list { events.append(try event(value)) }
      return .composed(events)
    case "PoissonSampledDpEvent":
      return try sampled(try inner(), by: .poisson(rate: try number("sampling_probability")), name)
    case "SampledWithoutReplacementDpEvent":
      let fraction = try number("sample_size") / number("source_dataset_size")
      return try sampled(try inner(), by: .fixedSize(fraction: fraction), name)
    case "TruncatedSubsampledGaussianDpEvent":
      return .release(
        .gaussian(noiseMultiplier: try number("noise_multiplier")),
        sampling: .truncatedPoisson(
          rate: try number("sampling_probability"), users: try integer("dataset_size"),
          cap: try integer("truncated_batch_size")))
    case "SingleEpochTreeAggregationDpEvent":
      var steps: [Int] = []
      if case .list(let list)? = arguments["step_counts"] {
        for case .number(let value) in list { steps.append(Int(exactly: value) ?? 0) }
      } else {
        steps = [try integer("step_counts")]
      }
      let tree = try TreeAggregation(stepsPerTree: steps.max() ?? 0, trees: 1)
      return .release(.tree(noiseMultiplier: try number("noise_multiplier"), tree), sampling: .everyone)
    case "RepeatAndSelectDpEvent":
      let shape = try number("shape")
      let law = try RepetitionLaw(
        shape: shape == .infinity ? .poisson : .truncatedNegativeBinomial(shape), mean: number("mean"))
      return .best(of: try inner(), law: law)
    default:
      throw PrivacyParameterError(
        "the event \(name) is not covered and nothing was composed; expected one of \(names.joined(separator: ", "))")
    }
  }

  /// Sampling around one release, or around Gaussian releases of one sample, which are one Gaussian release together.
  private static func sampled(_ event: MechanismEvent, by sampling: CohortSampling, _ name: String)
    throws(PrivacyParameterError) -> MechanismEvent
  {
    if case .release(let mechanism, .everyone) = event { return .release(mechanism, sampling: sampling) }
    if let information = gaussianInformation(event), information > 0 {
      return .release(.gaussian(noiseMultiplier: 1 / information.squareRoot()), sampling: sampling)
    }
    throw PrivacyParameterError("\(name) around something else than one release or Gaussian releases is not covered")
  }

  /// Σ 1/z² of unsampled Gaussian releases.
  private static func gaussianInformation(_ event: MechanismEvent) -> Double? {
    switch event {
    case .release(.gaussian(let z), .everyone): return 1 / (z * z)
    case .release, .best: return nil
    case .repeated(let event, let count): return gaussianInformation(event).map { $0 * Double(count) }
    case .composed(let events):
      var sum = 0.0
      for event in events {
        guard let part = gaussianInformation(event) else { return nil }
        sum += part
      }
      return sum
    }
  }
}
