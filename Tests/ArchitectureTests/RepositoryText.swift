import Foundation

/// The repository as text: its Swift files, its picture in docs/architecture.md, and its manifest.
enum RepositoryText {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  /// Paths relative to the root of all files under `folder` with one of the extensions, sorted.
  static func files(under folder: String, extensions: Set<String>) -> [String] {
    let base = root.appendingPathComponent(folder)
    guard let paths = FileManager.default.subpaths(atPath: base.path) else { return [] }
    return paths.filter { extensions.contains(URL(fileURLWithPath: $0).pathExtension) }.sorted()
      .map { "\(folder)/\($0)" }
  }
}

/// One `import` of a Swift file.
struct ImportLine: Equatable {
  /// 1-based.
  let line: Int
  /// `public`, `package`, `internal`, `fileprivate`, `private`; `nil` when none is stated.
  let access: String?
  let module: String
  /// `@testable`, `@preconcurrency`, …
  let attributes: [String]

  /// All imports of a file: also those inside `#if`, and of single symbols; not those in comments and texts.
  static func all(in source: String) -> [ImportLine] {
    var result: [ImportLine] = []
    var isInText = false
    var commentDepth = 0
    for (index, raw) in source.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let wasOutside = !isInText && commentDepth == 0
      var code = String(raw)
      if !isInText {
        for opening in code.ranges(of: "/*") where !code[..<opening.lowerBound].contains("//") { commentDepth += 1 }
        if commentDepth > 0 { commentDepth -= code.ranges(of: "*/").count }
        if let comment = code.range(of: "//") { code = String(code[..<comment.lowerBound]) }
      }
      if !code.ranges(of: "\"\"\"").count.isMultiple(of: 2) { isInText.toggle() }
      guard wasOutside else { continue }
      var words = code.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == ";" }).map(String.init)
      var attributes: [String] = []
      while let word = words.first, word.hasPrefix("@") { attributes.append(words.removeFirst()) }
      var access: String?
      if let word = words.first, accessLevels.contains(word) { access = words.removeFirst() }
      guard words.first == "import", words.count >= 2 else { continue }
      var name = words[1]
      if symbolKinds.contains(name), words.count >= 3 { name = words[2] }
      let module = String(name.prefix { $0 != "." })
      result.append(ImportLine(line: index + 1, access: access, module: module, attributes: attributes))
    }
    return result
  }

  private static let accessLevels: Set = ["public", "package", "internal", "fileprivate", "private"]
  private static let symbolKinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
}

/// What docs/architecture.md says about one target.
struct ArchitectureRow: Equatable {
  let name: String
  let room: String
  let ours: [String]
  let outside: [String]
  let system: [String]

  var allowed: Set<String> { Set(ours + outside + system) }
}

/// The tables of docs/architecture.md §2.
struct ArchitectureTable {
  let targets: [ArchitectureRow]
  let tests: [ArchitectureRow]
  /// Pairs of a file and a module that a pure target may import there all the same.
  let exceptions: [(file: String, module: String)]

  static let testSystemModules = ["Testing", "Foundation", "Glibc", "Dispatch", "Synchronization"]

  init(_ document: String) {
    let tables = Self.tables(in: document)
    targets = (tables["target"] ?? []).filter { $0.count == 6 }.map { cells in
      ArchitectureRow(
        name: Self.bare(cells[0]), room: cells[1], ours: Self.list(cells[3]), outside: Self.list(cells[4]),
        system: Self.list(cells[5]))
    }
    tests = (tables["test target"] ?? []).filter { $0.count == 3 }.map { cells in
      let name = Self.bare(cells[0])
      return ArchitectureRow(
        name: name, room: "Tests/\(name)", ours: Self.list(cells[1]), outside: Self.list(cells[2]),
        system: Self.testSystemModules)
    }
    exceptions = (tables["file"] ?? []).filter { $0.count == 3 }.map { (Self.bare($0[0]), Self.bare($0[1])) }
  }

  var rows: [ArchitectureRow] { targets + tests }

  /// Tables by the first cell of their header, rows without header and rule.
  private static func tables(in document: String) -> [String: [[String]]] {
    var result: [String: [[String]]] = [:]
    var current: String?
    for line in document.split(separator: "\n", omittingEmptySubsequences: false) {
      guard line.hasPrefix("|") else {
        current = nil
        continue
      }
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
        .map { $0.trimmingCharacters(in: .whitespaces) }
      if let name = current {
        if !(cells.first ?? "").hasPrefix("---") { result[name, default: []].append(cells) }
      } else {
        current = cells.first
      }
    }
    return result
  }

  private static func list(_ cell: String) -> [String] {
    cell == "-" ? [] : cell.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
  }

  private static func bare(_ cell: String) -> String { cell.replacingOccurrences(of: "`", with: "") }
}

/// The targets that Package.swift declares, in its order, with their dependencies.
struct ManifestTargets {
  struct Declaration: Equatable {
    let name: String
    let dependencies: [String]
    let text: String
  }

  let declarations: [Declaration]

  init(_ manifest: String) {
    let code =
      "\n"
      + manifest.split(separator: "\n", omittingEmptySubsequences: false)
      .map { line in line.range(of: "// ").map { String(line[..<$0.lowerBound]) } ?? String(line) }
      .joined(separator: "\n")
    // The list of targets is the last `targets:` at the beginning of a line; products name theirs within a line.
    guard let start = code.range(of: "\n  targets: [") else {
      declarations = []
      return
    }
    let shorthands = Self.shorthands(in: code[..<start.lowerBound])
    var rest = code[start.upperBound...]
    var found: [Declaration] = []
    while let call = Self.heads.compactMap({ rest.range(of: $0) }).min(by: { $0.lowerBound < $1.lowerBound }) {
      let body = Self.balanced(rest[call.upperBound...], open: "(", close: ")")
      let name = Self.strings(in: body).first ?? ""
      var dependencies: [String] = []
      if !rest[call].contains("system"), let afterName = body.range(of: "\"\(name)\"") {
        let others = ["path:", "swiftSettings:", "providers:"].compactMap { body.range(of: $0)?.lowerBound }
        dependencies = Self.names(in: body[afterName.upperBound..<(others.min() ?? body.endIndex)], shorthands)
      }
      found.append(Declaration(name: name, dependencies: dependencies, text: String(body)))
      rest = rest[body.endIndex...]
    }
    declarations = found
  }

  private static let heads = ["library(", "tests(", ".systemLibrary(", ".target(", ".executableTarget("]

  /// The text up to the bracket that closes the one before it.
  private static func balanced(_ text: Substring, open: Character, close: Character) -> Substring {
    var depth = 1
    for index in text.indices {
      if text[index] == open { depth += 1 }
      if text[index] == close { depth -= 1 }
      if depth == 0 { return text[..<index] }
    }
    return text
  }

  private static func strings(in text: Substring) -> [String] {
    text.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
      .filter { !$0.offset.isMultiple(of: 2) }.map { String($0.element) }
  }

  /// `let name = product("Product", "package")`, and lists of dependencies with a name of their own.
  private static func shorthands(in code: Substring) -> [String: [String]] {
    var found: [String: [String]] = [:]
    var rest = code
    while let head = rest.range(of: "\nlet ") {
      rest = rest[head.upperBound...]
      let name = String(rest.prefix { $0.isLetter || $0.isNumber })
      let definition = rest.dropFirst(name.count)
      if definition.hasPrefix(" = product(") {
        found[name] = Array(strings(in: definition.prefix { $0 != "\n" }).prefix(1))
      } else if definition.hasPrefix(": [Target.Dependency] = [") {
        let list = balanced(definition.dropFirst(": [Target.Dependency] = [".count), open: "[", close: "]")
        found[name] = names(in: list, found)
      }
    }
    return found
  }

  /// Names of targets and products in an expression of strings and shorthands.
  private static func names(in expression: Substring, _ shorthands: [String: [String]]) -> [String] {
    expression.split(separator: "\"", omittingEmptySubsequences: false).enumerated().flatMap { offset, part in
      offset.isMultiple(of: 2)
        ? part.split { !$0.isLetter && !$0.isNumber }.flatMap { shorthands[String($0)] ?? [] } : [String(part)]
    }
  }
}
