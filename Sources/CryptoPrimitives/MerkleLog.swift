/// The append-only tree of hashes of RFC 9162 §2.1 over a list of entries, with its two proofs.
///
/// A leaf hashes to SHA-256(0x00 ‖ entry), a node to SHA-256(0x01 ‖ left ‖ right). The tree over n > 1 entries has as its left
/// child the tree over the first k, the largest power of two below n. Every complete subtree is kept, so that roots and proofs
/// of any earlier size take logarithmic time.
public struct MerkleLog: Sendable, Hashable {
  /// `levels[l][i]` is the root over the entries i·2^l ..< (i+1)·2^l, for all that are complete.
  private var levels: [[Digest]] = [[]]

  public init() {}

  public init(_ entries: some Sequence<[UInt8]>) { for entry in entries { append(entry) } }

  /// Number of entries.
  public var count: Int { levels[0].count }

  /// Adds an entry at the end.
  public mutating func append(_ entry: [UInt8]) {
    var hash = Self.leaf(entry)
    for level in 0... {
      if level == levels.count { levels.append([]) }
      levels[level].append(hash)
      let width = levels[level].count
      guard width.isMultiple(of: 2) else { return }
      hash = Self.node(levels[level][width - 2], hash)
    }
  }

  /// MTH of all entries; SHA-256 of nothing for an empty tree.
  public var root: Digest { root(size: count) }

  /// MTH of the first `size` entries.
  ///
  /// - Precondition: 0 ≤ size ≤ `count`.
  public func root(size: Int) -> Digest {
    precondition((0...count).contains(size), "a tree of \(count) entries has no root of size \(size)")
    return size == 0 ? SHA256.hash([]) : subtree(from: 0, size: size)
  }

  /// The hashes that lead from one entry to the root of the first `size` entries, lowest first (RFC 9162 §2.1.3.1).
  ///
  /// - Precondition: 0 ≤ index < size ≤ `count`.
  public func inclusionProof(of index: Int, size: Int) -> [Digest] {
    precondition(
      index >= 0 && index < size && size <= count, "entry \(index) is not among the first \(size) of \(count)")
    var path: [Digest] = []
    var (start, width) = (0, size)
    while width > 1 {
      let left = Self.leftWidth(width)
      if index - start < left {
        path.append(subtree(from: start + left, size: width - left))
        width = left
      } else {
        path.append(subtree(from: start, size: left))
        (start, width) = (start + left, width - left)
      }
    }
    return path.reversed()
  }

  /// The hashes that show that the first `old` entries are still the first of `new` (RFC 9162 §2.1.4.1).
  ///
  /// - Precondition: 1 ≤ old ≤ new ≤ `count`.
  public func consistencyProof(from old: Int, to new: Int) -> [Digest] {
    precondition(old >= 1 && old <= new && new <= count, "sizes \(old) and \(new) do not fit a tree of \(count) entries")
    var path: [Digest] = []
    var (start, width, inside) = (0, new, old)
    // Whether the subtree in hand is still a prefix of the old tree, whose root the verifier has.
    var isKnown = true
    while inside < width {
      let left = Self.leftWidth(width)
      if inside <= left {
        path.append(subtree(from: start + left, size: width - left))
        width = left
      } else {
        path.append(subtree(from: start, size: left))
        (start, width, inside) = (start + left, width - left, inside - left)
        isKnown = false
      }
    }
    if !isKnown { path.append(subtree(from: start, size: width)) }
    return path.reversed()
  }

  /// MTH of `size` entries from a start at which a subtree of the next power of two may begin.
  private func subtree(from start: Int, size: Int) -> Digest {
    if size & (size - 1) == 0 {
      let level = size.trailingZeroBitCount
      return levels[level][start >> level]
    }
    let left = Self.leftWidth(size)
    return Self.node(subtree(from: start, size: left), subtree(from: start + left, size: size - left))
  }

  /// The largest power of two below `size`, which is at least 2.
  private static func leftWidth(_ size: Int) -> Int { 1 << (Int.bitWidth - 1 - (size - 1).leadingZeroBitCount) }

  /// SHA-256(0x00 ‖ entry).
  public static func leaf(_ entry: [UInt8]) -> Digest { SHA256.hash([0] + entry) }

  /// SHA-256(0x01 ‖ left ‖ right).
  public static func node(_ left: Digest, _ right: Digest) -> Digest { SHA256.hash([1] + left.bytes + right.bytes) }
}

/// The verifying side: needs roots and the proof, and no entry but the one in question.
extension MerkleLog {
  /// Whether `proof` shows that the tree of `size` entries with this root holds `entry` at `index` (RFC 9162 §2.1.3.2).
  public static func includes(
    _ entry: [UInt8], at index: Int, size: Int, root: Digest, proof: [Digest]
  ) -> Bool {
    guard index >= 0, index < size else { return false }
    var (place, last) = (index, size - 1)
    var hash = leaf(entry)
    for other in proof {
      guard last > 0 else { return false }
      if place & 1 == 1 || place == last {
        hash = node(other, hash)
        while place & 1 == 0, place != 0 { (place, last) = (place >> 1, last >> 1) }
      } else {
        hash = node(hash, other)
      }
      (place, last) = (place >> 1, last >> 1)
    }
    return last == 0 && hash == root
  }

  /// Whether `proof` shows that a tree of `old` entries with the root `oldRoot` is the beginning of the tree of `new` entries
  /// with the root `newRoot` (RFC 9162 §2.1.4.2).
  public static func isConsistent(
    old: Int, oldRoot: Digest, new: Int, newRoot: Digest, proof: [Digest]
  ) -> Bool {
    guard old >= 1, old <= new else { return false }
    if old == new { return proof.isEmpty && oldRoot == newRoot }
    var rest = proof[...]
    // A complete old tree is its own first hash.
    if old & (old - 1) == 0 { rest = ([oldRoot] + proof)[...] }
    guard let first = rest.popFirst() else { return false }
    var (place, last) = (old - 1, new - 1)
    while place & 1 == 1 { (place, last) = (place >> 1, last >> 1) }
    var (oldHash, newHash) = (first, first)
    for other in rest {
      guard last > 0 else { return false }
      if place & 1 == 1 || place == last {
        oldHash = node(other, oldHash)
        newHash = node(other, newHash)
        while place & 1 == 0, place != 0 { (place, last) = (place >> 1, last >> 1) }
      } else {
        newHash = node(newHash, other)
      }
      (place, last) = (place >> 1, last >> 1)
    }
    return last == 0 && oldHash == oldRoot && newHash == newRoot
  }
}
