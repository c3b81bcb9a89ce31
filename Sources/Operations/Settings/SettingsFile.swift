internal import Foundation
internal import Yams

/// A configuration file: one flat YAML mapping of settings to scalars, or to sequences of scalars.
enum SettingsFile {
  struct Line {
    let name: String
    let text: String
    let line: Int
  }

  /// - Parameter example: a good line, for sentences.
  /// - Throws: `SettingsError`.
  static func read(_ path: String, example: String) throws(SettingsError) -> [Line] {
    guard let file = FileHandle(forReadingAtPath: path), let data = try? file.read(upToCount: byteCountMax + 1) ?? Data() else {
      throw SettingsError(problems: ["the configuration file \(path) cannot be read, expected a YAML file; check the path"])
    }
    guard data.count <= byteCountMax, let text = String(validating: data, as: UTF8.self) else {
      throw SettingsError(
        problems: ["the configuration file \(path) is no UTF-8 text of at most \(SizeText.text(byteCountMax)), expected YAML"])
    }
    let root: Node?
    do { root = try Yams.compose(yaml: text) } catch {
      throw SettingsError(
        problems: ["\(path): not read as YAML (\(oneLine("\(error)"))), expected lines such as \(example)"])
    }
    guard let root, root.scalar?.string != "" else { return [] }
    guard case .mapping(let mapping) = root else {
      throw SettingsError(problems: ["\(path), line \(line(root)): no mapping, expected lines such as \(example)"])
    }
    var lines: [Line] = []
    var problems: [String] = []
    for (key, value) in mapping {
      guard let name = key.scalar?.string else {
        problems.append("\(path), line \(line(key)): a key is no plain word, expected the name of a setting")
        continue
      }
      let text: String
      switch value {
      case .scalar(let scalar) where !scalar.string.isEmpty: text = scalar.string
      case .sequence(let items) where items.allSatisfy({ $0.scalar.map { !$0.string.contains(",") } ?? false }):
        text = items.compactMap(\.scalar?.string).joined(separator: ",")
      default:
        problems.append(
          "\(path), line \(line(key)): \(name) has no value or a nested one, expected text, a number or a list of words")
        continue
      }
      lines.append(Line(name: name, text: text, line: line(key)))
    }
    guard problems.isEmpty else { throw SettingsError(problems: problems) }
    return lines
  }

  private static let byteCountMax = 1 << 20

  private static func line(_ node: Node) -> Int { node.mark?.line ?? 1 }

  private static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty && $0 != "^" }
      .joined(separator: " ")
  }
}
