/// A small reader of markup for tests: it knows comments no more than the pages do, and refuses what is not well nested.
struct MarkupChecker {
  struct Element: Equatable {
    var name: String
    var attributes: [String: String]
  }

  /// Elements in order of their opening tags.
  private(set) var elements: [Element] = []
  /// What is wrong, in words; empty when all is well.
  private(set) var faults: [String] = []
  /// Texts between tags, without the contents of `style`.
  private(set) var texts: [String] = []

  private static let void: Set<String> = ["meta", "link", "br", "hr", "img"]

  init(_ source: String) {
    var open: [String] = []
    var rest = source[...]
    while let start = rest.firstIndex(of: "<") {
      if open.last != "style", start > rest.startIndex { texts.append(String(rest[..<start])) }
      guard let end = rest[start...].firstIndex(of: ">") else {
        faults.append("a tag does not end")
        return
      }
      let tag = rest[rest.index(after: start)..<end]
      rest = rest[rest.index(after: end)...]
      if tag.hasPrefix("!") { continue }
      if tag.hasPrefix("/") {
        let name = String(tag.dropFirst())
        if open.popLast() != name { faults.append("</\(name)> closes what is not open") }
        continue
      }
      let element = MarkupChecker.element(tag, &faults)
      elements.append(element)
      if !tag.hasSuffix("/"), !MarkupChecker.void.contains(element.name) { open.append(element.name) }
    }
    texts.append(String(rest))
    if !open.isEmpty { faults.append("\(open) stay open") }
  }

  func all(_ name: String) -> [Element] { elements.filter { $0.name == name } }

  private static func element(_ tag: Substring, _ faults: inout [String]) -> Element {
    let tag = tag.hasSuffix("/") ? tag.dropLast() : tag
    let name = String(tag.prefix { $0 != " " && $0 != "\n" })
    var attributes: [String: String] = [:]
    var rest = tag.dropFirst(name.count)
    while let quote = rest.firstIndex(of: "\"") {
      let key = rest[..<quote].filter { $0 != " " && $0 != "\n" && $0 != "=" }
      let value = rest[rest.index(after: quote)...]
      guard let close = value.firstIndex(of: "\"") else {
        faults.append("an attribute of \(name) does not end")
        break
      }
      if attributes.updateValue(String(value[..<close]), forKey: String(key)) != nil {
        faults.append("\(name) has \(key) twice")
      }
      rest = value[value.index(after: close)...]
    }
    if name.isEmpty || !name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }) {
      faults.append("<\(name)> is no element")
    }
    return Element(name: name, attributes: attributes)
  }
}
