internal import CryptoPrimitives
internal import Testing

/// The tree of RFC 9162 against values that others published, and against its own definition written out.
@Suite struct MerkleLogTests {
  /// The eight entries of Certificate Transparency's reference tests (`testonly/constants.go` of transparency-dev/merkle, as in
  /// `merkle_tree_test.cc` of google/certificate-transparency before it).
  static let entries: [[UInt8]] = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
  ]
  .compactMap { Hexadecimal.decode($0) }
  /// Their roots by size, from 0.
  static let roots = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  ]
  /// Published paths of the same tests (`log_verifier_test.go`): entry (from 0), size.
  static let inclusions: [(index: Int, size: Int, path: [String])] = [
    (0, 1, []),
    (
      0, 8,
      [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
      ]
    ),
    (
      5, 8,
      [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      ]
    ),
  ]
  static let consistencies: [(old: Int, new: Int, path: [String])] = [
    (1, 1, []),
    (
      1, 8,
      [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
      ]
    ),
    (
      6, 8,
      [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      ]
    ),
    (
      2, 5,
      [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      ]
    ),
  ]

  @Test func `roots and proofs of the reference tree are the published ones`() throws {
    let tree = MerkleLog(Self.entries)
    #expect(tree.count == 8)
    for (size, root) in Self.roots.enumerated() {
      #expect(tree.root(size: size).hex == root)
      #expect(MerkleLog(Self.entries.prefix(size)).root.hex == root)
    }
    for (index, size, path) in Self.inclusions {
      #expect(tree.inclusionProof(of: index, size: size).map(\.hex) == path)
    }
    for (old, new, path) in Self.consistencies {
      #expect(tree.consistencyProof(from: old, to: new).map(\.hex) == path)
    }
  }

  /// MTH by its definition, without any memory.
  private static func definition(_ entries: ArraySlice<[UInt8]>) -> Digest {
    if entries.isEmpty { return SHA256.hash([]) }
    if entries.count == 1 { return SHA256.hash([0] + entries[entries.startIndex]) }
    var left = 1
    while 2 * left < entries.count { left *= 2 }
    let middle = entries.startIndex + left
    return SHA256.hash([1] + definition(entries[..<middle]).bytes + definition(entries[middle...]).bytes)
  }

  private static let sample = (0..<64).map { [UInt8(truncatingIfNeeded: $0 * 7), UInt8($0)] }

  @Test func `up to 64 entries every root is that of the definition, and every honest proof holds`() {
    let tree = MerkleLog(Self.sample)
    let roots = (0...64).map { tree.root(size: $0) }
    for size in 0...64 { #expect(roots[size] == Self.definition(Self.sample[..<size])) }
    for size in 1...64 {
      for index in 0..<size {
        let proof = tree.inclusionProof(of: index, size: size)
        #expect(MerkleLog.includes(Self.sample[index], at: index, size: size, root: roots[size], proof: proof))
      }
      for old in 1...size {
        let proof = tree.consistencyProof(from: old, to: size)
        #expect(
          MerkleLog.isConsistent(old: old, oldRoot: roots[old], new: size, newRoot: roots[size], proof: proof))
      }
    }
  }

  @Test func `a proof of another entry, place, size or root is refused, and so is one that is changed, cut or longer`() {
    let tree = MerkleLog(Self.sample)
    let roots = (0...64).map { tree.root(size: $0) }
    for size in 1...24 {
      for index in 0..<size {
        let proof = tree.inclusionProof(of: index, size: size)
        func holds(
          _ path: [Digest], _ entry: [UInt8] = Self.sample[index], at place: Int? = nil, size width: Int = size,
          root: Digest = roots[size]
        ) -> Bool { MerkleLog.includes(entry, at: place ?? index, size: width, root: root, proof: path) }
        #expect(holds(proof))
        #expect(!holds(proof, [9, 9, 9]))
        #expect(!holds(proof, at: (index + 1) % 64))
        #expect(!holds(proof, at: -1))
        #expect(!holds(proof, root: roots[size - 1]))
        for variant in Self.variants(of: proof) { #expect(!holds(variant)) }
      }
      for old in 1...size {
        let proof = tree.consistencyProof(from: old, to: size)
        func holds(_ a: Int, _ first: Digest, _ b: Int, _ second: Digest, _ path: [Digest]) -> Bool {
          MerkleLog.isConsistent(old: a, oldRoot: first, new: b, newRoot: second, proof: path)
        }
        #expect(holds(old, roots[old], size, roots[size], proof))
        #expect(!holds(old, Digest.zero, size, roots[size], proof))
        #expect(!holds(old, roots[old], size, Digest.zero, proof))
        #expect(!holds(0, roots[0], size, roots[size], proof))
        #expect(!holds(size + 1, roots[old], size, roots[size], proof))
        for variant in Self.variants(of: proof) { #expect(!holds(old, roots[old], size, roots[size], variant)) }
      }
    }
  }

  @Test func `a tree that was rewritten cannot be shown to go on from what it was`() {
    // One entry among the first `old` was changed; the proof is made by the rewritten tree, its best attempt.
    for size in 2...32 {
      let honest = MerkleLog(Self.sample.prefix(size))
      for old in 1..<size {
        for changed in [0, old / 2, old - 1] {
          var entries = Array(Self.sample.prefix(size))
          entries[changed] = [1, 2, 3]
          let rewritten = MerkleLog(entries)
          #expect(
            !MerkleLog.isConsistent(
              old: old, oldRoot: honest.root(size: old), new: size, newRoot: rewritten.root,
              proof: rewritten.consistencyProof(from: old, to: size)))
        }
      }
    }
  }

  /// The proof with each hash changed, one left out, one more at either end.
  private static func variants(of proof: [Digest]) -> [[Digest]] {
    var variants = [proof + [.zero], [.zero] + proof, proof + [proof.last ?? .zero]]
    for index in proof.indices {
      var changed = proof
      changed[index] = SHA256.hash(proof[index].bytes)
      variants.append(changed)
      changed.remove(at: index)
      variants.append(changed)
    }
    return variants
  }
}
