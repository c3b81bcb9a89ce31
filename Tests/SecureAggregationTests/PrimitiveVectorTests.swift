import CryptoPrimitives
import SecureAggregation
import Testing

/// Keys, commitments, shares, masks and packing against the independent Python.
@Suite struct PrimitiveVectorTests {
  private struct KeyDerivationFile: Decodable {
    struct Case: Decodable {
      let context: ContextVector
      let participant, peer: UInt32
      let maskSeed, maskPublicKey, selfMaskSeed, selfMaskKey, peerScalar, peerPublicKey: Hex
      let pairMaskKey, channelKeyToPeer, channelKeyFromPeer: Hex
    }
    let cases: [Case]
  }

  @Test("Derived keys are the file's, from both ends")
  func keyDerivation() throws {
    let file: KeyDerivationFile = try VectorFiles.load("good_key_derivation")
    #expect(file.cases.count == 4)
    for test in file.cases {
      let keys = try test.context.keys()
      let id = ParticipantID(test.participant)
      let peer = ParticipantID(test.peer)
      let own = keys.maskKeyPair(seed: test.maskSeed.secret, of: id)
      let other = X25519.SecretKey(scalar: test.peerScalar.secret)
      #expect(own.publicKey.bytes == test.maskPublicKey.bytes)
      #expect(other.publicKey.bytes == test.peerPublicKey.bytes)
      #expect(keys.selfMaskKey(seed: test.selfMaskSeed.secret, of: id).isEqual(to: test.selfMaskKey.secret))
      for key in [
        keys.pairMaskKey(own, of: id, with: other.publicKey, of: peer),
        keys.pairMaskKey(other, of: peer, with: own.publicKey, of: id),
      ] { #expect(key?.isEqual(to: test.pairMaskKey.secret) == true) }
      let toPeer = keys.channelKey(own, of: id, with: other.publicKey, of: peer, source: id)
      let fromPeer = keys.channelKey(own, of: id, with: other.publicKey, of: peer, source: peer)
      #expect(toPeer?.isEqual(to: test.channelKeyToPeer.secret) == true)
      #expect(fromPeer?.isEqual(to: test.channelKeyFromPeer.secret) == true)
    }
  }

  private struct CommitmentFile: Decodable {
    struct Tree: Decodable {
      let leafCount: Int
      let root: Hex
      let paths: [[Hex]]
    }
    let context: ContextVector
    let participant, holder: UInt32
    let point: UInt64
    let seed, selfMaskCommitment, maskSeedCommitment, share, salt: Hex
    let selfMaskShareCommitment, maskSeedShareCommitment: Hex
    let leaves: [Hex]
    let trees: [Tree]
  }

  @Test("Commitments and Merkle trees are the file's")
  func commitments() throws {
    let file: CommitmentFile = try VectorFiles.load("good_commitments")
    let keys = try file.context.keys()
    var hasher = keys.shareHasher
    let id = ParticipantID(file.participant)
    #expect(
      keys.seedCommitment(.selfMask, seed: file.seed.secret, of: id).bytes == file.selfMaskCommitment.bytes)
    #expect(
      keys.seedCommitment(.maskSeed, seed: file.seed.secret, of: id).bytes == file.maskSeedCommitment.bytes)
    for (kind, expected) in [
      (SecretKind.selfMask, file.selfMaskShareCommitment), (.maskSeed, file.maskSeedShareCommitment),
    ] {
      let commitment = (file.share.bytes + file.salt.bytes).withUnsafeBytes {
        hasher.commitment(
          dealer: id, holder: ParticipantID(file.holder), point: file.point, kind: kind, shareAndSalt: $0)
      }
      #expect(commitment.bytes == expected.bytes)
    }
    let leaves: [Digest] = try file.leaves.map { try $0.value() }
    for tree in file.trees {
      let some = Array(leaves.prefix(tree.leafCount))
      #expect(MerkleTree.root(some).bytes == tree.root.bytes)
      #expect(MerkleTree.paths(some).map { $0.map(\.bytes) } == tree.paths.map { $0.map(\.bytes) })
    }
  }

  private struct ShamirFile: Decodable {
    struct Case: Decodable {
      let seed, randomKey: Hex
      let threshold, count: Int
      let shares: [Hex]
    }
    let cases: [Case]
  }

  private struct BadShamirFile: Decodable {
    struct Case: Decodable {
      let points: [UInt64]
      let shares: [Hex]
    }
    let cases: [Case]
  }

  private struct BadElementFile: Decodable {
    let shares: [Hex]
  }

  @Test("Dealt shares are the file's and open its seeds; what no seed has is refused")
  func shamir() throws {
    let file: ShamirFile = try VectorFiles.load("good_shamir")
    for test in file.cases {
      var random: any RandomSource = KeyedRandomSource(key: test.randomKey.bytes)
      let points = (1...UInt64(test.count)).map { $0 }
      let dealt = SecretSharing.deal(
        seed: test.seed.secret, threshold: test.threshold, points: points, random: &random)
      #expect(dealt.withUnsafeBytes { Array($0) } == test.shares.flatMap(\.bytes))
      let last = Array(points.suffix(test.threshold))
      let shares: [ShareValue] = try test.shares.suffix(test.threshold).map { try $0.value() }
      let opened = SecretSharing.reconstruct(shares: shares, weights: SecretSharing.weights(points: last))
      #expect(opened?.isEqual(to: test.seed.secret) == true)
    }
    let large: BadShamirFile = try VectorFiles.load("bad_shamir_limb_too_large")
    for test in large.cases {
      let shares: [ShareValue] = try test.shares.map { try $0.value() }
      #expect(
        SecretSharing.reconstruct(shares: shares, weights: SecretSharing.weights(points: test.points)) == nil)
    }
    let elements: BadElementFile = try VectorFiles.load("bad_shamir_element_not_below_prime")
    #expect(elements.shares.count == 3)
    for share in elements.shares { #expect(ShareValue(bytes: share.bytes) == nil) }
  }

  private struct MaskFile: Decodable {
    struct Case: Decodable {
      let suite: UInt8
      let key: Hex
      let modulusBits, count: Int
      let first: [String]
      let last: String
      let sha256OfPacked: Hex
    }
    let cases: [Case]
  }

  @Test("Expanded masks are the file's")
  func masks() throws {
    let file: MaskFile = try VectorFiles.load("good_mask_expansion")
    #expect(file.cases.count == 16)
    for test in file.cases {
      var vector = RingVector(count: test.count, modulusBits: test.modulusBits)
      MaskExpansion.apply(
        [Mask(key: test.key.secret, sign: .plus)], to: &vector,
        suite: try #require(KeystreamSuite(rawValue: test.suite)),
        threads: 1)
      #expect((0..<5).map { String(vector[$0]) } == test.first)
      #expect(String(vector[test.count - 1]) == test.last)
      #expect(SHA256.hash(vector.packed()).bytes == test.sha256OfPacked.bytes)
    }
  }

  private struct PackingFile: Decodable {
    struct Case: Decodable {
      let modulusBits, count: Int
      let values: [String]
      let packed: Hex
    }
    let cases: [Case]
  }

  private struct BadPackingFile: Decodable {
    let modulusBits, count: Int
    let packed: [Hex]
  }

  @Test("Packed vectors are the file's; wrong lengths and padding bits are refused")
  func packing() throws {
    let file: PackingFile = try VectorFiles.load("good_packing")
    for test in file.cases {
      let values = try test.values.map { try #require(Int64($0)) }
      let vector = RingVector(integers: values, modulusBits: test.modulusBits)
      #expect(vector.packed() == test.packed.bytes)
      #expect(
        try RingVector(packed: test.packed.bytes, count: test.count, modulusBits: test.modulusBits) == vector)
    }
    let lengths: BadPackingFile = try VectorFiles.load("bad_packing_length")
    for packed in lengths.packed {
      #expect(throws: RingDecodingError.length(found: packed.bytes.count, expected: 5)) {
        try RingVector(packed: packed.bytes, count: lengths.count, modulusBits: lengths.modulusBits)
      }
    }
    let padding: BadPackingFile = try VectorFiles.load("bad_packing_padding")
    for packed in padding.packed {
      #expect(throws: RingDecodingError.padding) {
        try RingVector(packed: packed.bytes, count: padding.count, modulusBits: padding.modulusBits)
      }
    }
  }
}
