import Foundation
import Logging
import Operations
import Synchronization
import Testing

/// What was logged, line by line.
private final class Lines: Sendable {
  private let lines = Mutex<[String]>([])
  var all: [String] { lines.withLock { $0 } }

  func logger(_ format: LogFormat, level: Logger.Level = .info) -> Logger {
    Logger(label: "test") { label in
      LineLogHandler(label: label, level: level, format: format, now: { Date(timeIntervalSince1970: 1_800_000_000.25) }) { line in
        self.lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
      }
    }
  }
}

@Suite struct LogTests {
  @Test func `a JSON line has time, level, logger, message and typed fields`() throws {
    let lines = Lines()
    lines.logger(.json).notice(
      "the round is open", [.round: 3, .seconds: 0.5, .reason: "a \"quoted\" one", .retry: true, .bytes: LogValue(UInt64(7))])
    #expect(
      lines.all == [
        #"{"time":"2027-01-15T08:00:00.250Z","level":"notice","logger":"test","message":"the round is open","bytes":7,"reason":"a \"quoted\" one","retry":true,"round":3,"seconds":0.5}"#
          + "\n"
      ])
    let object = try #require(try JSONSerialization.jsonObject(with: Data(lines.all[0].utf8)) as? [String: Any])
    #expect(object["round"] as? Int == 3 && object["reason"] as? String == "a \"quoted\" one")
  }

  @Test func `a line for people has the same in words`() {
    let lines = Lines()
    lines.logger(.text).warning("the lease is held", [.holder: "a b", .round: 3, .error: "x=\"y\""])
    #expect(lines.all == ["2027-01-15T08:00:00.250Z WARNING  the lease is held error=\"x=\\\"y\\\"\" holder=\"a b\" round=3\n"])
  }

  @Test(arguments: LogFormat.allCases) func `nobody can forge a line or steer a terminal`(format: LogFormat) throws {
    let lines = Lines()
    let hostile = "x\n{\"level\":\"critical\"}\r\u{1B}[31m\u{9B}\u{2028}\u{202E}\u{0}\u{7F}" + String(repeating: "y", count: 5000)
    lines.logger(format).error("refused", [.reason: .text(hostile), .epsilon: .number(.nan)])
    let line = try #require(lines.all.first)
    #expect(lines.all.count == 1 && line.filter(\.isNewline).count == 1 && line.hasSuffix("\n"))
    #expect(
      line.unicodeScalars.dropLast().allSatisfy {
        $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) && ![0x2028, 0x202E].contains($0.value)
      })
    #expect(line.count < 1500)
    if format == .json {
      let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      #expect((object["reason"] as? String)?.hasPrefix("x\n{\"level\":\"critical\"}\r\u{1B}[31m") == true)
    }
  }

  @Test func `what is no field is left out, whoever attached it, and counted`() {
    let lines = Lines()
    var logger = lines.logger(.json)
    logger[metadataKey: "user"] = "alice"
    logger[metadataKey: "round"] = "1"
    logger.info("something", metadata: ["item": "film 7", "hb.request.id": "1", "round": "2"])
    #expect(lines.all.count == 1)
    #expect(lines.all[0].contains(#""round":"2""#) && lines.all[0].contains(#""dropped":3"#))
    #expect(!lines.all[0].contains("alice") && !lines.all[0].contains("film"))
  }

  @Test func `levels below the configured one are not written, and fields stay with their logger`() {
    let lines = Lines()
    let logger = lines.logger(.text, level: .warning)
    logger.info("nothing", [.round: 1])
    logger.with([.round: 9]).error("something", [.attempt: 2])
    #expect(lines.all.count == 1 && lines.all[0].contains("attempt=2 round=9"))
  }

  @Test func `an error that a library attaches is a field`() {
    struct Failure: Error, CustomStringConvertible { let description = "went wrong" }
    let lines = Lines()
    lines.logger(.text).error("no", error: Failure())
    #expect(lines.all[0].contains("error=\"went wrong\""))
  }
}

/// The log must not know anybody: the list of fields and every call in the services are read.
@Suite struct LogPrivacyTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  @Test func `no field is about the people whose data is trained on`() {
    let forbidden = [
      "user", "item", "rating", "interaction", "title", "email", "name", "shard", "history", "vector", "secret", "password",
      "key.", "query",
    ]
    for field in LogField.allCases {
      #expect(!forbidden.contains { field.rawValue.lowercased().contains($0) }, "\(field.rawValue)")
    }
    #expect(LogField.allCases.count < 70)
  }

  @Test func `every log call of the networked code has a fixed sentence and fields of the list`() throws {
    let known = Set(LogField.allCases.map(\.rawValue))
    var calls = 0
    for folder in [
      "Sources/Transport", "Sources/TaskDatabase", "Sources/Operations", "Sources/PeerIdentity", "Coordinator", "Client",
    ] {
      for (path, text) in try Self.swiftFiles(under: folder) {
        for call in Self.logCalls(in: text) {
          calls += 1
          #expect(!Self.message(of: call).contains("\\("), "\(path): a message with pasted values: \(call)")
          for key in Self.metadataKeys(in: call) { #expect(known.contains(key), "\(path): \(key) is no LogField: \(call)") }
        }
      }
    }
    #expect(calls > 3, "only \(calls) log calls were found")
  }

  @Test func `the reader of calls sees what it must see`() throws {
    let text = """
      logger.info("fine", [.round: 1])
      self.logger.warning("pasted \\(user)")
      log.error("keys", metadata: ["user": "\\(name)", "round": "1"])
      notALog.value("x")
      """
    let calls = Self.logCalls(in: text)
    try #require(calls.count == 3)
    #expect(calls.map { Self.message(of: $0) } == ["fine", "pasted \\(user)", "keys"])
    #expect(Self.metadataKeys(in: calls[2]) == ["user", "round"])
  }

  private static func swiftFiles(under folder: String) throws -> [(String, String)] {
    let url = root.appendingPathComponent(folder)
    let files = FileManager.default.enumerator(atPath: url.path)?.compactMap { $0 as? String } ?? []
    return try files.filter { $0.hasSuffix(".swift") && !$0.contains("Generated") }.sorted().map { name in
      (folder + "/" + name, try String(contentsOf: url.appendingPathComponent(name), encoding: .utf8))
    }
  }

  /// `logger.LEVEL(…)` to the parenthesis that closes it.
  private static func logCalls(in text: String) -> [String] {
    let pattern = /(?:^|[^A-Za-z0-9_])(?:log|logger)\.(?:trace|debug|info|notice|warning|error|critical|write|log)\(/
    return text.matches(of: pattern).map { match in
      var depth = 1
      var end = match.range.upperBound
      while depth > 0, end < text.endIndex {
        if text[end] == "(" { depth += 1 }
        if text[end] == ")" { depth -= 1 }
        end = text.index(after: end)
      }
      return String(text[match.range.lowerBound..<end])
    }
  }

  /// The first string literal of a call.
  private static func message(of call: String) -> String {
    call.firstMatch(of: /"((?:[^"\\]|\\.)*)"/).map { String($0.output.1) } ?? ""
  }

  private static func metadataKeys(in call: String) -> [String] {
    guard let metadata = call.range(of: "metadata:") else { return [] }
    return call[metadata.upperBound...].matches(of: /"([A-Za-z0-9_.-]+)":/).map { String($0.output.1) }
  }
}
