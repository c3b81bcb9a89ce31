import CryptoPrimitives
import SecureAggregation
import Testing

@Suite struct MerkleTreeTests {
  private func leaves(_ count: Int) -> [Digest] { (0..<count).map { MerkleTree.leafHash([UInt8($0)]) } }

  @Test("Every leaf of every small tree is proved by its path, and by no other")
  func paths() {
    for count in 1...17 {
      let leaves = leaves(count)
      let root = MerkleTree.root(leaves)
      let paths = MerkleTree.paths(leaves)
      for index in 0..<count {
        func proves(_ leaf: Digest, _ position: Int, _ path: [Digest]) -> Bool {
          MerkleTree.root(leaf: leaf, index: position, leafCount: count, path: path) == root
        }
        #expect(proves(leaves[index], index, paths[index]))
        for other in 0..<count where other != index { #expect(!proves(leaves[index], other, paths[index])) }
        #expect(!proves(MerkleTree.leafHash([99]), index, paths[index]))
        #expect(!proves(leaves[index], index, paths[index] + [root]))
        if !paths[index].isEmpty {
          #expect(!proves(leaves[index], index, Array(paths[index].dropLast())))
          #expect(!proves(leaves[index], index, [paths[index][0].flipped()] + paths[index].dropFirst()))
        }
        #expect(!proves(leaves[index], count, paths[index]))
        #expect(!proves(leaves[index], -1, paths[index]))
      }
    }
  }

  @Test("Roots are those of RFC 9162: of one leaf the leaf's hash, of three the first two joined first")
  func shape() {
    let three = leaves(3)
    func node(_ left: Digest, _ right: Digest) -> Digest { SHA256.hash([1] + left.bytes + right.bytes) }
    #expect(MerkleTree.leafHash([5]) == SHA256.hash([0, 5]))
    #expect(MerkleTree.root([three[0]]) == three[0])
    #expect(MerkleTree.root(three) == node(node(three[0], three[1]), three[2]))
  }
}
