/// Commands as a POSIX shell reads them back, word for word.
public enum ShellWords {
  /// One word: as it is where no shell sees anything special in it, else in single quotes.
  public static func quoted(_ word: String) -> String {
    guard word.isEmpty || !word.unicodeScalars.allSatisfy(isPlain) else { return word }
    return "'" + word.replacing("'", with: "'\\''") + "'"
  }

  /// The words of a command that `quoted` wrote, with single spaces between them; `nil` for any other text.
  public static func read(_ command: String) -> [String]? {
    var words: [String] = []
    var word: String?
    var rest = command.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      switch scalar {
      case " ":
        guard let whole = word else { return nil }
        words.append(whole)
        word = nil
      case "'":
        guard let end = rest.firstIndex(of: "'") else { return nil }
        word = (word ?? "") + String(rest[..<end])
        rest = rest[rest.index(after: end)...]
      case "\\":
        guard rest.popFirst() == "'", word != nil else { return nil }
        word?.append("'")
      default:
        guard isPlain(scalar) else { return nil }
        word = (word ?? "") + String(scalar)
      }
    }
    guard let last = word else { return nil }
    words.append(last)
    // What is written in one way only can hide nothing.
    return words.map(quoted).joined(separator: " ") == command ? words : nil
  }

  /// Letters of any language are plain; control characters are not.
  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isAlphabetic || scalar.properties.numericType != nil || "_-./:,=@%+".unicodeScalars.contains(scalar)
  }
}
