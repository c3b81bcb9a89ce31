/// Why bytes are no message of this protocol: which message, which field, what was found and expected.
public struct WireError: Error, Equatable, CustomStringConvertible {
  public let message: String
  public let field: String
  public let reason: String

  public init(message: String, field: String, reason: String) {
    self.message = message
    self.field = field
    self.reason = reason
  }

  public var description: String { "\(message).\(field): \(reason)" }
}
