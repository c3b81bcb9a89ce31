import Foundation
import GRDB

/// Looks for numbers in everything that a program can write them as, but for two bytes by themselves, which are everywhere.
struct NumberSearch: Sendable {
  /// Where a number was found, and as what.
  struct Hit: Hashable {
    let place: String
    let what: String
    /// Whether the bytes of a digest or a key can look like it. What is said in words is there by no chance.
    let mayBeChance: Bool
  }

  private let numbers: [Int]

  init(_ numbers: [Int]) { self.numbers = numbers }

  /// Where a number stands by itself, also with a grouping comma or as 2731.0.
  func text(_ text: String, in place: String = "") -> [Hit] {
    let forms = numbers.flatMap { ["\($0)", "\($0 / 1000),\(String(format: "%03d", $0 % 1000))"] }
    guard
      let pattern = try? NSRegularExpression(
        pattern: "(?<![0-9A-Za-z.,_-])(\(forms.joined(separator: "|")))(\\.0+)?(?![0-9A-Za-z_-]|[.,][0-9])")
    else { return [Hit(place: place, what: "the pattern is none", mayBeChance: false)] }
    return pattern.matches(in: text, range: NSRange(text.startIndex..., in: text)).compactMap { match in
      Range(match.range, in: text).map { range in
        let from = text.index(range.lowerBound, offsetBy: -30, limitedBy: text.startIndex) ?? text.startIndex
        let to = text.index(range.upperBound, offsetBy: 30, limitedBy: text.endIndex) ?? text.endIndex
        return Hit(place: place, what: String(text[from..<to]), mayBeChance: false)
      }
    }
  }

  /// Four or eight bytes of a number, either way round.
  func bytes(_ bytes: [UInt8], in place: String = "") -> [Hit] {
    let data = Data(bytes)
    return numbers.flatMap { number -> [Hit] in
      let forms: [(String, Data)] = [
        ("UInt32, little-endian", withUnsafeBytes(of: UInt32(number).littleEndian) { Data($0) }),
        ("UInt32, big-endian", withUnsafeBytes(of: UInt32(number).bigEndian) { Data($0) }),
        ("UInt64, little-endian", withUnsafeBytes(of: UInt64(number).littleEndian) { Data($0) }),
        ("UInt64, big-endian", withUnsafeBytes(of: UInt64(number).bigEndian) { Data($0) }),
        ("Double", withUnsafeBytes(of: Double(number).bitPattern.littleEndian) { Data($0) }),
        ("Float", withUnsafeBytes(of: Float(number).bitPattern.littleEndian) { Data($0) }),
      ]
      return forms.filter { data.range(of: $0.1) != nil }.map {
        Hit(place: place, what: "\(number) as \($0.0)", mayBeChance: true)
      }
    }
  }

  func file(_ content: [UInt8], in place: String = "") -> [Hit] {
    text(String(decoding: content, as: UTF8.self), in: place) + bytes(content, in: place)
  }

  /// The same, and as the varint of any field of a protobuf message, however deep, also packed with others.
  func message(_ message: [UInt8], in place: String = "") -> [Hit] {
    file(message, in: place)
      + (varints(message[...]) ?? []).map { Hit(place: place, what: $0, mayBeChance: true) }
  }

  /// - Returns: `nil` where the bytes are no protobuf message.
  private func varints(_ message: ArraySlice<UInt8>) -> [String]? {
    var rest = message
    var found: [String] = []
    while !rest.isEmpty {
      guard let tag = Self.varint(&rest), tag >> 3 > 0, tag >> 3 < 1 << 12 else { return nil }
      switch tag & 7 {
      case 0:
        guard let value = Self.varint(&rest) else { return nil }
        if isNumber(value) { found.append("\(value) as the varint of field \(tag >> 3)") }
      case 1: rest = rest.dropFirst(8)
      case 5: rest = rest.dropFirst(4)
      case 2:
        guard let length = Self.varint(&rest), length <= UInt64(rest.count) else { return nil }
        let content = rest.prefix(Int(length))
        found += varints(content) ?? []
        // Sessions, digests and keys have 16 bytes or more, and would look like everything.
        if length < 16 { found += packed(content).map { "\($0) packed in field \(tag >> 3)" } }
        rest = rest.dropFirst(Int(length))
      default: return nil
      }
    }
    return found
  }

  /// The numbers among varints that follow each other to the end.
  private func packed(_ content: ArraySlice<UInt8>) -> [UInt64] {
    var (rest, found) = (content, [UInt64]())
    while !rest.isEmpty {
      guard let value = Self.varint(&rest) else { return [] }
      if isNumber(value) { found.append(value) }
    }
    return found
  }

  /// As it is, or as a signed number is written (zigzag).
  private func isNumber(_ value: UInt64) -> Bool { numbers.contains { UInt64($0) == value || UInt64(2 * $0) == value } }

  private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      value |= UInt64(byte & 0x7F) << UInt64(shift)
      if byte < 0x80 { return value }
    }
    return nil
  }

  /// Every value of every row.
  func database(_ path: String) throws -> [Hit] {
    var configuration = Configuration()
    configuration.readonly = true
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    defer { try? queue.close() }
    return try queue.read { database in
      var found: [Hit] = []
      for table in try String.fetchAll(database, sql: "SELECT name FROM sqlite_master WHERE type = 'table'") {
        for row in try Row.fetchAll(database, sql: "SELECT * FROM \"\(table)\"") {
          for (column, value) in row {
            let place = "\(table).\(column)"
            func number(_ isOne: Bool, _ words: String) {
              if isOne { found.append(Hit(place: place, what: words, mayBeChance: false)) }
            }
            switch value.storage {
            case .null: break
            case .int64(let value): number(numbers.contains(Int(value)), "\(value)")
            case .double(let value): number(numbers.contains { Double($0) == value }, "\(value)")
            case .string(let value): found += text(value, in: place)
            case .blob(let value): found += message(Array(value), in: place)
            }
          }
        }
      }
      return found
    }
  }
}
