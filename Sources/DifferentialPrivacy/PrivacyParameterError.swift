/// A parameter that no private release can be built from: what was found, what was expected, what to do.
///
/// Thrown once, by the initialiser that validates. It never holds private data: only parameters of plans.
public struct PrivacyParameterError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
