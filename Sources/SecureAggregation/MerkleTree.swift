package import CryptoPrimitives

/// The Merkle tree of RFC 9162 §2.1.1 over SHA-256: leaves are H(0x00 ‖ bytes), nodes H(0x01 ‖ left ‖ right), and a
/// list is split at the largest power of two below its length.
package enum MerkleTree {
  /// The root over a list of leaves; not empty.
  package static func root(_ leaves: [Digest]) -> Digest { nodes(leaves).first ?? leaves[0] }

  /// H(0x00 ‖ bytes).
  ///
  /// - Parameter hasher: has begun nothing yet, and is left so.
  package static func leafHash(_ bytes: [UInt8], by hasher: inout SHA256Hasher) -> Digest {
    hasher.update(0)
    hasher.update(bytes)
    return hasher.next()
  }

  /// The root that a leaf and its path lead to; `nil` when the path's length does not fit (RFC 9162 §2.1.3.2).
  package static func root(leaf: Digest, index: Int, leafCount: Int, path: [Digest]) -> Digest? {
    guard index >= 0, index < leafCount else { return nil }
    var position = index
    var last = leafCount - 1
    var hash = leaf
    var hasher = SHA256Hasher()
    for sibling in path {
      if last == 0 { return nil }
      if position & 1 == 1 || position == last {
        hash = nodeHash(sibling, hash, by: &hasher)
        while position & 1 == 0 && position != 0 {
          position >>= 1
          last >>= 1
        }
      } else {
        hash = nodeHash(hash, sibling, by: &hasher)
      }
      position >>= 1
      last >>= 1
    }
    return last == 0 ? hash : nil
  }

  /// The nodes above the leaves: a subtree's own node, then its left part's, then its right part's. The first is the root; there
  /// is none for a single leaf.
  package static func nodes(_ leaves: [Digest]) -> [Digest] {
    var nodes = [Digest](repeating: .zero, count: leaves.count - 1)
    var hasher = SHA256Hasher()
    _ = write(leaves[...], at: 0, into: &nodes, by: &hasher)
    return nodes
  }

  /// The inclusion path of one leaf from the lowest sibling to the highest (RFC 9162 §2.1.3.1), from `nodes` of its tree.
  ///
  /// - Parameter leaf: the hash of another leaf, asked for where a sibling is a leaf.
  package static func path(of index: Int, leafCount: Int, nodes: [Digest], leaf: (Int) -> Digest) -> [Digest] {
    var path: [Digest] = []
    path.reserveCapacity(Int.bitWidth - leafCount.leadingZeroBitCount)
    var (first, count, place) = (0, leafCount, 0)
    while count > 1 {
      let left = split(count)
      let (leftPlace, rightPlace) = (place + 1, place + left)
      if index < first + left {
        path.append(count - left == 1 ? leaf(first + left) : nodes[rightPlace])
        (count, place) = (left, leftPlace)
      } else {
        path.append(left == 1 ? leaf(first) : nodes[leftPlace])
        (first, count, place) = (first + left, count - left, rightPlace)
      }
    }
    path.reverse()
    return path
  }

  /// A subtree of c leaves has c − 1 nodes.
  private static func write(
    _ leaves: ArraySlice<Digest>, at place: Int, into nodes: inout [Digest], by hasher: inout SHA256Hasher
  ) -> Digest {
    if leaves.count == 1 { return leaves[leaves.startIndex] }
    let left = split(leaves.count)
    let middle = leaves.startIndex + left
    let leftHash = write(leaves[..<middle], at: place + 1, into: &nodes, by: &hasher)
    let rightHash = write(leaves[middle...], at: place + left, into: &nodes, by: &hasher)
    nodes[place] = nodeHash(leftHash, rightHash, by: &hasher)
    return nodes[place]
  }

  private static func nodeHash(_ left: Digest, _ right: Digest, by hasher: inout SHA256Hasher) -> Digest {
    hasher.update(1)
    hasher.update(left)
    hasher.update(right)
    return hasher.next()
  }

  private static func split(_ count: Int) -> Int {
    var power = 1
    while power * 2 < count { power *= 2 }
    return power
  }
}
