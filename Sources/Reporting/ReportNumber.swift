internal import Foundation

/// How figures are printed: bounds are rounded to the safe side, nothing looks more exact than it is.
///
/// All functions are independent of the locale. A value that is not finite prints as "not measured", except a
/// bound, where it prints as "unbounded".
package enum ReportNumber {
  package static let notMeasured = "not measured"

  /// An upper bound with `digits` significant digits, rounded up: the printed value is never below the true one.
  ///
  /// Differences below 1e-12 of the value count as rounding errors of its computation, so that 4.000000000000001
  /// prints as 4.000.
  package static func upperBound(_ value: Double, digits: Int = 4) -> String {
    directed(value, digits: digits, up: true)
  }

  /// A lower bound with `digits` significant digits, rounded down.
  package static func lowerBound(_ value: Double, digits: Int = 4) -> String {
    directed(value, digits: digits, up: false)
  }

  /// A probability as an upper bound in per cent, rounded up: "9.24 %".
  package static func upperPercentage(_ probability: Double, digits: Int = 3) -> String {
    guard probability.isFinite else { return notMeasured }
    return upperBound(min(probability, 1) * 100, digits: digits) + "\u{a0}%"
  }

  /// A rounded value with `digits` significant digits, without trailing zeros: for descriptions, not for bounds.
  package static func rounded(_ value: Double, digits: Int = 4) -> String {
    guard value.isFinite else { return notMeasured }
    return format("%.\(digits)g", value)
  }

  /// A quantity of a description: whole numbers with commas, others with `digits` significant digits.
  package static func quantity(_ value: Double, digits: Int = 6) -> String {
    value == value.rounded() && abs(value) < 1e15 ? count(Int(value)) : rounded(value, digits: digits)
  }

  /// A constant exactly as the plan gave it: the shortest decimal that reads back as the same number.
  package static func constant(_ value: Double) -> String {
    guard value.isFinite else { return notMeasured }
    if value == value.rounded(), abs(value) < 1e6 { return String(Int(value)) }
    return "\(value)".replacingOccurrences(of: "e-0", with: "e-")
  }

  /// A fixed number of decimals, for columns of a table.
  package static func decimals(_ value: Double, _ count: Int) -> String {
    guard value.isFinite else { return notMeasured }
    return format("%.\(count)f", value)
  }

  /// A whole number with commas between thousands.
  package static func count(_ value: Int) -> String {
    let digits = Array(String(value.magnitude))
    var text = value < 0 ? "−" : ""
    for (position, digit) in digits.enumerated() {
      if position > 0, (digits.count - position).isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return text
  }

  /// Bytes in decimal units with three significant digits: "812 B", "1.23 MB".
  package static func bytes(_ value: Int) -> String {
    var scaled = Double(value)
    for unit in ["B", "kB", "MB", "GB", "TB"] {
      // 999.5 would print as 1000 of the smaller unit.
      if abs(scaled) < 999.5 || unit == "TB" {
        return (unit == "B" ? String(value) : significant(scaled)) + "\u{a0}" + unit
      }
      scaled /= 1000
    }
    return String(value)
  }

  /// Seconds with three significant digits.
  package static func seconds(_ value: Double) -> String {
    guard value.isFinite else { return notMeasured }
    if value == 0 { return "0\u{a0}s" }
    return abs(value) < 0.0995 ? significant(value * 1000) + "\u{a0}ms" : significant(value) + "\u{a0}s"
  }

  /// A small probability with at most two significant digits, rounded up: "10⁻⁶", "2.5·10⁻⁷".
  package static func delta(_ value: Double) -> String {
    guard value.isFinite else { return notMeasured }
    guard value > 0 else { return "0" }
    if value >= 0.001 { return upperBound(value, digits: 2) }
    var exponent = Int(log10(value).rounded(.down))
    var tenths = (value / pow(10, Double(exponent)) * 10 - 1e-9).rounded(.up)
    if tenths >= 100 {
      tenths /= 10
      exponent += 1
    }
    return (tenths == 10 ? "" : rounded(tenths / 10, digits: 2) + "·") + powerOfTen(exponent)
  }

  /// "10⁻⁶" for −6.
  package static func powerOfTen(_ exponent: Int) -> String { "10" + superscript(exponent) }

  /// "2³²" for 32.
  package static func powerOfTwo(_ exponent: Int) -> String { "2" + superscript(exponent) }

  /// "2⁻⁴⁰" for −40.5: the next whole exponent above, because it bounds a probability.
  package static func powerOfTwoBound(log2 exponent: Double) -> String {
    guard exponent.isFinite, abs(exponent) < 1e9 else { return notMeasured }
    return "2" + superscript(Int(exponent.rounded(.up)))
  }

  private static func superscript(_ value: Int) -> String {
    let digits = Array("⁰¹²³⁴⁵⁶⁷⁸⁹")
    return (value < 0 ? "⁻" : "")
      + String(String(value.magnitude).map { digits[$0.wholeNumberValue ?? 0] })
  }

  /// A coordinate in a drawing: one decimal at most, no exponent.
  package static func coordinate(_ value: Double) -> String {
    precondition(value.isFinite, "a coordinate of a drawing must be finite")
    let text = format("%.1f", value)
    return text.hasSuffix(".0") ? (text == "-0.0" ? "0" : String(text.dropLast(2))) : text
  }

  private static func significant(_ value: Double) -> String {
    guard value != 0 else { return "0" }
    let magnitude = Int(log10(abs(value)).rounded(.down))
    // 9.996 rounds to 10.0, one place higher.
    let step = pow(10, Double(magnitude - 2))
    let carries = (abs(value) / step).rounded() >= 1000
    return format("%.\(max(0, 2 - magnitude - (carries ? 1 : 0)))f", value)
  }

  private static func directed(_ value: Double, digits: Int, up: Bool) -> String {
    guard value.isFinite else { return "unbounded" }
    guard value > 0 else { return value == 0 ? "0" : "−" + directed(-value, digits: digits, up: !up) }
    let exponent = Int(log10(value).rounded(.down))
    if exponent < -4 || exponent > 6 {
      let (mantissa, power) = (value / pow(10, Double(exponent)), exponent)
      return directed(mantissa, digits: digits, up: up) + "e\(power)"
    }
    let decimalCount = max(0, digits - 1 - exponent)
    let step = pow(10, Double(digits - 1 - exponent))
    var steps = (value * step).rounded()
    let tolerance = value * step * 1e-12
    if up, steps < value * step - tolerance { steps += 1 }
    if !up, steps > value * step + tolerance { steps -= 1 }
    // 9.9996 rounds up to 10.000, which has one digit too many.
    if steps >= pow(10, Double(digits)), decimalCount > 0 {
      return format("%.\(decimalCount - 1)f", steps / step)
    }
    return format("%.\(decimalCount)f", steps / step)
  }

  private static func format(_ format: String, _ value: Double) -> String {
    String(format: format, value)
  }
}
