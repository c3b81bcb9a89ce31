/// A catalogue as a coordinator hands it to partners: the canonical bytes that plans name by their hash, and titles for people.
///
/// Length of the canonical bytes (UInt64), the bytes, number of titles (UInt64: 0, or one for each item), then for each its
/// length in UTF-8 bytes (UInt32) and those bytes; where the plan names item features, the length of their canonical bytes (UInt64)
/// and those bytes. Integers are little-endian. Titles are not part of any hash: they are words
/// for a screen, and nothing is computed from them.
public enum CatalogueDocument {
  public static func encode(_ catalogue: Catalogue, features: ItemFeatures? = nil) -> [UInt8] {
    let canonical = catalogue.canonicalBytes
    let titles = catalogue.titles ?? []
    var bytes: [UInt8] = []
    append(UInt64(canonical.count), to: &bytes)
    bytes += canonical
    append(UInt64(titles.count), to: &bytes)
    for title in titles {
      append(UInt32(title.utf8.count), to: &bytes)
      bytes += title.utf8
    }
    if let features {
      let canonical = features.canonicalBytes
      append(UInt64(canonical.count), to: &bytes)
      bytes += canonical
    }
    return bytes
  }

  /// Reads what `encode` wrote.
  ///
  /// - Returns: the catalogue, with a `title` column where the document has titles, and the canonical bytes that plans hash.
  /// - Throws: `DatasetError` for anything else: cut off, too long, an id twice or empty.
  public static func decode(_ bytes: [UInt8]) throws -> (catalogue: Catalogue, canonicalBytes: [UInt8]) {
    let parts = try parts(of: bytes)
    return (parts.catalogue, parts.canonicalBytes)
  }

  /// The item features of a document; `nil` of one without.
  ///
  /// - Throws: `DatasetError` as `decode`, or for bytes that are no features.
  public static func features(of bytes: [UInt8]) throws -> ItemFeatures? {
    try parts(of: bytes).features.map { try ItemFeatures(canonicalBytes: $0) }
  }

  private static func parts(
    of bytes: [UInt8]
  ) throws -> (catalogue: Catalogue, canonicalBytes: [UInt8], features: [UInt8]?) {
    var reader = Reader(bytes: bytes)
    let canonical = try reader.take(try reader.count(UInt64.self))
    var inner = Reader(bytes: canonical)
    guard try inner.take(label.count) == label else { throw Reader.failure }
    let ids = try inner.texts(try inner.count(UInt64.self))
    guard inner.isAtEnd, Set(ids).count == ids.count, !ids.contains("") else { throw Reader.failure }
    let titles = try reader.texts(try reader.count(UInt64.self))
    let features = reader.isAtEnd ? nil : try reader.take(try reader.count(UInt64.self))
    guard reader.isAtEnd, titles.isEmpty || titles.count == ids.count else { throw Reader.failure }
    return (Catalogue(itemIDs: ids, attributes: titles.isEmpty ? [:] : ["title": titles]), canonical, features)
  }

  private static let label = Array("tacit catalogue 1\n".utf8)

  private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }

  private struct Reader {
    let bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    static let failure = DatasetError(
      "the document is no catalogue: it is cut off, or an id stands twice; fetch it again, or ask the coordinator's people")

    var isAtEnd: Bool { position == bytes.count }

    mutating func take(_ count: Int) throws -> [UInt8] {
      guard count <= bytes.count - position else { throw Self.failure }
      defer { position += count }
      return Array(bytes[position..<position + count])
    }

    /// A number that the rest of the document could hold: nothing is reserved for more.
    mutating func count<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type) throws -> Int {
      let value = try take(MemoryLayout<T>.size).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      guard value <= UInt64(bytes.count - position) else { throw Self.failure }
      return Int(value)
    }

    mutating func texts(_ count: Int) throws -> [String] {
      try (0..<count).map { _ in
        let content = try take(try self.count(UInt32.self))
        guard let text = String(validating: content, as: UTF8.self) else { throw Self.failure }
        return text
      }
    }
  }
}
