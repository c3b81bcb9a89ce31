public import PeerIdentity

/// One setting of a service: its name, what it may be, and what it is when nobody says.
///
/// The name is kebab-case, `lease-time`. The same setting is the flag `--lease-time`, the environment variable
/// `TACIT_LEASE_TIME` and the key `lease-time` of the configuration file.
public struct Setting<Value: Sendable>: Sendable {
  public let name: String
  public let help: String
  /// What a good value looks like, for sentences: "a duration such as 30s from 1s to 1h".
  public let expected: String
  public let presence: SettingPresence
  /// `nil` when the text is no value, or out of range.
  let parse: @Sendable (String) -> Value?
  /// The value in its one spelling.
  let show: @Sendable (Value) -> String

  /// - Precondition: the name is kebab-case, and a default is a value.
  public init(
    _ name: String, _ presence: SettingPresence, expected: String, help: String,
    parse: @escaping @Sendable (String) -> Value?, show: @escaping @Sendable (Value) -> String
  ) {
    precondition(SettingName.isValid(name), "the setting \(name) is not named in kebab-case")
    if case .default(let text) = presence {
      precondition(parse(text) != nil, "the default \(text) of \(name) is not \(expected)")
    }
    self.name = name
    self.help = help
    self.expected = expected
    self.presence = presence
    self.parse = parse
    self.show = show
  }
}

/// Whether somebody must set a setting.
public enum SettingPresence: Sendable, Equatable {
  /// Used when nobody sets it, read like any other text.
  case `default`(String)
  /// Reading fails when nobody sets it.
  case required
  /// May be unset.
  case optional
}

extension Setting where Value == String {
  /// Any text of 1 to 4096 characters without control characters.
  public static func text(_ name: String, _ presence: SettingPresence, help: String) -> Setting {
    Setting(
      name, presence, expected: "text of 1 to 4096 characters", help: help,
      parse: { text in
        (1...4096).contains(text.unicodeScalars.count) && !text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
          ? text : nil
      }, show: { $0 })
  }

  /// A file or folder.
  public static func path(_ name: String, _ presence: SettingPresence, help: String) -> Setting {
    Setting(
      name, presence, expected: "a path", help: help,
      parse: { $0.isEmpty || $0.utf8.contains { $0 < 0x20 } || $0.utf8.count > 4096 ? nil : $0 }, show: { $0 })
  }
}

extension Setting where Value == Bool {
  /// `true` or `false`.
  public static func switched(_ name: String, _ presence: SettingPresence, help: String) -> Setting {
    Setting(
      name, presence, expected: "true or false", help: help, parse: { ["true": true, "false": false][$0] },
      show: { $0 ? "true" : "false" })
  }
}

extension Setting where Value == Int {
  public static func integer(_ name: String, _ presence: SettingPresence, in range: ClosedRange<Int>, help: String) -> Setting {
    Setting(
      name, presence, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)", help: help,
      parse: { text in
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard let number = WholeNumber.parse(digits) else { return nil }
        let value = text.hasPrefix("-") ? -number : number
        return range.contains(value) ? value : nil
      }, show: { String($0) })
  }

  /// Bytes.
  public static func size(_ name: String, _ presence: SettingPresence, in range: ClosedRange<Int>, help: String) -> Setting {
    Setting(
      name, presence,
      expected: "a size such as 64MiB from \(SizeText.text(range.lowerBound)) to \(SizeText.text(range.upperBound))", help: help,
      parse: { text in SizeText.parse(text).flatMap { range.contains($0) ? $0 : nil } }, show: { SizeText.text($0) })
  }
}

extension Setting where Value == Double {
  public static func number(_ name: String, _ presence: SettingPresence, in range: ClosedRange<Double>, help: String) -> Setting {
    Setting(
      name, presence, expected: "a number from \(range.lowerBound) to \(range.upperBound)", help: help,
      parse: { text in
        guard text.utf8.allSatisfy({ (48...57).contains($0) || ".-+eE".utf8.contains($0) }) else { return nil }
        return Double(text).flatMap { range.contains($0) ? $0 : nil }
      }, show: { String($0) })
  }
}

extension Setting where Value == Duration {
  public static func duration(
    _ name: String, _ presence: SettingPresence, in range: ClosedRange<Duration>, help: String
  ) -> Setting {
    Setting(
      name, presence,
      expected:
        "a duration such as 30s, 5m, 24h or 7d from \(DurationText.text(range.lowerBound)) to \(DurationText.text(range.upperBound))",
      help: help, parse: { text in DurationText.parse(text).flatMap { range.contains($0) ? $0 : nil } },
      show: { DurationText.text($0) })
  }
}

extension Setting where Value == HostPort {
  public static func address(_ name: String, _ presence: SettingPresence, help: String) -> Setting {
    Setting(
      name, presence, expected: "an address such as 127.0.0.1:7443, [::1]:7443 or coordinator.example.org:7443", help: help,
      parse: { try? HostPort(parsing: $0) }, show: { $0.description })
  }
}

extension Setting where Value == [String] {
  /// Words without commas and spaces; a YAML sequence in a file, commas between them elsewhere.
  public static func words(_ name: String, _ presence: SettingPresence, help: String) -> Setting {
    Setting(
      name, presence, expected: "words with commas between them", help: help,
      parse: { text in
        let words = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        return words.allSatisfy { !$0.isEmpty && !$0.utf8.contains { $0 <= 0x20 || $0 == 0x7F } } ? words : nil
      }, show: { $0.joined(separator: ",") })
  }
}

extension Setting where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
  /// One of a closed list.
  public static func choice(_ name: String, _ presence: SettingPresence, help: String) -> Setting {
    Setting(
      name, presence, expected: "one of " + Value.allCases.map(\.rawValue).joined(separator: ", "), help: help,
      parse: { Value(rawValue: $0) }, show: { $0.rawValue })
  }
}

/// A setting of any value, for lists of settings.
public protocol SettingDeclaration: Sendable {
  var name: String { get }
  var help: String { get }
  var expected: String { get }
  var presence: SettingPresence { get }
  /// The value and its one spelling; `nil` when the text is not what is expected.
  func read(_ text: String) -> (value: any Sendable, text: String)?
}

extension Setting: SettingDeclaration {
  public func read(_ text: String) -> (value: any Sendable, text: String)? { parse(text).map { ($0, show($0)) } }
}

enum SettingName {
  static func isValid(_ name: String) -> Bool {
    name.split(separator: "-", omittingEmptySubsequences: false).allSatisfy { word in
      !word.isEmpty && word.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) }
    } && (1...60).contains(name.utf8.count)
  }

  /// `lease-time` → `TACIT_LEASE_TIME`.
  static func variable(of name: String) -> String {
    SettingsSchema.variablePrefix + name.uppercased().replacing("-", with: "_")
  }
}
