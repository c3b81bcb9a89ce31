public import Recommender

/// A list of users or items: one id column, any further columns as text.
struct AttributeFile {
  let ids: [String]
  /// Column → one value per id.
  let columns: [String: [String]]

  /// - Parameters:
  ///   - role: `.user` or `.item`: which column holds the ids.
  ///   - table: receives the ids in the file's order.
  /// - Throws: `DataImportError` for a missing id column, a blank or repeated id, or a wrong number of fields.
  init(path: String, role: ColumnRole, table: inout IdentifierTable) throws {
    let reader = try RowReader(path: path)
    guard try reader.next() else {
      throw DataImportError(
        file: path, found: "nothing but empty lines",
        expected: "a header line and one row per \(role.rawValue)",
        advice: "check that the file was written completely")
    }
    let header = try Header(reader)
    guard let idColumn = try header.position(of: role, in: .automatic) else {
      throw DataImportError(
        file: path, line: 1, found: "the columns \(header.names.map { shown($0) }.joined(separator: ", "))",
        expected: "a column '\(role.rawValue)'", advice: "rename the column with the ids")
    }
    let others = header.names.indices.filter { $0 != idColumn }
    var ids: [String] = []
    var values = [[String]](repeating: [], count: header.names.count)
    while try reader.next() {
      guard reader.fieldCount == header.names.count else {
        throw DataImportError(
          file: path, line: reader.line, found: "\(reader.fieldCount) fields",
          expected: "\(header.names.count) fields as in the first line",
          advice: "check the row for a missing or surplus \(reader.separator.name)")
      }
      let bytes = try checkedID(reader, idColumn, role.rawValue)
      let before = table.count
      guard Int(table.insert(bytes)) == before else {
        throw DataImportError(
          file: path, line: reader.line, found: "the \(role.rawValue) \(shown(bytes)) a second time",
          expected: "every \(role.rawValue) once", advice: "remove one of the rows")
      }
      ids.append(String(decoding: bytes, as: UTF8.self))
      for column in others { values[column].append(reader.text(column)) }
    }
    guard !ids.isEmpty else {
      throw DataImportError(
        file: path, found: "a header line and no rows", expected: "at least one \(role.rawValue)",
        advice: "check that the file was written completely")
    }
    try refuseLookalikes(ids, file: path, role: role.rawValue)
    self.ids = ids
    columns = Dictionary(uniqueKeysWithValues: others.map { (header.names[$0], values[$0]) })
  }
}

/// Ids that differ in bytes but not to the eye (é written in two ways) would be one key in every Swift dictionary.
func refuseLookalikes(_ ids: [String], file: String, role: String) throws {
  var seen = Set<String>(minimumCapacity: ids.count)
  for id in ids where !seen.insert(id).inserted {
    throw DataImportError(
      file: file, found: "the \(role) \(shown(id)) written with two different sequences of code points",
      expected: "ids that differ in more than their Unicode normal form",
      advice: "write the ids in one normal form (NFC)")
  }
}

/// A public catalogue file: item ids in their agreed order, with titles and other attributes as further columns.
public enum CatalogueFile {
  /// - Throws: `DataImportError` with the first thing that does not fit.
  public static func read(path: String) throws -> Catalogue {
    var table = IdentifierTable()
    let file = try AttributeFile(path: path, role: .item, table: &table)
    return Catalogue(itemIDs: file.ids, attributes: file.columns)
  }
}

/// A partner's own item codes and the public items that they mean.
public struct ItemCodes: Sendable, Equatable {
  /// The file that it was read from, for messages.
  public let source: String
  /// Code → public item id.
  public let itemByCode: [String: String]

  public init(source: String, itemByCode: [String: String]) {
    self.source = source
    self.itemByCode = itemByCode
  }

  /// Reads a file with the columns `code` and `item`.
  ///
  /// Several codes may mean one item; one code cannot mean two.
  ///
  /// - Throws: `DataImportError` with the first thing that does not fit.
  public init(path: String) throws {
    let reader = try RowReader(path: path)
    guard try reader.next() else {
      throw DataImportError(
        file: path, found: "nothing but empty lines", expected: "the columns code and item",
        advice: "check that the file was written completely")
    }
    let header = try Header(reader)
    let names = header.names.map { $0.lowercased() }
    guard let code = names.firstIndex(of: "code"), let item = names.firstIndex(of: "item") else {
      throw DataImportError(
        file: path, line: 1, found: "the columns \(header.names.map { shown($0) }.joined(separator: ", "))",
        expected: "the columns 'code' and 'item'", advice: "rename the columns")
    }
    var itemByCode: [String: String] = [:]
    while try reader.next() {
      guard reader.fieldCount == names.count else {
        throw DataImportError(
          file: path, line: reader.line, found: "\(reader.fieldCount) fields",
          expected: "\(names.count) fields as in the first line",
          advice: "check the row for a missing or surplus \(reader.separator.name)")
      }
      let key = String(decoding: try checkedID(reader, code, "code"), as: UTF8.self)
      let value = String(decoding: try checkedID(reader, item, "item"), as: UTF8.self)
      guard itemByCode[key, default: value] == value else {
        throw DataImportError(
          file: path, line: reader.line, found: "the code \(shown(key)) for a second item",
          expected: "one item per code",
          advice: "remove one of the rows")
      }
      itemByCode[key] = value
    }
    guard !itemByCode.isEmpty else {
      throw DataImportError(
        file: path, found: "a header line and no rows", expected: "at least one code",
        advice: "check that the file was written completely")
    }
    self.init(source: path, itemByCode: itemByCode)
  }
}

/// The bytes of an id: not blank, no negative number, no control characters; spaces around it do not count.
func checkedID(_ reader: RowReader, _ column: Int, _ role: String) throws -> UnsafeBufferPointer<UInt8> {
  let bytes = FieldValues.trimmed(reader.field(column))
  let article = role == "item" ? "an" : "a"
  guard !bytes.isEmpty else {
    throw DataImportError(
      file: reader.path, line: reader.line, found: "no \(role) (the field is blank)",
      expected: "\(article) \(role) id",
      advice: "fill it in, remove the row, or have such rows left out with --bad-rows ignore")
  }
  if FieldValues.isNegativeInteger(bytes) {
    throw DataImportError(
      file: reader.path, line: reader.line, found: "the \(role) \(shown(bytes))",
      expected: "\(article) \(role) id that is a number from 0 or a text", advice: "correct or remove the row"
    )
  }
  for byte in bytes where byte < 32 || byte == 127 {
    throw DataImportError(
      file: reader.path, line: reader.line, found: "the \(role) \(shown(bytes))",
      expected: "\(article) \(role) id without control characters", advice: "correct the id")
  }
  return bytes
}
