/// The settings that one program knows.
public struct SettingsSchema: Sendable {
  /// Every environment variable that begins so must be one of the schema's, or one that a sister program knows.
  public static let variablePrefix = "TACIT_"
  /// Names the configuration file when no flag does.
  public static let fileVariable = "TACIT_CONFIG"

  public let program: String
  public let settings: [any SettingDeclaration]
  let otherVariables: Set<String>
  let isFileOnly: Bool
  /// The command that lists every setting, for sentences.
  let lister: String
  /// Names that people look for here and that belong elsewhere, with where.
  let elsewhere: [String: String]

  /// - Parameters:
  ///   - otherVariables: further variables with the prefix that are no settings, besides `SisterVariables`.
  ///   - isFileOnly: nothing but a file sets them: sentences name neither flags nor variables.
  ///   - lister: the command that lists every setting.
  ///   - elsewhere: names that belong to another place, with a word about it.
  /// - Precondition: names differ.
  public init(
    program: String, _ settings: [any SettingDeclaration], otherVariables: Set<String> = [], isFileOnly: Bool = false,
    lister: String = "check-config", elsewhere: [String: String] = [:]
  ) {
    precondition(Set(settings.map(\.name)).count == settings.count, "two settings of \(program) have one name")
    self.program = program
    self.isFileOnly = isFileOnly
    self.lister = lister
    self.elsewhere = elsewhere
    self.settings = settings
    self.otherVariables = otherVariables.union(SisterVariables.names)
  }

  /// A configuration file in which every setting stands with its explanation; defaults are commented out.
  public var sampleFile: String {
    var lines = [
      "# Settings of \(program)."
        + (isFileOnly ? "" : " Flags (--NAME) and variables (TACIT_NAME) take precedence over this file.")
    ]
    for setting in settings {
      lines += ["", "# \(setting.help)", "# Expected: \(setting.expected)."]
      switch setting.presence {
      case .default(let text): lines.append("#\(setting.name): \(text)")
      case .optional: lines.append("#\(setting.name):")
      case .required: lines.append("#\(setting.name):  (must be set)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// A line of a file as this program reads it, for sentences: `drain: 15s`.
  var exampleLine: String {
    for setting in settings { if case .default(let text) = setting.presence { return "\(setting.name): \(text)" } }
    return "\(settings.first?.name ?? "name"): value"
  }

  func setting(named name: String) -> (any SettingDeclaration)? { settings.first { $0.name == name } }
}

/// Where the value of a setting came from.
public enum SettingSource: Sendable, Equatable, CustomStringConvertible {
  case flag(String)
  case environment(String)
  case file(path: String, line: Int)
  case builtIn
  case unset

  public var description: String {
    switch self {
    case .flag(let name): "flag --\(name)"
    case .environment(let name): "environment variable \(name)"
    case .file(let path, let line): "\(path), line \(line)"
    case .builtIn: "default"
    case .unset: "not set"
    }
  }
}

/// Everything that is wrong with a configuration, one sentence each: the source, the key, what was found, what was expected.
public struct SettingsError: Error, Equatable, CustomStringConvertible {
  public let problems: [String]
  public var description: String { problems.joined(separator: "\n") }

  /// For checks of a program's own, across several settings.
  public init(problems: [String]) {
    precondition(!problems.isEmpty, "a settings error says what is wrong")
    self.problems = problems
  }
}
