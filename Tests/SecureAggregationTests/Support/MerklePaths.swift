import CryptoPrimitives
import SecureAggregation

extension MerkleTree {
  /// The inclusion paths of all leaves, as the aggregator makes each of them.
  static func paths(_ leaves: [Digest]) -> [[Digest]] {
    let nodes = nodes(leaves)
    return leaves.indices.map { path(of: $0, leafCount: leaves.count, nodes: nodes, leaf: { leaves[$0] }) }
  }

  static func leafHash(_ bytes: [UInt8]) -> Digest {
    var hasher = SHA256Hasher()
    return leafHash(bytes, by: &hasher)
  }
}
