internal import Synchronization

/// The counters, gauges and histograms of one process, written in Prometheus' text format 0.0.4.
///
/// A label takes its values from a closed list, given when the metric is made; every other value counts as `other`. So the
/// number of series is known from the beginning, every one of them is written from the beginning, and no name that a peer
/// chose becomes a label.
public final class MetricsRegistry: Sendable {
  /// Series of one metric at most.
  public static let seriesCountMax = 2048

  private let metrics = Mutex<[String: Metric]>([:])

  public init() {}

  /// A number that only grows.
  ///
  /// - Parameters:
  ///   - name: ends in `_total`.
  ///   - labels: name and values, in the order in which `add` takes them.
  /// - Precondition: names are valid and new, and there are at most `seriesCountMax` series.
  public func counter(_ name: String, help: String, labels: [MetricLabel] = []) -> Counter {
    precondition(name.hasSuffix("_total"), "the counter \(name) must end in _total")
    return Counter(series: register(name, help: help, kind: .counter, labels: labels, bounds: []))
  }

  /// A number that goes up and down.
  public func gauge(_ name: String, help: String, labels: [MetricLabel] = []) -> Gauge {
    Gauge(series: register(name, help: help, kind: .gauge, labels: labels, bounds: []))
  }

  /// A number that is looked up whenever somebody asks; `nil` leaves it out.
  public func observed(_ name: String, help: String, isCounter: Bool = false, value: @escaping @Sendable () -> Double?) {
    precondition(isCounter == name.hasSuffix("_total"), "\(name) must end in _total if and only if it is a counter")
    _ = register(name, help: help, kind: isCounter ? .counter : .gauge, labels: [], bounds: [], value: value)
  }

  /// How many observations lie at or below each of some fixed bounds, and their sum.
  ///
  /// - Parameter bounds: rising and finite; `+Inf` is added.
  public func histogram(_ name: String, help: String, bounds: [Double], labels: [MetricLabel] = []) -> Histogram {
    precondition(
      !bounds.isEmpty && bounds.allSatisfy(\.isFinite) && zip(bounds, bounds.dropFirst()).allSatisfy(<),
      "the bounds of \(name) must be finite and rise")
    return Histogram(series: register(name, help: help, kind: .histogram, labels: labels, bounds: bounds))
  }

  /// Bounds in seconds, from a millisecond to ten minutes.
  public static let secondsBounds: [Double] = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 600]

  /// Everything, by rising name.
  public func text() -> String {
    metrics.withLock { $0 }.sorted { $0.key < $1.key }.map { $0.value.text }.joined()
  }

  /// `Content-Type` of `text()`.
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  private func register(
    _ name: String, help: String, kind: Metric.Kind, labels: [MetricLabel], bounds: [Double],
    value: (@Sendable () -> Double?)? = nil
  ) -> Metric {
    let metric = Metric(name: name, help: help, kind: kind, labels: labels, bounds: bounds, observed: value)
    metrics.withLock { metrics in
      let taken = Set(metrics.values.flatMap(\.sampleNames))
      precondition(taken.isDisjoint(with: metric.sampleNames), "there is a metric \(name) already")
      metrics[name] = metric
    }
    return metric
  }
}

/// A label and the closed list of its values; `other` is always one of them.
public struct MetricLabel: Sendable {
  public static let other = "other"
  let name: String
  let values: [String]

  /// - Precondition: a name such as `reason`; values differ.
  public init(_ name: String, _ values: [String]) {
    precondition(MetricName.isLabel(name), "\(name) is no name of a label")
    precondition(Set(values).count == values.count, "the label \(name) has a value twice")
    self.name = name
    self.values = values.filter { $0 != Self.other } + [Self.other]
  }

  public init<Value: RawRepresentable & CaseIterable>(_ name: String, of type: Value.Type) where Value.RawValue == String {
    self.init(name, Value.allCases.map(\.rawValue))
  }
}

public struct Counter: Sendable {
  let series: Metric

  /// - Parameters:
  ///   - amount: finite and not negative.
  ///   - labels: one value for each label of the metric.
  public func add(_ amount: Double, _ labels: String...) {
    precondition(amount >= 0 && amount.isFinite, "a counter cannot change by \(amount)")
    series.change(labels) { $0.value += amount }
  }

  public func increment(_ labels: String...) { series.change(labels) { $0.value += 1 } }
}

public struct Gauge: Sendable {
  let series: Metric

  public func set(_ value: Double, _ labels: String...) { series.change(labels) { $0.value = value } }

  public func add(_ amount: Double, _ labels: String...) { series.change(labels) { $0.value += amount } }
}

public struct Histogram: Sendable {
  let series: Metric

  /// - Parameter value: anything but NaN, which is not counted.
  public func observe(_ value: Double, _ labels: String...) {
    guard !value.isNaN else { return }
    let bucket = series.bounds.firstIndex { value <= $0 } ?? series.bounds.count
    series.change(labels) {
      $0.buckets[bucket] += 1
      $0.value += value
    }
  }

  /// Seconds.
  public func observe(_ duration: Duration, _ labels: String...) {
    let value = duration / .seconds(1)
    let bucket = series.bounds.firstIndex { value <= $0 } ?? series.bounds.count
    series.change(labels) {
      $0.buckets[bucket] += 1
      $0.value += value
    }
  }
}
