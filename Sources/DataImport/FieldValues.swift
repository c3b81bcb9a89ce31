internal import Glibc

/// Reading numbers, times and ids from the bytes of a field.
package enum FieldValues {
  /// The field without the spaces around it.
  static func trimmed(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    var first = 0
    var last = bytes.count
    while first < last, bytes[first] == 32 { first += 1 }
    while last > first, bytes[last - 1] == 32 { last -= 1 }
    return UnsafeBufferPointer(rebasing: bytes[first..<last])
  }

  /// A finite decimal number such as `-12.5e3`; `nil` for anything else, also for `nan`, `inf` and hexadecimal.
  package static func number(_ bytes: UnsafeBufferPointer<UInt8>) -> Double? {
    var position = 0
    let isNegative = bytes.first == UInt8(ascii: "-")
    if isNegative || bytes.first == UInt8(ascii: "+") { position = 1 }
    var mantissa: UInt64 = 0
    var digits = 0
    var fraction = 0
    var isFraction = false
    while position < bytes.count {
      let byte = bytes[position]
      if byte >= 48, byte <= 57 {
        if digits < 19 { mantissa = mantissa * 10 + UInt64(byte - 48) }
        digits += 1
        if isFraction { fraction += 1 }
      } else if byte == UInt8(ascii: "."), !isFraction {
        isFraction = true
      } else {
        break
      }
      position += 1
    }
    guard digits > 0 else { return nil }
    // Exact when the mantissa and the power of ten are both exact doubles (Clinger 1990).
    if position == bytes.count, mantissa < 1 << 53, digits <= 19, fraction <= 22 {
      let value = fraction == 0 ? Double(mantissa) : Double(mantissa) / powersOfTen[fraction]
      return isNegative ? -value : value
    }
    if position < bytes.count {
      guard bytes[position] == UInt8(ascii: "e") || bytes[position] == UInt8(ascii: "E") else { return nil }
      position += 1
      if position < bytes.count, bytes[position] == UInt8(ascii: "-") || bytes[position] == UInt8(ascii: "+") {
        position += 1
      }
      guard position < bytes.count, bytes[position...].allSatisfy({ $0 >= 48 && $0 <= 57 }) else {
        return nil
      }
    }
    guard let value = Double(String(decoding: bytes, as: UTF8.self)), value.isFinite else { return nil }
    return value
  }

  /// A non-negative integer below 2^31 in its shortest form, as dense ids are written; `nil` for anything else.
  static func denseID(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    guard !bytes.isEmpty, bytes.count <= 10, bytes.count == 1 || bytes[0] != 48 else { return nil }
    var value = 0
    for byte in bytes {
      guard byte >= 48, byte <= 57 else { return nil }
      value = value * 10 + Int(byte - 48)
    }
    return value <= Int(Int32.max) ? value : nil
  }

  /// Whether the field is a minus sign and digits.
  static func isNegativeInteger(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    bytes.count > 1 && bytes[0] == UInt8(ascii: "-") && bytes[1...].allSatisfy { $0 >= 48 && $0 <= 57 }
  }

  /// Seconds since 1970 of `2011-12-09`, `2011-12-09 12:50`, `2011-12-09T12:50:00.5Z`, `2011-12-09 12:50:00 UTC` or with an offset `+01:00`;
  /// without a zone UTC is meant. `nil` for anything else.
  package static func isoTime(_ bytes: UnsafeBufferPointer<UInt8>) -> Double? {
    var scanner = TimeScanner(bytes: bytes)
    guard let year = scanner.digits(4), scanner.skip("-"), let month = scanner.digits(2), scanner.skip("-"),
      let day = scanner.digits(2), (1...12).contains(month), day >= 1, day <= daysInMonth(month, year: year)
    else { return nil }
    var seconds = Double(daysSince1970(year: year, month: month, day: day)) * 86_400
    if scanner.isAtEnd { return seconds }
    guard scanner.skip("T") || scanner.skip(" ") || scanner.skip("t"), let hour = scanner.digits(2),
      hour < 24,
      scanner.skip(":"), let minute = scanner.digits(2), minute < 60
    else { return nil }
    seconds += Double(hour * 3_600 + minute * 60)
    if scanner.skip(":") {
      guard let second = scanner.digits(2), second < 61 else { return nil }
      seconds += Double(second)
      if scanner.skip(".") {
        guard let fraction = scanner.fraction() else { return nil }
        seconds += fraction
      }
    }
    if scanner.isAtEnd || ((scanner.skip("Z") || scanner.skip("z")) && scanner.isAtEnd) { return seconds }
    if scanner.skip(" ") {
      return scanner.skip("U") && scanner.skip("T") && scanner.skip("C") && scanner.isAtEnd ? seconds : nil
    }
    let isWest = scanner.skip("-")
    guard isWest || scanner.skip("+"), let hours = scanner.digits(2), hours <= 14 else { return nil }
    _ = scanner.skip(":")
    guard let minutes = scanner.isAtEnd ? 0 : scanner.digits(2), minutes < 60, scanner.isAtEnd else {
      return nil
    }
    let offset = Double(hours * 3_600 + minutes * 60)
    return isWest ? seconds + offset : seconds - offset
  }

  /// Days from 1970-01-01 to a date of the Gregorian calendar (Hinnant, "chrono-compatible low-level date
  /// algorithms", `days_from_civil`).
  private static func daysSince1970(year: Int, month: Int, day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func daysInMonth(_ month: Int, year: Int) -> Int {
    if month == 2 { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28 }
    return [4, 6, 9, 11].contains(month) ? 30 : 31
  }

  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19,
    1e20, 1e21, 1e22,
  ]
}

private struct TimeScanner {
  let bytes: UnsafeBufferPointer<UInt8>
  var position = 0

  init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  var isAtEnd: Bool { position == bytes.count }

  mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  mutating func digits(_ count: Int) -> Int? {
    guard position + count <= bytes.count else { return nil }
    var value = 0
    for byte in bytes[position..<position + count] {
      guard byte >= 48, byte <= 57 else { return nil }
      value = value * 10 + Int(byte - 48)
    }
    position += count
    return value
  }

  mutating func fraction() -> Double? {
    var value = 0.0
    var scale = 0.1
    let first = position
    while position < bytes.count, bytes[position] >= 48, bytes[position] <= 57 {
      value += Double(bytes[position] - 48) * scale
      scale /= 10
      position += 1
    }
    return position > first ? value : nil
  }
}
