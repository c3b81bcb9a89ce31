/// Text from outside (names of partners, of releases, notes) made harmless for a reader and for a parser.
package enum Escaping {
  /// The text with every invisible character that could deceive a reader written out as ⟨U+XXXX⟩: controls
  /// (also the escape sequences of terminals), marks that turn the direction of writing, line and paragraph
  /// separators, invisible tags.
  ///
  /// The joiners U+200C and U+200D stay: several scripts cannot be written without them.
  package static func visible(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isDeceptive) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if isDeceptive(scalar) {
        result.append(contentsOf: "⟨U+\(hexadecimal(scalar))⟩".unicodeScalars)
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }

  /// The visible text with the five characters of markup as references: fit for element content and for quoted
  /// attributes of HTML and SVG.
  package static func markup(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in visible(text).unicodeScalars {
      switch scalar {
      case "&": result.append(contentsOf: "&amp;".unicodeScalars)
      case "<": result.append(contentsOf: "&lt;".unicodeScalars)
      case ">": result.append(contentsOf: "&gt;".unicodeScalars)
      case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
      case "'": result.append(contentsOf: "&#39;".unicodeScalars)
      default: result.append(scalar)
      }
    }
    return String(result)
  }

  /// JSON text with deceptive characters and `<`, `>`, `&` as \u escapes: the same value, but safe to show in a
  /// terminal and to place in a page. Such characters occur inside of strings only.
  package static func json(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      let isLayout = scalar == "\n" || scalar == " "
      if !isLayout, isDeceptive(scalar) || scalar == "<" || scalar == ">" || scalar == "&" {
        for unit in Character(scalar).utf16 {
          let digits = String(unit, radix: 16)
          let zeros = String(repeating: "0", count: 4 - digits.count)
          result.append(contentsOf: "\\u\(zeros)\(digits)".unicodeScalars)
        }
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }

  private static func isDeceptive(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x00...0x1f, 0x7f...0x9f,  // controls
      0xad, 0x61c, 0x180e, 0x200b, 0x200e, 0x200f, 0x2028...0x202e, 0x2060...0x206f,  // direction, invisible
      0xfeff, 0xfff9...0xfffb, 0xe0000...0xe0fff:  // byte order mark, annotations, tags
      true
    default:
      // Noncharacters: the last two of every plane and U+FDD0...U+FDEF.
      scalar.value & 0xfffe == 0xfffe || (0xfdd0...0xfdef).contains(scalar.value)
    }
  }

  private static func hexadecimal(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}

/// A piece of HTML or SVG. Literals are markup, interpolated text is escaped: what comes from outside cannot
/// become markup by oversight.
package struct Markup: ExpressibleByStringInterpolation, Sendable, Equatable {
  package var source: String

  package init(stringLiteral value: String) { source = value }
  package init(stringInterpolation: StringInterpolation) { source = stringInterpolation.source }

  package static let empty = Markup(stringLiteral: "")

  package static func + (left: Markup, right: Markup) -> Markup {
    Markup(stringLiteral: left.source + right.source)
  }

  package static func += (left: inout Markup, right: Markup) { left.source += right.source }

  package struct StringInterpolation: StringInterpolationProtocol {
    var source = ""

    package init(literalCapacity: Int, interpolationCount: Int) {
      source.reserveCapacity(literalCapacity * 2)
    }
    package mutating func appendLiteral(_ literal: String) { source += literal }
    package mutating func appendInterpolation(_ text: String) { source += Escaping.markup(text) }
    package mutating func appendInterpolation(_ value: Int) { source += String(value) }
    package mutating func appendInterpolation(_ markup: Markup) { source += markup.source }
    package mutating func appendInterpolation(_ list: [Markup]) {
      for markup in list { source += markup.source }
    }
    /// A coordinate of a drawing.
    package mutating func appendInterpolation(at value: Double) { source += ReportNumber.coordinate(value) }
  }
}
