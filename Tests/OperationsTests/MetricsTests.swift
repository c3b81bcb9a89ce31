import Foundation
import Operations
import Testing

@Suite struct MetricsTests {
  let registry = MetricsRegistry()

  @Test func `counters, gauges and labels are written as the format says`() {
    let refusals = registry.counter(
      "tacit_refusals_total", help: "Refused requests.", labels: [MetricLabel("reason", ["revoked", "tooLarge"])])
    refusals.increment("revoked")
    refusals.add(2.5, "revoked")
    registry.gauge("tacit_open_streams", help: "Now open.").set(-3)
    #expect(
      registry.text() == """
        # HELP tacit_open_streams Now open.
        # TYPE tacit_open_streams gauge
        tacit_open_streams -3
        # HELP tacit_refusals_total Refused requests.
        # TYPE tacit_refusals_total counter
        tacit_refusals_total{reason="revoked"} 3.5
        tacit_refusals_total{reason="tooLarge"} 0
        tacit_refusals_total{reason="other"} 0

        """)
  }

  @Test func `a histogram counts what lies at or below each bound`() {
    let histogram = registry.histogram(
      "tacit_rpc_seconds", help: "How long.", bounds: [0.1, 1], labels: [MetricLabel("rpc", ["poll"])])
    for value in [0.05, 0.1, 0.10001, 1, 50, .nan] { histogram.observe(value, "poll") }
    histogram.observe(.milliseconds(50), "poll")
    let lines = registry.text().split(separator: "\n").filter { $0.contains("poll") }
    #expect(
      lines == [
        #"tacit_rpc_seconds_bucket{rpc="poll",le="0.1"} 3"#, #"tacit_rpc_seconds_bucket{rpc="poll",le="1"} 5"#,
        #"tacit_rpc_seconds_bucket{rpc="poll",le="+Inf"} 6"#, #"tacit_rpc_seconds_sum{rpc="poll"} 51.30001"#,
        #"tacit_rpc_seconds_count{rpc="poll"} 6"#,
      ])
  }

  @Test func `a value that nobody foresaw counts as other, so that peers make no series`() throws {
    let counter = registry.counter(
      "x_total", help: "x", labels: [MetricLabel("a", ["1", "2"]), MetricLabel("b", ["1", "other"])])
    let before = registry.text().split(separator: "\n").count
    for index in 0..<1000 { counter.increment("evil\n\(index)\"", "2") }
    counter.increment("2", "1")
    let text = registry.text()
    #expect(text.split(separator: "\n").count == before && before == 2 + 3 * 2)
    #expect(text.contains(#"x_total{a="other",b="other"} 1000"#) && text.contains(#"x_total{a="2",b="1"} 1"#))
  }

  @Test func `texts are escaped, and a reader of the format gets them back`() throws {
    let hostile = "a\\b\"c\nd{}=,"
    registry.counter("y_total", help: "line\nfeed \\ and \"quote\"", labels: [MetricLabel("l", [hostile])]).add(1e20, hostile)
    registry.gauge("z", help: "").set(.infinity)
    registry.observed("w", help: "w") { -.infinity }
    registry.observed("v", help: "v") { .nan }
    registry.observed("absent", help: "none") { nil }
    let text = registry.text()
    #expect(text.contains(#"# HELP y_total line\nfeed \\ and "quote""#))
    let samples = try PrometheusReader.samples(in: text)
    #expect(samples["y_total"]?.first?.labels == ["l": hostile] && samples["y_total"]?.first?.value == 1e20)
    #expect(samples["z"]?.first?.value == .infinity && samples["w"]?.first?.value == -.infinity)
    #expect(samples["v"]?.first?.value.isNaN == true && samples["absent"] == nil)
  }

  @Test func `the process tells its own figures`() throws {
    ProcessMetrics.register(in: registry)
    var work = 0.0
    for index in 0..<5_000_000 { work += Double(index).squareRoot() }
    let samples = try PrometheusReader.samples(in: registry.text()).compactMapValues(\.first?.value)
    #expect(work > 0)
    #expect(try #require(samples["process_cpu_seconds_total"]) > 0)
    #expect(try #require(samples["process_resident_memory_bytes"]) > 1e6)
    #expect(try #require(samples["process_virtual_memory_bytes"]) >= #require(samples["process_resident_memory_bytes"]))
    #expect(try #require(samples["process_open_fds"]) >= 3)
    #expect(try #require(samples["process_max_fds"]) >= #require(samples["process_open_fds"]))
    let start = try #require(samples["process_start_time_seconds"])
    #expect(start < Date().timeIntervalSince1970 + 60 && start > Date().timeIntervalSince1970 - 86_400)
  }

  @Test func `an open descriptor is seen, and a closed one is not`() throws {
    ProcessMetrics.register(in: registry)
    // Other tests open files too: a hundred stand out.
    func count() throws -> Double {
      try #require(PrometheusReader.samples(in: registry.text())["process_open_fds"]?.first?.value)
    }
    let before = try count()
    let files = (0..<100).map { _ in open("/dev/null", O_RDONLY) }
    #expect(try count() > before + 50)
    for file in files { close(file) }
  }

  @Test func `counts from many threads are whole`() async {
    let counter = registry.counter("n_total", help: "n", labels: [MetricLabel("l", ["x"])])
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 { group.addTask { for _ in 0..<1000 { counter.increment("x") } } }
    }
    #expect(registry.text().contains(#"n_total{l="x"} 8000"#))
  }
}

/// A reader of Prometheus' text format 0.0.4, written from its description and not from our writer: every line must be a
/// comment or a sample, every sample must follow the TYPE of its metric, no series may stand twice.
enum PrometheusReader {
  struct Malformed: Error { let line: String }

  static func samples(in text: String) throws -> [String: [(labels: [String: String], value: Double)]] {
    guard text.isEmpty || text.hasSuffix("\n") else { throw Malformed(line: "no line feed at the end") }
    var result: [String: [(labels: [String: String], value: Double)]] = [:]
    var types: [String: String] = [:]
    var seen: Set<String> = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: true).map(String.init) {
      if line.hasPrefix("# HELP ") { continue }
      if line.hasPrefix("# TYPE ") {
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 4, types.updateValue(words[3], forKey: words[2]) == nil else { throw Malformed(line: line) }
        continue
      }
      guard let match = line.wholeMatch(of: /([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)/) else {
        throw Malformed(line: line)
      }
      let name = String(match.output.1)
      let family =
        ["_bucket", "_sum", "_count"].compactMap { suffix in
          name.hasSuffix(suffix) && types[String(name.dropLast(suffix.count))] == "histogram"
            ? String(name.dropLast(suffix.count)) : nil
        }.first ?? name
      guard types[family] != nil, seen.insert(String(line.prefix(line.count - match.output.3.count))).inserted else {
        throw Malformed(line: line)
      }
      let labels = try labels(match.output.2.map(String.init) ?? "", line: line)
      let numbers: [String: Double] = ["+Inf": .infinity, "-Inf": -.infinity, "NaN": .nan]
      guard let value = numbers[String(match.output.3)] ?? Double(match.output.3) else { throw Malformed(line: line) }
      result[name, default: []].append((labels, value))
    }
    return result
  }

  private static func labels(_ text: String, line: String) throws -> [String: String] {
    var labels: [String: String] = [:]
    var rest = text[...]
    while !rest.isEmpty {
      guard let head = rest.prefixMatch(of: /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)",?/) else {
        throw Malformed(line: line)
      }
      var value = ""
      var escaped = false
      for character in head.output.2 {
        if escaped { value.append(character == "n" ? "\n" : character) } else if character != "\\" { value.append(character) }
        escaped = !escaped && character == "\\"
      }
      guard labels.updateValue(value, forKey: String(head.output.1)) == nil else { throw Malformed(line: line) }
      rest = rest[head.range.upperBound...]
    }
    return labels
  }
}
