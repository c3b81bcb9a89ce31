internal import CommandSupport

/// The values of a program's settings, from flags, environment, file and defaults, in this order of precedence.
///
/// Reading is strict: a key that the program does not know, in the file, among the flags or among the variables that begin
/// with `TACIT_`, is refused with the nearest name that it knows (variables of sister programs are left alone); a bad value is refused even where a better source
/// overrides it.
public struct Settings: Sendable {
  private struct Entry: Sendable {
    let value: any Sendable
    let text: String
    let source: SettingSource
  }

  private let schema: SettingsSchema
  private let entries: [String: Entry]

  /// Reads and checks all settings.
  ///
  /// - Parameters:
  ///   - flags: name of a setting to its text, for flags that were given (`lease-time`, not `--lease-time`).
  ///   - environment: all variables of the process.
  ///   - file: the file that a flag names; otherwise `TACIT_CONFIG` does, or there is none.
  /// - Throws: `SettingsError` with every problem that was found.
  public init(_ schema: SettingsSchema, flags: [String: String], environment: [String: String], file: String? = nil) throws {
    var problems: [String] = []
    var candidates: [String: [(text: String, source: SettingSource)]] = [:]
    for (name, text) in flags.sorted(by: { $0.key < $1.key }) {
      guard schema.setting(named: name) != nil else {
        problems.append(Self.unknown("--\(name)", name, in: schema, source: "the command line"))
        continue
      }
      candidates[name, default: []].append((text, .flag(name)))
    }
    for (variable, text) in environment.sorted(by: { $0.key < $1.key }) where variable.hasPrefix(SettingsSchema.variablePrefix) {
      guard let setting = schema.settings.first(where: { SettingName.variable(of: $0.name) == variable }) else {
        if !schema.otherVariables.contains(variable) { problems.append(Self.unknownVariable(variable, in: schema)) }
        continue
      }
      candidates[setting.name, default: []].append((text, .environment(variable)))
    }
    var isFileRead = true
    if let path = file ?? environment[SettingsSchema.fileVariable] {
      do throws(SettingsError) {
        for line in try SettingsFile.read(path, example: schema.exampleLine) {
          guard schema.setting(named: line.name) != nil else {
            problems.append(Self.unknown(quoted(line.name), line.name, in: schema, source: "\(path), line \(line.line)"))
            continue
          }
          candidates[line.name, default: []].append((line.text, .file(path: path, line: line.line)))
        }
      } catch {
        problems += error.problems
        isFileRead = false
      }
    }

    var entries: [String: Entry] = [:]
    for setting in schema.settings {
      for candidate in candidates[setting.name] ?? [] {
        guard let read = setting.read(candidate.text) else {
          problems.append(
            "\(candidate.source): \(setting.name) is \(quoted(candidate.text)), expected \(setting.expected)")
          continue
        }
        // Candidates stand in the order of precedence: the first one counts.
        if entries[setting.name] == nil {
          entries[setting.name] = Entry(value: read.value, text: read.text, source: candidate.source)
        }
      }
      guard entries[setting.name] == nil, candidates[setting.name] == nil else { continue }
      switch setting.presence {
      case .default(let text):
        guard let read = setting.read(text) else { preconditionFailure("the default of \(setting.name) cannot be read") }
        entries[setting.name] = Entry(value: read.value, text: read.text, source: .builtIn)
      case .required:
        // What a file that could not be read would have set is not known.
        guard isFileRead else { continue }
        let places =
          schema.isFileOnly
          ? "write \(setting.name) into the file"
          : "give --\(setting.name), \(SettingName.variable(of: setting.name)) or \(setting.name) in the configuration file"
        problems.append("\(setting.name) is not set: \(places); expected \(setting.expected)")
      case .optional: break
      }
    }
    guard problems.isEmpty else { throw SettingsError(problems: problems) }
    self.schema = schema
    self.entries = entries
  }

  /// The value of a setting that is required or has a default.
  ///
  /// - Precondition: the setting is in the schema and not optional.
  public subscript<Value>(_ setting: Setting<Value>) -> Value {
    guard let value = self[ifSet: setting] else {
      preconditionFailure("the optional setting \(setting.name) is read as if it were always set")
    }
    return value
  }

  /// The value of a setting, `nil` when it is optional and nobody set it.
  ///
  /// - Precondition: the setting is in the schema.
  public subscript<Value>(ifSet setting: Setting<Value>) -> Value? {
    precondition(schema.setting(named: setting.name) != nil, "\(setting.name) is no setting of \(schema.program)")
    guard let entry = entries[setting.name] else { return nil }
    guard let value = entry.value as? Value else {
      preconditionFailure("the setting \(setting.name) was declared with another type")
    }
    return value
  }

  /// Where the value of a setting came from.
  public func source(of setting: some SettingDeclaration) -> SettingSource { entries[setting.name]?.source ?? .unset }

  /// One line of `check-config`.
  public struct Explanation: Sendable, Equatable {
    public let name: String
    /// `nil` when it is not set.
    public let value: String?
    public let source: SettingSource
    public let expected: String
    public let help: String
  }

  /// Every setting in the order of the schema, with its value and where it came from.
  public func explain() -> [Explanation] {
    schema.settings.map { setting in
      let entry = entries[setting.name]
      return Explanation(
        name: setting.name, value: entry?.text, source: entry?.source ?? .unset, expected: setting.expected, help: setting.help)
    }
  }

  /// `explain()` as lines for a terminal: name, value, source.
  public var explanation: String {
    let lines = explain()
    let nameWidth = lines.map(\.name.count).max() ?? 0
    let valueWidth = lines.map { ($0.value ?? "-").count }.filter { $0 <= 40 }.max() ?? 0
    return lines.map { line in
      let value = line.value ?? "-"
      let padding = String(repeating: " ", count: nameWidth - line.name.count)
      return
        "\(line.name)\(padding)  \(value)\(String(repeating: " ", count: max(0, valueWidth - value.count)))  (\(line.source))"
    }.joined(separator: "\n")
  }

  /// `KEY=VALUE` words of a repeated flag (`--set log-level=debug`) as flags.
  ///
  /// - Throws: `SettingsError`.
  public static func flags(from words: [String]) throws -> [String: String] {
    var flags: [String: String] = [:]
    for word in words {
      guard let equals = word.firstIndex(of: "=") else {
        throw SettingsError(problems: ["the command line: \(quoted(word)) is not KEY=VALUE, expected for example log-level=debug"]
        )
      }
      let name = String(word[..<equals])
      guard flags.updateValue(String(word[word.index(after: equals)...]), forKey: name) == nil else {
        throw SettingsError(problems: ["the command line: \(quoted(name)) is given twice, expected once"])
      }
    }
    return flags
  }

  private static func unknown(_ shown: String, _ name: String, in schema: SettingsSchema, source: String) -> String {
    if let place = schema.elsewhere[name] { return "\(source): \(shown) is \(place)" }
    return "\(source): \(shown) is no setting of \(schema.program)"
      + hint(NearestName.match(name, among: schema.settings.map(\.name)), else: "\(schema.lister) lists all")
  }

  private static func unknownVariable(_ variable: String, in schema: SettingsSchema) -> String {
    "environment variable \(quoted(variable)) is no setting of \(schema.program)"
      + hint(
        NearestName.match(
          variable, among: schema.settings.map { SettingName.variable(of: $0.name) } + schema.otherVariables.sorted()),
        else: "\(schema.lister) lists all settings; unset it")
  }

  private static func hint(_ nearest: String?, else other: String) -> String {
    nearest.map { "; did you mean \($0)?" } ?? "; \(other)"
  }
}
