/// Where the fields of one row begin and end in the reader's buffer.
///
/// A list that is filled and emptied once per row, so it is memory of its own without reference counts; whoever holds it
/// deallocates it.
struct FieldBounds {
  private(set) var count = 0
  private var capacity = 64
  /// Begin of field i at 2i, its end at 2i + 1.
  private var positions = UnsafeMutablePointer<Int>.allocate(capacity: 2 * 64)

  subscript(index: Int) -> (start: Int, end: Int) {
    get {
      precondition(index < count, "a row has no field \(index)")
      return (positions[2 * index], positions[2 * index + 1])
    }
    set {
      precondition(index < count, "a row has no field \(index)")
      (positions[2 * index], positions[2 * index + 1]) = newValue
    }
  }

  mutating func removeAll() { count = 0 }

  mutating func append(_ start: Int, _ end: Int) {
    if count == capacity { grow() }
    positions[2 * count] = start
    positions[2 * count + 1] = end
    count += 1
  }

  /// Adds an offset to every position.
  mutating func move(by offset: Int) { for index in 0..<2 * count { positions[index] += offset } }

  func deallocate() { positions.deallocate() }

  /// Replaces the list by the fields between separators, in one pass over the bytes, eight at a time.
  ///
  /// - Parameters:
  ///   - separator: one byte below 0x80.
  /// - Returns: whether there is a quotation mark in the row, and whether all of it is ASCII.
  mutating func split(
    _ buffer: UnsafeMutablePointer<UInt8>, _ row: Range<Int>, at separator: UInt8
  ) -> (hasMark: Bool, isASCII: Bool) {
    let low: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
    let ones: UInt64 = 0x0101_0101_0101_0101
    let separators = ones &* UInt64(separator)
    let marks = ones &* 34
    // The high bit of each byte that is zero; exact, unlike the shorter (x - 1) & ~x (Warren, Hacker's Delight, section 6-1).
    func zeros(_ word: UInt64) -> UInt64 { ~(((word & low) &+ low) | word | low) }
    count = 0
    var fieldStart = row.lowerBound
    var position = row.lowerBound
    var seen: UInt64 = 0
    var quoted: UInt64 = 0
    while position + 8 <= row.upperBound {
      let word = UInt64(littleEndian: UnsafeRawPointer(buffer + position).loadUnaligned(as: UInt64.self))
      seen |= word
      quoted |= zeros(word ^ marks)
      var hits = zeros(word ^ separators)
      while hits != 0 {
        let end = position + hits.trailingZeroBitCount >> 3
        append(fieldStart, end)
        fieldStart = end + 1
        hits &= hits &- 1
      }
      position += 8
    }
    while position < row.upperBound {
      let byte = buffer[position]
      seen |= UInt64(byte)
      if byte == 34 { quoted = 1 }
      if byte == separator {
        append(fieldStart, position)
        fieldStart = position + 1
      }
      position += 1
    }
    append(fieldStart, row.upperBound)
    return (quoted != 0, seen & ~low == 0)
  }

  private mutating func grow() {
    let larger = UnsafeMutablePointer<Int>.allocate(capacity: 4 * capacity)
    larger.update(from: positions, count: 2 * capacity)
    positions.deallocate()
    positions = larger
    capacity *= 2
  }
}
