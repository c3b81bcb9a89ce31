/// Gives every distinct id the next index, and remembers the bytes.
///
/// Small non-negative integers, the most frequent kind of id, go through an array; other ids through a hash table of
/// our own over one byte arena, so that no string is made per row.
struct IdentifierTable {
  /// Arena positions: id `i` is `arena[offsets[i]..<offsets[i + 1]]`.
  private var arena: [UInt8] = []
  private var offsets = [0]
  /// Small integer → index + 1.
  private var direct: [Int32] = []
  /// Open addressing with linear probing: index + 1, or 0 for a free slot.
  private var slots = [Int32](repeating: 0, count: 1 << 10)
  private var slotsInUse = 0

  private static let directLimit = 1 << 22

  var count: Int { offsets.count - 1 }

  /// Whether every id is a non-negative integer in its shortest form.
  private(set) var isNumeric = true

  /// The index of an id, which is added if it is new.
  mutating func insert(_ bytes: UnsafeBufferPointer<UInt8>) -> Int32 {
    if let value = FieldValues.denseID(bytes), value < Self.directLimit {
      if value >= direct.count {
        direct.append(
          contentsOf: repeatElement(0, count: min(Self.directLimit, max(1_024, value * 2)) - direct.count))
      }
      if direct[value] == 0 { direct[value] = append(bytes) + 1 }
      return direct[value] - 1
    }
    if slotsInUse * 2 >= slots.count { grow() }
    let slot = self.slot(of: bytes)
    if slots[slot] == 0 {
      isNumeric = isNumeric && FieldValues.denseID(bytes) != nil
      slots[slot] = append(bytes) + 1
      slotsInUse += 1
    }
    return slots[slot] - 1
  }

  /// The index of an id; `nil` if it is unknown.
  func find(_ bytes: UnsafeBufferPointer<UInt8>) -> Int32? {
    if let value = FieldValues.denseID(bytes), value < Self.directLimit {
      return value < direct.count && direct[value] > 0 ? direct[value] - 1 : nil
    }
    let hit = slots[slot(of: bytes)]
    return hit > 0 ? hit - 1 : nil
  }

  mutating func insert(_ text: String) -> Int32 {
    var text = text
    return text.withUTF8 { insert($0) }
  }

  func find(_ text: String) -> Int32? {
    var text = text
    return text.withUTF8 { find($0) }
  }

  subscript(index: Int32) -> String {
    String(decoding: arena[offsets[Int(index)]..<offsets[Int(index) + 1]], as: UTF8.self)
  }

  /// Old indices in the order in which the ids are to be numbered: by value where all are numbers, otherwise in the
  /// order in which they came.
  func canonicalOrder() -> [Int32] {
    let order = Array(0..<Int32(count))
    guard isNumeric else { return order }
    let values = order.map { Int(self[$0]) ?? 0 }
    return order.sorted { values[Int($0)] < values[Int($1)] }
  }

  private mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) -> Int32 {
    precondition(count < Int(Int32.max) - 1, "more ids than an Int32 can count")
    arena.append(contentsOf: bytes)
    offsets.append(arena.count)
    return Int32(offsets.count - 2)
  }

  private func slot(of bytes: UnsafeBufferPointer<UInt8>) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: Self.hash(bytes)) & mask
    while slots[slot] > 0, !isEqual(Int(slots[slot]) - 1, bytes) { slot = (slot + 1) & mask }
    return slot
  }

  private func isEqual(_ index: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = offsets[index]
    guard offsets[index + 1] - start == bytes.count else { return false }
    for position in 0..<bytes.count where arena[start + position] != bytes[position] { return false }
    return true
  }

  private mutating func grow() {
    let old = slots
    slots = [Int32](repeating: 0, count: old.count * 2)
    let mask = slots.count - 1
    arena.withUnsafeBufferPointer { arena in
      for entry in old where entry > 0 {
        let index = Int(entry) - 1
        let hash = Self.hash(UnsafeBufferPointer(rebasing: arena[offsets[index]..<offsets[index + 1]]))
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] > 0 { slot = (slot + 1) & mask }
        slots[slot] = entry
      }
    }
  }

  /// FNV-1a with a final mix; ids are short.
  private static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    hash ^= hash >> 32
    return hash &* 0x9E37_79B9_7F4A_7C15 >> 20
  }
}
