internal import DifferentialPrivacy
internal import FoundationEssentials

/// The bytes of a plan as they are hashed, signed, stored and sent.
///
/// A plan is hashed as the exact bytes of its JSON, never re-encoded: whoever receives a plan hashes what it received.
public struct PlanFile: Sendable, Equatable {
  /// UTF-8 JSON, keys sorted, as written by `init(_:)`.
  public let bytes: [UInt8]
  public let plan: TrainingPlan

  /// Encodes a plan.
  ///
  /// - Throws: `PlanError` when the plan does not hold together.
  public init(_ plan: TrainingPlan) throws(PlanError) {
    try plan.validate()
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(plan) else {
      throw PlanError("the plan holds a number that JSON cannot write (NaN or infinite)")
    }
    bytes = Array(data) + [0x0A]
    self.plan = plan
  }

  /// Decodes and validates the bytes of a plan.
  ///
  /// - Throws: `PlanError` that says what was found and expected.
  public init(bytes: [UInt8]) throws(PlanError) {
    guard !bytes.isEmpty else { throw PlanError("the plan file is empty; expected the JSON of a training plan") }
    let plan: TrainingPlan
    do {
      plan = try JSONDecoder().decode(TrainingPlan.self, from: Data(bytes))
    } catch let error as DecodingError {
      throw PlanError("the plan is no valid training plan: \(Self.explain(error))")
    } catch let error as PrivacyParameterError {
      throw PlanError("the plan is no valid training plan: \(error)")
    } catch {
      throw PlanError("the plan is not valid JSON")
    }
    try PlanShape.check(bytes, against: plan)
    try plan.validate()
    self.bytes = bytes
    self.plan = plan
  }

  /// The bytes of a plan as a program with a fault understands them: it signs and hashes what everybody signs, and does something
  /// else. For faults on demand in simulations only; nothing is validated.
  package init(_ file: PlanFile, misreadAs plan: TrainingPlan) {
    bytes = file.bytes
    self.plan = plan
  }

  private static func explain(_ error: DecodingError) -> String {
    func path(_ context: DecodingError.Context) -> String {
      let joined = context.codingPath.map(\.stringValue).joined(separator: ".")
      return joined.isEmpty ? "the top level" : "'\(joined)'"
    }
    switch error {
    case .keyNotFound(let key, let context): return "'\(key.stringValue)' is missing at \(path(context))"
    case .typeMismatch(let type, let context): return "\(path(context)) should be a \(type)"
    case .valueNotFound(let type, let context): return "\(path(context)) is empty, expected a \(type)"
    case .dataCorrupted(let context): return "\(path(context)) cannot be read"
    @unknown default: return "it cannot be read"
    }
  }
}

/// What is wrong with a plan: what was found, what was expected.
public struct PlanError: Error, Equatable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
