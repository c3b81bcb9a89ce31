internal import Glibc

/// Gives every distinct id the next index, and remembers the bytes.
///
/// Small non-negative integers, the most frequent kind of id, go through an array; other ids through a hash table of
/// our own that holds short ids whole and long ones by their hash, over one byte arena, so that no string is made per row.
struct IdentifierTable {
  private struct Slot {
    let key: IdentifierKey
    /// Index + 1; 0 in a free slot.
    let entry: Int32

    static let free = Slot(key: IdentifierKey(UnsafeBufferPointer(start: nil, count: 0)), entry: 0)
  }

  /// Arena positions: id `i` is `arena[offsets[i]..<offsets[i + 1]]`.
  private var arena: [UInt8] = []
  private var offsets = [0]
  /// Small integer → index + 1.
  private var direct: [Int32] = []
  /// Open addressing with linear probing.
  private var slots = [Slot](repeating: .free, count: 1 << 10)
  private var slotsInUse = 0

  var count: Int { offsets.count - 1 }

  /// Whether every id is a non-negative integer in its shortest form.
  private(set) var isNumeric = true
  /// Whether every id is ASCII.
  private(set) var isASCII = true

  /// The index of an id, which is added if it is new.
  mutating func insert(_ bytes: UnsafeBufferPointer<UInt8>) -> Int32 { insert(IdentifierKey(bytes), bytes) }

  /// The same with the id's key at hand.
  @inline(__always)
  mutating func insert(_ key: IdentifierKey, _ bytes: UnsafeBufferPointer<UInt8>) -> Int32 {
    if let number = key.number {
      let entry = number < direct.count ? direct[number] : 0
      return entry > 0 ? entry - 1 : append(number: number, bytes)
    }
    let entry = slots[slot(of: key, bytes)].entry
    return entry > 0 ? entry - 1 : append(key, bytes)
  }

  /// The index of an id; `nil` if it is unknown.
  func find(_ bytes: UnsafeBufferPointer<UInt8>) -> Int32? {
    let key = IdentifierKey(bytes)
    if let number = key.number { return number < direct.count && direct[number] > 0 ? direct[number] - 1 : nil }
    let entry = slots[slot(of: key, bytes)].entry
    return entry > 0 ? entry - 1 : nil
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
    let values = arena.withUnsafeBufferPointer { arena in
      order.map { index in
        FieldValues.denseID(UnsafeBufferPointer(rebasing: arena[offsets[Int(index)]..<offsets[Int(index) + 1]])) ?? 0
      }
    }
    return order.sorted { values[Int($0)] < values[Int($1)] }
  }

  @inline(never)
  private mutating func append(number: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> Int32 {
    if number >= direct.count {
      let size = min(IdentifierKey.numberLimit, max(1_024, number * 2))
      direct.append(contentsOf: repeatElement(0, count: size - direct.count))
    }
    let index = append(bytes)
    direct[number] = index + 1
    return index
  }

  @inline(never)
  private mutating func append(_ key: IdentifierKey, _ bytes: UnsafeBufferPointer<UInt8>) -> Int32 {
    if slotsInUse * 2 >= slots.count { grow() }
    isNumeric = isNumeric && FieldValues.denseID(bytes) != nil
    isASCII = isASCII && bytes.allSatisfy { $0 < 0x80 }
    let index = append(bytes)
    slots[slot(of: key, bytes)] = Slot(key: key, entry: index + 1)
    slotsInUse += 1
    return index
  }

  private mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) -> Int32 {
    precondition(count < Int(Int32.max) - 1, "more ids than an Int32 can count")
    arena.append(contentsOf: bytes)
    offsets.append(arena.count)
    return Int32(offsets.count - 2)
  }

  /// The slot that holds the id, or the free one where it belongs.
  @inline(__always)
  private func slot(of key: IdentifierKey, _ bytes: UnsafeBufferPointer<UInt8>) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: key.spread) & mask
    while true {
      let held = slots[slot]
      if held.entry == 0 { return slot }
      if held.key == key, !key.isHash || isEqual(Int(held.entry) - 1, bytes) { return slot }
      slot = (slot + 1) & mask
    }
  }

  private func isEqual(_ index: Int, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = offsets[index]
    guard offsets[index + 1] - start == bytes.count else { return false }
    return arena.withUnsafeBufferPointer { arena in
      guard let own = arena.baseAddress, let other = bytes.baseAddress else { return true }
      return memcmp(own + start, other, bytes.count) == 0
    }
  }

  private mutating func grow() {
    let old = slots
    slots = [Slot](repeating: .free, count: old.count * 2)
    let mask = slots.count - 1
    for held in old where held.entry > 0 {
      var slot = Int(truncatingIfNeeded: held.key.spread) & mask
      while slots[slot].entry > 0 { slot = (slot + 1) & mask }
      slots[slot] = held
    }
  }
}
