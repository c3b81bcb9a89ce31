public import Logging

/// Logging with closed names and fixed sentences: a message is a literal, so that nothing can be pasted into it, and
/// everything that varies is a `LogField`.
extension Logger {
  public func write(_ level: Logger.Level, _ message: StaticString, _ fields: [LogField: LogValue] = [:]) {
    guard level >= logLevel else { return }
    log(level: level, Logger.Message(stringLiteral: "\(message)"), metadata: Self.metadata(fields))
  }

  public func debug(_ message: StaticString, _ fields: [LogField: LogValue]) { write(.debug, message, fields) }
  public func info(_ message: StaticString, _ fields: [LogField: LogValue]) { write(.info, message, fields) }
  public func notice(_ message: StaticString, _ fields: [LogField: LogValue]) { write(.notice, message, fields) }
  public func warning(_ message: StaticString, _ fields: [LogField: LogValue]) { write(.warning, message, fields) }
  public func error(_ message: StaticString, _ fields: [LogField: LogValue]) { write(.error, message, fields) }

  /// The same logger, with fields on each of its lines.
  public func with(_ fields: [LogField: LogValue]) -> Logger {
    var logger = self
    for (name, value) in Self.metadata(fields) { logger[metadataKey: name] = value }
    return logger
  }

  private static func metadata(_ fields: [LogField: LogValue]) -> Logger.Metadata {
    Dictionary(
      uniqueKeysWithValues: fields.map { field, value in
        switch value {
        case .text(let text): (field.rawValue, .string(text))
        case .integer(let number): (field.rawValue, .stringConvertible(number))
        case .number(let number): (field.rawValue, .stringConvertible(number))
        case .switched(let flag): (field.rawValue, .stringConvertible(flag))
        }
      })
  }
}
