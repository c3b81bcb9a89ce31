package import CryptoPrimitives

/// The Merkle tree of RFC 9162 §2.1.1 over SHA-256: leaves are H(0x00 ‖ bytes), nodes H(0x01 ‖ left ‖ right), and a
/// list is split at the largest power of two below its length.
package enum MerkleTree {
  /// The root over a list of leaves; not empty.
  package static func root(_ leaves: [Digest]) -> Digest { root(leaves[...]) }

  package static func leafHash(_ bytes: [UInt8]) -> Digest { SHA256.hash([0] + bytes) }

  /// The inclusion paths of all leaves, each from the lowest sibling to the highest (RFC 9162 §2.1.3.1).
  package static func paths(_ leaves: [Digest]) -> [[Digest]] {
    var paths = [[Digest]](repeating: [], count: leaves.count)
    _ = collect(leaves[...], into: &paths)
    return paths
  }

  /// The root that a leaf and its path lead to; `nil` when the path's length does not fit (RFC 9162 §2.1.3.2).
  package static func root(leaf: Digest, index: Int, leafCount: Int, path: [Digest]) -> Digest? {
    guard index >= 0, index < leafCount else { return nil }
    var position = index
    var last = leafCount - 1
    var hash = leaf
    for sibling in path {
      if last == 0 { return nil }
      if position & 1 == 1 || position == last {
        hash = nodeHash(sibling, hash)
        while position & 1 == 0 && position != 0 {
          position >>= 1
          last >>= 1
        }
      } else {
        hash = nodeHash(hash, sibling)
      }
      position >>= 1
      last >>= 1
    }
    return last == 0 ? hash : nil
  }

  private static func root(_ leaves: ArraySlice<Digest>) -> Digest {
    if leaves.count == 1 { return leaves[leaves.startIndex] }
    let middle = leaves.startIndex + split(leaves.count)
    return nodeHash(root(leaves[..<middle]), root(leaves[middle...]))
  }

  private static func collect(_ leaves: ArraySlice<Digest>, into paths: inout [[Digest]]) -> Digest {
    if leaves.count == 1 { return leaves[leaves.startIndex] }
    let middle = leaves.startIndex + split(leaves.count)
    let left = collect(leaves[..<middle], into: &paths)
    let right = collect(leaves[middle...], into: &paths)
    for index in leaves.startIndex..<middle { paths[index].append(right) }
    for index in middle..<leaves.endIndex { paths[index].append(left) }
    return nodeHash(left, right)
  }

  private static func nodeHash(_ left: Digest, _ right: Digest) -> Digest {
    SHA256.hash([1] + left.bytes + right.bytes)
  }

  private static func split(_ count: Int) -> Int {
    var power = 1
    while power * 2 < count { power *= 2 }
    return power
  }
}
