public import Foundation

/// Why a report could not be written or read.
public enum ReportError: Error, CustomStringConvertible, Equatable {
  /// A figure is not finite; JSON has no such number, and an unknown figure must be left out instead.
  case notFinite(path: String)
  case notAReport(reason: String)

  public var description: String {
    switch self {
    case .notFinite(let path):
      "The report holds a figure at \(path) that is not a finite number; leave unknown figures out (nil)."
    case .notAReport(let reason):
      "This is no run report: \(reason). Expected JSON of the layout \(RunReport.currentSchema)."
    }
  }
}

extension RunReport {
  /// The report as JSON of the layout `Protocols/report.schema.json`: keys in order, UTF-8, one final newline, the
  /// same bytes for the same value.
  ///
  /// - Throws: `ReportError.notFinite` when a figure is NaN or infinite.
  public func renderJSON() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    do {
      let data = try encoder.encode(publishable())
      return Escaping.json(String(decoding: data, as: UTF8.self)) + "\n"
    } catch EncodingError.invalidValue(_, let context) {
      throw ReportError.notFinite(path: ReportPath.text(context.codingPath))
    }
  }

  /// Reads what `renderJSON` wrote.
  ///
  /// - Throws: `ReportError.notAReport`, which names the first thing that does not fit.
  public init(json: Data) throws {
    struct Header: Decodable { var schema: String }
    do {
      let header = try JSONDecoder().decode(Header.self, from: json)
      guard header.schema == RunReport.currentSchema else {
        throw ReportError.notAReport(reason: "its layout is \"\(Escaping.visible(header.schema))\"")
      }
      self = try JSONDecoder().decode(RunReport.self, from: json)
    } catch DecodingError.keyNotFound(let key, let context) {
      throw ReportError.notAReport(reason: "\(ReportPath.text(context.codingPath + [key])) is missing")
    } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
      throw ReportError.notAReport(reason: "\(ReportPath.text(context.codingPath)) has the wrong type")
    } catch DecodingError.dataCorrupted(let context) {
      let path = context.codingPath.isEmpty ? "the file" : ReportPath.text(context.codingPath)
      throw ReportError.notAReport(reason: "\(path) cannot be read")
    }
  }
}

/// A place in the JSON, as `privacy.guarantees[0].epsilonUpper`.
private enum ReportPath {
  static func text(_ path: [any CodingKey]) -> String {
    var text = ""
    for key in path {
      if let index = key.intValue {
        text += "[\(index)]"
      } else {
        text += (text.isEmpty ? "" : ".") + Escaping.visible(key.stringValue)
      }
    }
    return text.isEmpty ? "the top level" : text
  }
}
