internal import ArgumentParser
internal import CommandSupport

/// One of a list of names, as it was typed; `value` says what is wrong with another one in one sentence, with the nearest name.
struct Choice<Name: CaseIterable & RawRepresentable & Sendable>: ExpressibleByArgument, Sendable where Name.RawValue == String {
  let text: String

  init(_ name: Name) { text = name.rawValue }
  init?(argument: String) { text = argument }

  static var allValueStrings: [String] { Name.allCases.map(\.rawValue) }
  var defaultValueDescription: String { text }

  func value(_ option: String) throws(CommandFailure) -> Name {
    if let name = Name(rawValue: text) { return name }
    let hint = NearestName.match(text, among: Self.allValueStrings).map { " (did you mean '\($0)'?)" } ?? ""
    throw CommandFailure(
      .usage, "--\(option) is '\(text)'\(hint); expected \(Self.allValueStrings.joined(separator: ", "))")
  }
}
