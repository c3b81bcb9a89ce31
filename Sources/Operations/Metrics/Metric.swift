internal import Synchronization

/// One metric: all its series, and how they are written.
final class Metric: Sendable {
  enum Kind: String { case counter, gauge, histogram }

  struct Series {
    var value = 0.0
    /// Not cumulative; the last is for what exceeds every bound.
    var buckets: [UInt64]
  }

  let bounds: [Double]
  private let name: String
  private let help: String
  private let kind: Kind
  private let labels: [MetricLabel]
  private let observed: (@Sendable () -> Double?)?
  private let series: Mutex<[Series]>

  init(name: String, help: String, kind: Kind, labels: [MetricLabel], bounds: [Double], observed: (@Sendable () -> Double?)?) {
    precondition(MetricName.isMetric(name), "\(name) is no name of a metric")
    precondition(Set(labels.map(\.name)).count == labels.count, "\(name) has a label twice")
    precondition(kind != .histogram || !labels.contains { $0.name == "le" }, "le is the label of a histogram's bounds")
    let count = labels.reduce(1) { $0 * $1.values.count }
    precondition(count <= MetricsRegistry.seriesCountMax, "\(name) would have \(count) series")
    self.name = name
    self.help = help
    self.kind = kind
    self.labels = labels
    self.bounds = bounds
    self.observed = observed
    series = Mutex(
      [Series](repeating: Series(buckets: [UInt64](repeating: 0, count: kind == .histogram ? bounds.count + 1 : 0)), count: count)
    )
  }

  /// The names that stand at the beginning of its lines.
  var sampleNames: [String] {
    kind == .histogram ? [name, "\(name)_bucket", "\(name)_sum", "\(name)_count"] : [name]
  }

  func change(_ values: [String], _ body: (inout Series) -> Void) {
    precondition(values.count == labels.count, "\(name) has \(labels.count) labels, found \(values.count) values")
    var index = 0
    for (label, value) in zip(labels, values) {
      index = index * label.values.count + (label.values.firstIndex(of: value) ?? label.values.count - 1)
    }
    series.withLock { body(&$0[index]) }
  }

  var text: String {
    var lines = ["# HELP \(name) \(Self.escape(help, quote: false))", "# TYPE \(name) \(kind.rawValue)"]
    if let observed {
      if let value = observed() { lines.append("\(name) \(Self.number(value))") }
    } else {
      for (index, series) in series.withLock({ $0 }).enumerated() { lines += samples(of: series, labels: labelPairs(at: index)) }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func samples(of series: Series, labels: [(String, String)]) -> [String] {
    guard kind == .histogram else { return ["\(name)\(Self.braces(labels)) \(Self.number(series.value))"] }
    var lines: [String] = []
    var count: UInt64 = 0
    for (bound, bucket) in zip(bounds + [.infinity], series.buckets) {
      count += bucket
      lines.append("\(name)_bucket\(Self.braces(labels + [("le", Self.number(bound))])) \(count)")
    }
    lines.append("\(name)_sum\(Self.braces(labels)) \(Self.number(series.value))")
    lines.append("\(name)_count\(Self.braces(labels)) \(count)")
    return lines
  }

  private func labelPairs(at index: Int) -> [(String, String)] {
    var rest = index
    var pairs: [(String, String)] = []
    for label in labels.reversed() {
      pairs.append((label.name, label.values[rest % label.values.count]))
      rest /= label.values.count
    }
    return pairs.reversed()
  }

  private static func braces(_ labels: [(String, String)]) -> String {
    labels.isEmpty ? "" : "{" + labels.map { "\($0.0)=\"\(escape($0.1, quote: true))\"" }.joined(separator: ",") + "}"
  }

  /// Backslash and line feed in help texts, and the quote too in values of labels.
  private static func escape(_ text: String, quote: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quote: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// As Go's ParseFloat reads it.
  private static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
    if value == value.rounded(), abs(value) < 1e15 { return String(Int(value)) }
    return "\(value)"
  }
}

enum MetricName {
  /// [a-zA-Z_:][a-zA-Z0-9_:]*
  static func isMetric(_ name: String) -> Bool { isName(name, extra: UInt8(ascii: ":")) }

  /// [a-zA-Z_][a-zA-Z0-9_]*; two underscores in front are Prometheus' own.
  static func isLabel(_ name: String) -> Bool { isName(name, extra: UInt8(ascii: "_")) && !name.hasPrefix("__") }

  private static func isName(_ name: String, extra: UInt8) -> Bool {
    guard let first = name.utf8.first, !isDigit(first) else { return false }
    return name.utf8.allSatisfy { byte in
      isDigit(byte) || (97...122).contains(byte | 0x20) || byte == UInt8(ascii: "_") || byte == extra
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
}
