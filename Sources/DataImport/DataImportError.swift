/// What is wrong with a file: where, what was found, what was expected, what to do. One sentence.
public struct DataImportError: Error, Equatable, CustomStringConvertible {
  /// Path as the user gave it.
  public let file: String
  /// 1-based line; `nil` when the file as a whole is meant.
  public let line: Int?
  public let found: String
  public let expected: String
  /// What the user can do about it.
  public let advice: String

  public init(file: String, line: Int? = nil, found: String, expected: String, advice: String) {
    self.file = file
    self.line = line
    self.found = found
    self.expected = expected
    self.advice = advice
  }

  public var description: String {
    "\(file)\(line.map { ", line \($0)" } ?? ""): found \(found), expected \(expected); \(advice)"
  }
}

/// A value as it is shown in a message: quoted, control characters made visible, cut after 40 characters.
func shown(_ text: some StringProtocol) -> String {
  var result = "'"
  for (position, scalar) in text.unicodeScalars.enumerated() {
    if position == 40 { return result + "…'" }
    switch scalar {
    case "\t": result += "\\t"
    case "\n": result += "\\n"
    case "\r": result += "\\r"
    case "\0"..<" ": result += "\\u{\(String(scalar.value, radix: 16))}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "'"
}

func shown(_ bytes: UnsafeBufferPointer<UInt8>) -> String { shown(String(decoding: bytes, as: UTF8.self)) }

/// The known word that a typing error may have meant: the one at the smallest edit distance, if that is at most a
/// third of the word's length.
func nearest(to word: String, among known: [String]) -> String? {
  let ranked = known.map { ($0, editDistance(Array(word.lowercased().utf8), Array($0.lowercased().utf8))) }
  guard let best = ranked.min(by: { ($0.1, $0.0) < ($1.1, $1.0) }) else { return nil }
  return best.1 <= (word.utf8.count + 2) / 3 ? best.0 : nil
}

/// Levenshtein's distance, one row at a time.
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
  var previous = Array(0...right.count)
  for (row, a) in left.enumerated() {
    var current = [row + 1]
    for (column, b) in right.enumerated() {
      current.append(min(previous[column] + (a == b ? 0 : 1), previous[column + 1] + 1, current[column] + 1))
    }
    previous = current
  }
  return previous[right.count]
}
