/// How the pairs of a catalogue's items are dealt to releases, in blocks of rows that are equally long.
///
/// The n (n − 1) / 2 pairs i < j are the strict upper triangle of an n × n matrix. Row k and row n − 1 − k hold n − 1 of them together: these
/// two rows are strip k, so that every strip has n − 1 entries (that of the middle row of an odd catalogue is half empty). Of B blocks,
/// block b holds the strips k ≡ b (mod B), ascending: a catalogue whose popular items stand together has them in all blocks, and a user's
/// pairs with them.
struct PairBlocks: Sendable, Equatable {
  /// n, at least 2.
  let itemCount: Int
  /// Strips in one block; the last blocks may hold one less, and zeros in its place.
  let stripsPerBlock: Int
  /// B.
  let count: Int

  /// - Parameter rows: of the matrix in one block, two to a strip; fewer where blocks can be equally long with fewer.
  init(itemCount: Int, rows: Int) {
    precondition(itemCount >= 2 && rows >= 1, "found \(itemCount) items and \(rows) rows, expected at least 2 and 1")
    let strips = (itemCount + 1) / 2
    let wanted = min(strips, (rows + 1) / 2)
    self.itemCount = itemCount
    count = (strips + wanted - 1) / wanted
    stripsPerBlock = (strips + count - 1) / count
  }

  /// Rows in a block that a partner and the coordinator of a simulation hold in about a gigabyte: 2^25 entries or one strip.
  ///
  /// A partner needs some 24 bytes for each entry (its sum in Float64, in the ring, masked and packed), a coordinator some 40.
  static func usualRows(itemCount: Int) -> Int { min(itemCount, 2 * max(1, (1 << 25) / max(1, itemCount - 1))) }

  /// n − 1, entries of a strip.
  var stripWidth: Int { itemCount - 1 }
  var stripCount: Int { (itemCount + 1) / 2 }
  /// Entries of a block, the same for all.
  var dimension: Int { stripsPerBlock * stripWidth }

  /// The strips of a block, ascending; the place in this list is the strip's slot in the block.
  func strips(of block: Int) -> StrideTo<Int> { stride(from: block, to: stripCount, by: count) }

  /// The rows of a strip: k, and n − 1 − k where that is another one.
  func rows(ofStrip strip: Int) -> [Int] {
    let other = itemCount - 1 - strip
    return other == strip ? [strip] : [strip, other]
  }

  /// Where a row's pairs are: the pair (row, column > row) is entry `origin + column` of `block`.
  func place(of row: Int) -> (block: Int, origin: Int) {
    let mirrored = itemCount - 1 - row
    let strip = min(row, mirrored)
    // Row k begins its strip at column k + 1. Row n − 1 − k stands behind the n − 1 − k pairs of row k, and begins at column n − k.
    return (strip % count, strip / count * stripWidth - (row <= mirrored ? row + 1 : 1))
  }
}
