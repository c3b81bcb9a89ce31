internal import Foundation

/// What makes a report say nothing but what its signer signed: one line that stands in each of its three forms.
///
/// The line names the signer's key and the SHA-256 of report.json, of the page and of the one-page text, each without this line,
/// and ends with an Ed25519 signature of everything before it. Whoever holds one form checks that form alone: take the line out,
/// hash the rest, compare, check the signature. A changed byte is in the rest (another hash) or in the line (another signature).
/// This module knows no cryptography: hashes and signatures come as lower-case hexadecimal text.
public struct ReportSeal: Sendable, Equatable {
  /// Ed25519 verification key of the signer, 32 bytes.
  public let key: String
  /// SHA-256 of each form without its seal.
  public let hashes: [ReportForm: String]
  /// Ed25519 signature of `message`, 64 bytes.
  public let signature: String

  /// - Parameter sign: gives the signature of the bytes in hexadecimal.
  public init(key: String, hashes: [ReportForm: String], sign: ([UInt8]) -> String) {
    self.key = key
    self.hashes = hashes
    signature = sign(Self.message(key: key, hashes: hashes))
  }

  /// Reads what `line` wrote; `nil` for any other text.
  public init?(line: String) {
    let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard words.count == 3 + ReportForm.allCases.count, words[0] == Self.label else { return nil }
    var values: [String: String] = [:]
    for word in words.dropFirst() {
      let parts = word.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, values.updateValue(parts[1], forKey: parts[0]) == nil else { return nil }
    }
    guard let key = values["ed25519"], let signature = values["signature"], Self.isHexadecimal(key, bytes: 32),
      Self.isHexadecimal(signature, bytes: 64)
    else { return nil }
    var hashes: [ReportForm: String] = [:]
    for form in ReportForm.allCases {
      guard let hash = values[form.rawValue], Self.isHexadecimal(hash, bytes: 32) else { return nil }
      hashes[form] = hash
    }
    self.key = key
    self.hashes = hashes
    self.signature = signature
    // One spelling only: order and spaces are part of it.
    guard self.line == line else { return nil }
  }

  /// The signed bytes.
  public var message: [UInt8] { Self.message(key: key, hashes: hashes) }

  /// The seal as it stands in a report.
  public var line: String { String(decoding: message, as: UTF8.self) + " signature=\(signature)" }

  private static let label = "tacit-report-seal/1"

  private static func message(key: String, hashes: [ReportForm: String]) -> [UInt8] {
    let parts = ReportForm.allCases.map { "\($0.rawValue)=\(hashes[$0] ?? "")" }
    return Array(([label, "ed25519=\(key)"] + parts).joined(separator: " ").utf8)
  }

  private static func isHexadecimal(_ text: String, bytes: Int) -> Bool {
    text.utf8.count == 2 * bytes
      && text.utf8.allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      }
  }
}

/// The three forms in which a report is handed out.
public enum ReportForm: String, Sendable, CaseIterable {
  case json, page, text

  /// The form with the seal in its place: the second line of JSON, the last line of the page's footer, the last line of text.
  ///
  /// - Precondition: `body` is a rendering of this module in this form.
  public func sealed(_ body: String, with seal: ReportSeal) -> String {
    let line = before + seal.line + after
    switch self {
    case .json:
      precondition(body.hasPrefix("{\n"), "a report in JSON begins with a brace on a line of its own")
      return "{\n" + line + body.dropFirst(2)
    case .page:
      guard let place = body.range(of: Self.footer, options: .backwards) else {
        preconditionFailure("a page has a footer")
      }
      return String(body[..<place.lowerBound]) + line + String(body[place.lowerBound...])
    case .text: return body + line
    }
  }

  /// Takes the seal out of a report in any form.
  ///
  /// - Returns: the form, its seal, and the bytes that the seal's hash is of.
  /// - Throws: `ReportSealError`.
  public static func unseal(_ bytes: [UInt8]) throws(ReportSealError) -> (form: ReportForm, seal: ReportSeal, body: [UInt8]) {
    let form: ReportForm = bytes.starts(with: "<!DOCTYPE html>".utf8) ? .page : bytes.first == UInt8(ascii: "{") ? .json : .text
    // Lines of bytes, each with its line feed: a line that is no UTF-8 is still a line.
    var lines: [ArraySlice<UInt8>] = []
    var start = 0
    for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") {
      lines.append(bytes[start...index])
      start = index + 1
    }
    if start < bytes.count { lines.append(bytes[start...]) }
    let places = lines.indices.filter { lines[$0].starts(with: form.before.utf8) }
    guard let place = places.first else { throw .absent(form) }
    let line = lines[place]
    guard places.count == 1, form.isPlace(place, in: lines),
      let text = String(validating: line, as: UTF8.self), text.hasSuffix(form.after),
      let seal = ReportSeal(line: String(text.dropFirst(form.before.count).dropLast(form.after.count)))
    else { throw .damaged(form) }
    return (form, seal, Array(bytes[..<line.startIndex]) + Array(bytes[line.endIndex...]))
  }

  private static let footer = "</footer>\n"

  private var before: String {
    switch self {
    case .json: "  \"seal\" : \""
    case .page: "<p class=\"seal\">"
    case .text: "Seal: "
    }
  }

  private var after: String {
    switch self {
    case .json: "\",\n"
    case .page: "</p>\n"
    case .text: "\n"
    }
  }

  /// Only one line of a file may hold the seal: elsewhere it would still hash right, and be read as part of something else.
  private func isPlace(_ index: Int, in lines: [ArraySlice<UInt8>]) -> Bool {
    let footer = Array(Self.footer.utf8)
    return switch self {
    case .json: index == 1
    case .page: lines.lastIndex { $0.suffix(footer.count) == footer[...] } == index + 1 && lines[index + 1].count == footer.count
    case .text: index == lines.count - 1
    }
  }
}

/// Why no seal could be taken from a file.
public enum ReportSealError: Error, Equatable, CustomStringConvertible {
  case absent(ReportForm)
  case damaged(ReportForm)

  public var description: String {
    switch self {
    case .absent(.text): "holds no seal: it is not signed, or no report at all"
    case .absent: "holds no seal: it is not signed, or the seal was taken out"
    case .damaged: "holds a seal that was changed, or more than one"
    }
  }
}
