package import Foundation
public import Logging
internal import Synchronization

/// How log lines are written.
public enum LogFormat: String, Sendable, CaseIterable {
  /// One JSON object a line.
  case json
  /// For people: time, level, message, `field=value`.
  case text
}

/// Writes one line for each event: time, level, logger, message, and those fields that `LogField` knows; what else a library
/// attaches is left out and counted in `dropped`.
///
/// Lines go out whole, one at a time. Texts are cut after 1,000 characters; whatever a terminal or a reader of lines would
/// obey is escaped, so that nobody can forge a line by naming himself with a line feed.
public struct LineLogHandler: LogHandler {
  public var logLevel: Logger.Level
  public var metadata: Logger.Metadata = [:]
  private let label: String
  private let format: LogFormat
  private let now: @Sendable () -> Date
  private let sink: @Sendable ([UInt8]) -> Void

  /// - Parameters:
  ///   - sink: receives one line with its line feed.
  package init(
    label: String, level: Logger.Level, format: LogFormat, now: @escaping @Sendable () -> Date,
    sink: @escaping @Sendable ([UInt8]) -> Void
  ) {
    self.label = label
    self.format = format
    self.now = now
    self.sink = sink
    logLevel = level
  }

  /// A logger on standard error.
  public static func logger(label: String, level: Logger.Level, format: LogFormat) -> Logger {
    Logger(label: label) { standardError(label: $0, level: level, format: format) }
  }

  /// Makes every logger of the process, also those that libraries make for themselves, one on standard error. Once a process.
  public static func bootstrap(level: Logger.Level, format: LogFormat) {
    LoggingSystem.bootstrap { standardError(label: $0, level: level, format: format) }
  }

  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  public func log(event: LogEvent) {
    var values = metadata
    if let error = event.error { values[LogField.error.rawValue] = .string("\(error)") }
    for (name, value) in event.metadata ?? [:] { values[name] = value }
    var fields: [(name: String, value: LogValue)] = []
    var dropped = 0
    for (name, value) in values.sorted(by: { $0.key < $1.key }) {
      guard LogField(rawValue: name) != nil else {
        dropped += 1
        continue
      }
      fields.append((name, Self.value(value)))
    }
    if dropped > 0 { fields.append((LogField.dropped.rawValue, .integer(dropped))) }
    let time = now().formatted(.iso8601.year().month().day().timeZone(separator: .omitted).time(includingFractionalSeconds: true))
    sink(Array((format == .json ? json(time, event, fields) : text(time, event, fields)).utf8))
  }

  private func json(_ time: String, _ event: LogEvent, _ fields: [(name: String, value: LogValue)]) -> String {
    var members = [
      ("time", Escaping.json(time)), ("level", Escaping.json(event.level.rawValue)), ("logger", Escaping.json(label)),
      ("message", Escaping.json(event.message.description)),
    ]
    members += fields.map { ($0.name, Self.json($0.value)) }
    return "{" + members.map { "\(Escaping.json($0.0)):\($0.1)" }.joined(separator: ",") + "}\n"
  }

  private func text(_ time: String, _ event: LogEvent, _ fields: [(name: String, value: LogValue)]) -> String {
    let level = event.level.rawValue.uppercased()
    let words = fields.map { field -> String in
      guard case .text(let text) = field.value else { return " \(field.name)=\(Self.json(field.value))" }
      return " \(field.name)=\(Escaping.isPlainWord(text) ? text : Escaping.json(text))"
    }
    let message = Escaping.json(event.message.description).dropFirst().dropLast()
    return "\(time) \(level)\(String(repeating: " ", count: max(0, 8 - level.count))) \(message)\(words.joined())\n"
  }

  private static func json(_ value: LogValue) -> String {
    switch value {
    case .integer(let number): String(number)
    case .number(let number): number.isFinite ? "\(number)" : Escaping.json("\(number)")
    case .switched(let flag): flag ? "true" : "false"
    case .text(let text): Escaping.json(text)
    }
  }

  private static func value(_ value: Logger.Metadata.Value) -> LogValue {
    if case .stringConvertible(let content) = value {
      if let number = content as? Int { return .integer(number) }
      if let number = content as? Double { return .number(number) }
      if let flag = content as? Bool { return .switched(flag) }
    }
    return .text("\(value)")
  }

  private static func standardError(label: String, level: Logger.Level, format: LogFormat) -> LineLogHandler {
    LineLogHandler(label: label, level: level, format: format, now: { Date() }, sink: { StandardError.write($0) })
  }
}

/// Whole lines, one at a time; when nobody reads them any more, they are lost and the work goes on.
private enum StandardError {
  private static let turn = Mutex(())

  static func write(_ line: [UInt8]) {
    turn.withLock { _ in
      var position = 0
      while position < line.count {
        let result = line.withUnsafeBytes {
          Glibc.write(STDERR_FILENO, $0.baseAddress.map { $0 + position }, line.count - position)
        }
        if result < 0, errno == EINTR { continue }
        guard result > 0 else { return }
        position += result
      }
    }
  }
}

private enum Escaping {
  private static let countMax = 1000

  /// A JSON string (RFC 8259 §7) with quotes; other control characters and line separators are escaped too.
  static func json(_ text: String) -> String {
    var result = "\""
    for (position, scalar) in text.unicodeScalars.enumerated() {
      if position == countMax {
        result += "…"
        break
      }
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      default:
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF:
          result +=
            "\\u" + String(repeating: "0", count: 4 - String(scalar.value, radix: 16).count)
            + String(scalar.value, radix: 16)
        default: result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }

  static func isPlainWord(_ text: String) -> Bool {
    (1...countMax).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "\\")
      }
  }
}
