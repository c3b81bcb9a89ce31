/// What is publicly known of every item, as numbers: categories, hashed text, vectors that somebody brought.
///
/// Row i belongs to item i of the catalogue. Networks with features learn a matrix W, and an item's embedding is its own row plus
/// W's image of its features: an item that nobody has bought yet has one too. All partners compute with the same numbers, which the
/// plan names by their hash.
public struct ItemFeatures: Sendable, Equatable {
  public let itemCount: Int
  /// F: numbers of one item.
  public let dimension: Int
  /// itemCount × F, row by row.
  public let values: [Float]

  /// The most numbers of an item, and of a table.
  public static let dimensionMax = 4096
  static let entriesMax = 1 << 26
  /// The largest magnitude of a number: rows are meant to have lengths near 1.
  static let magnitudeMax: Float = 1e3

  /// - Throws: `DatasetError` for a table that no plan can name: empty, too large, or with numbers that are none or huge.
  public init(itemCount: Int, dimension: Int, values: [Float]) throws {
    guard itemCount >= 1, (1...Self.dimensionMax).contains(dimension), itemCount <= Self.entriesMax / dimension else {
      throw DatasetError(
        "the item features are \(itemCount) × \(dimension); expected at least one item, 1 to \(Self.dimensionMax) numbers of each and at most \(Self.entriesMax) in all"
      )
    }
    guard values.count == itemCount * dimension else {
      throw DatasetError("the item features hold \(values.count) numbers; expected \(itemCount) × \(dimension)")
    }
    if let bad = values.firstIndex(where: { !($0.magnitude <= Self.magnitudeMax) }) {
      throw DatasetError(
        "the features of item \(bad / dimension) (counted from 0) have \(values[bad]) in place \(bad % dimension); expected finite numbers of at most \(Int(Self.magnitudeMax))"
      )
    }
    self.itemCount = itemCount
    self.dimension = dimension
    self.values = values
  }

  /// Blocks side by side, each with rows of length at most 1.
  ///
  /// - Throws: `DatasetError` when there is none, or when they speak of different numbers of items.
  public init(joining blocks: [ItemFeatures]) throws {
    guard let first = blocks.first else { throw DatasetError("there are no item features to join; expected at least one source") }
    guard blocks.allSatisfy({ $0.itemCount == first.itemCount }) else {
      throw DatasetError(
        "item features of \(blocks.map { "\($0.itemCount)" }.joined(separator: " and ")) items cannot stand side by side")
    }
    var values: [Float] = []
    values.reserveCapacity(first.itemCount * blocks.reduce(0) { $0 + $1.dimension })
    for item in 0..<first.itemCount { for block in blocks { values += block.row(item) } }
    try self.init(itemCount: first.itemCount, dimension: blocks.reduce(0) { $0 + $1.dimension }, values: values)
  }

  public func row(_ item: Int) -> ArraySlice<Float> { values[item * dimension..<(item + 1) * dimension] }

  /// The features of the given items, in the given order.
  public func selecting(items: [Int]) throws -> ItemFeatures {
    try ItemFeatures(itemCount: items.count, dimension: dimension, values: items.flatMap { row($0) })
  }

  /// Every row over its length; rows of nothing stay.
  func normalised() throws -> ItemFeatures {
    var values = values
    for item in 0..<itemCount {
      let range = item * dimension..<(item + 1) * dimension
      let squares = values[range].reduce(0.0) { $0 + Double($1) * Double($1) }
      guard squares > 0 else { continue }
      let factor = 1 / squares.squareRoot()
      for index in range { values[index] = Float(Double(values[index]) * factor) }
    }
    return try ItemFeatures(itemCount: itemCount, dimension: dimension, values: values)
  }

  private static let label = Array("tacit item features 1\n".utf8)

  /// The bytes that the plan's hash of the features is computed over, and that partners are sent.
  ///
  /// The ASCII bytes `tacit item features 1\n`; the number of items, UInt64; F, UInt32; the values row by row, Float32. Everything
  /// is little-endian.
  public var canonicalBytes: [UInt8] {
    var bytes = Self.label
    bytes.reserveCapacity(bytes.count + 12 + 4 * values.count)
    withUnsafeBytes(of: UInt64(itemCount).littleEndian) { bytes += $0 }
    withUnsafeBytes(of: UInt32(dimension).littleEndian) { bytes += $0 }
    for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }
    return bytes
  }

  /// Reads what `canonicalBytes` wrote.
  ///
  /// - Throws: `DatasetError` for anything else.
  public init(canonicalBytes bytes: [UInt8]) throws {
    let start = Self.label.count + 12
    guard bytes.count >= start, bytes.starts(with: Self.label) else { throw Self.noFeatures }
    func integer(_ position: Int, _ width: Int) -> UInt64 {
      bytes[position..<position + width].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    let (items, dimension) = (integer(Self.label.count, 8), integer(Self.label.count + 8, 4))
    guard dimension >= 1, items <= UInt64(Self.entriesMax), dimension <= UInt64(Self.dimensionMax),
      UInt64(bytes.count - start) == 4 * items * dimension
    else { throw Self.noFeatures }
    let values = bytes.withUnsafeBytes { bytes in
      (0..<Int(items * dimension)).map {
        Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: start + 4 * $0, as: UInt32.self)))
      }
    }
    try self.init(itemCount: Int(items), dimension: Int(dimension), values: values)
  }

  private static let noFeatures = DatasetError(
    "the bytes are no table of item features: they are cut off, or something else; fetch them again, or ask the coordinator's people"
  )
}
