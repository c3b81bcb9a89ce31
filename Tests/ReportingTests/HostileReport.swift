import Foundation
import Reporting

/// The complete sample with every free text replaced by one that attacks parsers, terminals and readers.
enum HostileReport {
  static let texts = [
    "<script>alert(1)</script>", "\" onload=\"alert(1)", "' style='x",
    "</title></style></svg><img src=x onerror=alert(1)>",
    "&lt;b&gt; &#60; &amp;", "\u{202e}drowssap\u{202c}", "a\u{1b}[31mred\u{1b}]8;;http://x\u{7}",
    "line\nbreak\ttab\u{0}null\r",
    "\u{2028}\u{200f}\u{feff}\u{e0041}\u{85}", "]]> --> ${x} \\(x) {{x}}", "شريك عربي", "שותף", "合作伙伴 パートナー",
    "👩‍👩‍👧 e\u{301}",
  ]

  static func make() throws -> RunReport {
    let data = Data(try SampleReport.complete.renderJSON().utf8)
    var counter = 0
    let hostile = replaced(try JSONSerialization.jsonObject(with: data), key: "", &counter)
    return try RunReport(json: try JSONSerialization.data(withJSONObject: hostile, options: [.sortedKeys]))
  }

  /// Keys whose values belong to closed enumerations.
  static let closedKeys: Set<String> = [
    "schema", "kind", "against", "method", "provenance", "noise", "unit", "adjacency", "metric", "verdict",
  ]

  private static func replaced(_ value: Any, key: String, _ counter: inout Int) -> Any {
    if let object = value as? [String: Any] {
      var result: [String: Any] = [:]
      for name in object.keys.sorted() { result[name] = replaced(object[name] ?? "", key: name, &counter) }
      return result
    }
    if let list = value as? [Any] { return list.map { replaced($0, key: key, &counter) } }
    guard value is String, !closedKeys.contains(key) else { return value }
    counter += 1
    return texts[counter % texts.count] + " \(counter)"
  }
}
