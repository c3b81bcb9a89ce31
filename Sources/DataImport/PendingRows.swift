/// Rows that were read and checked, and wait for the numbers of their users and items.
///
/// Each number is a look-up somewhere in a table that is larger than the processor's cache; many at once, none of which depends on
/// another, wait for memory together and not one after the other.
struct PendingRows {
  struct Row {
    fileprivate let userKey: IdentifierKey
    fileprivate let itemKey: IdentifierKey
    /// Where the ids lie in `idBytes`; the user's first, then the item's, then the next row's.
    fileprivate let start: Int32
    fileprivate let middle: Int32
    fileprivate let end: Int32
    let weight: Float
    let key: Double
    let line: Int
    /// The row's partner and title among the distinct ones, 0 for none.
    let partner: Int32
    let title: Int32
    fileprivate(set) var user: Int32 = -1
    fileprivate(set) var item: Int32 = -1
  }

  private(set) var rows: [Row] = []
  private var idBytes: [UInt8] = []

  /// Whether the rows must be numbered before more are added.
  var isFull: Bool { rows.count >= Self.rowsMax || idBytes.count >= Self.bytesMax }

  private static let rowsMax = 512
  private static let bytesMax = 1 << 18

  init() { rows.reserveCapacity(Self.rowsMax) }

  mutating func append(
    user: UnsafeBufferPointer<UInt8>, item: UnsafeBufferPointer<UInt8>, weight: Float, key: Double, line: Int,
    partner: Int32, title: Int32
  ) {
    let start = idBytes.count
    idBytes.append(contentsOf: user)
    idBytes.append(contentsOf: item)
    rows.append(
      Row(
        userKey: IdentifierKey(user), itemKey: IdentifierKey(item), start: Int32(start),
        middle: Int32(start + user.count), end: Int32(idBytes.count), weight: weight, key: key, line: line,
        partner: partner, title: title))
  }

  /// Gives every row its numbers, in the order in which the rows came.
  mutating func number(_ users: inout IdentifierTable, _ items: inout IdentifierTable) {
    idBytes.withUnsafeBufferPointer { bytes in
      rows.withUnsafeMutableBufferPointer { rows in
        for index in rows.indices {
          let id = UnsafeBufferPointer(rebasing: bytes[Int(rows[index].start)..<Int(rows[index].middle)])
          rows[index].user = users.insert(rows[index].userKey, id)
        }
        for index in rows.indices {
          let id = UnsafeBufferPointer(rebasing: bytes[Int(rows[index].middle)..<Int(rows[index].end)])
          rows[index].item = items.insert(rows[index].itemKey, id)
        }
      }
    }
  }

  mutating func removeAll() {
    rows.removeAll(keepingCapacity: true)
    idBytes.removeAll(keepingCapacity: true)
  }
}
