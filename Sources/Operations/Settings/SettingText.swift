internal import Foundation

/// How durations are written in settings, flags and files: a whole number and one unit, `500ms`, `30s`, `5m`, `24h`, `7d`.
public enum DurationText {
  /// `nil` when `text` is no duration, or longer than 100 years.
  public static func parse(_ text: String) -> Duration? {
    let units: [(suffix: String, milliseconds: Int)] = [
      ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]
    for unit in units where text.hasSuffix(unit.suffix) {
      guard let number = WholeNumber.parse(text.dropLast(unit.suffix.count)) else { continue }
      let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit.milliseconds)
      return overflow || milliseconds > 36_525 * 86_400_000 ? nil : .milliseconds(milliseconds)
    }
    return nil
  }

  /// In the largest unit that gives a whole number; parts of a millisecond are left out.
  public static func text(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    let milliseconds = Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
    for (suffix, unit) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)]
    where milliseconds != 0 && milliseconds.isMultiple(of: unit) { return "\(milliseconds / unit)\(suffix)" }
    return milliseconds == 0 ? "0s" : "\(milliseconds)ms"
  }
}

/// How sizes are written: a whole number of bytes, or with one of the units `B`, `KiB`, `MiB`, `GiB`, `TiB`.
public enum SizeText {
  /// Bytes; `nil` when `text` is no size.
  public static func parse(_ text: String) -> Int? {
    for (suffix, shift) in units where text.hasSuffix(suffix) {
      guard let number = WholeNumber.parse(text.dropLast(suffix.count)) else { continue }
      let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
      return overflow ? nil : bytes
    }
    return WholeNumber.parse(text[...])
  }

  /// In the largest unit that gives a whole number.
  public static func text(_ bytes: Int) -> String {
    for (suffix, shift) in units where bytes != 0 && bytes.isMultiple(of: 1 << shift) { return "\(bytes >> shift)\(suffix)" }
    return "\(bytes)B"
  }

  private static let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)]
}

/// Digits and nothing else: no sign, no spaces, no leading zero.
enum WholeNumber {
  static func parse(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), text == "0" || text.first != "0" else { return nil }
    return Int(text)
  }
}

/// At most 60 characters of text that came from outside, in quotes, with what a terminal would obey replaced.
func quoted(_ text: String) -> String {
  let shown = text.unicodeScalars.prefix(60).map { scalar -> Character in
    (0x20..<0x7F).contains(scalar.value) || scalar.value > 0x9F ? Character(scalar) : "?"
  }
  return "\"" + String(shown) + (text.unicodeScalars.count > 60 ? "…" : "") + "\""
}
