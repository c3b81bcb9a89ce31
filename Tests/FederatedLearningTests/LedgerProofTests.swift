internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import SecureAggregation
internal import Testing

/// Heads, proofs and forks: what parties compare who do not show each other their ledgers.
@Suite struct LedgerProofTests {
  private let key = LedgerWorld.key.verificationKey

  private func state(_ bytes: [UInt8]) throws -> LedgerState {
    try #require(LedgerVerifier(key: key).verify(bytes).state)
  }

  @Test func `proofs over the chain hashes are the reference's`() throws {
    struct Proofs: Decodable {
      struct Inclusion: Decodable {
        let record: Int
        let size: Int
        let path: [String]
      }
      struct Consistency: Decodable {
        let old: Int
        let new: Int
        let path: [String]
      }
      let ledger: String
      let key: String
      let inclusion: [Inclusion]
      let consistency: [Consistency]
    }
    let file = LedgerVectorTests.folder.appendingPathComponent("proofs.json")
    let proofs = try JSONDecoder().decode(Proofs.self, from: Data(contentsOf: file))
    let bytes = try #require(Hexadecimal.decode(proofs.ledger))
    let verification = LedgerVerifier(key: VerificationKey(hex: proofs.key)).verify(bytes)
    let state = try #require(verification.state)
    let records = LedgerReader(bytes).records
    #expect(verification.isSound && state.size == 8)
    #expect(proofs.inclusion.count == 36 && proofs.consistency.count == 36)
    for vector in proofs.inclusion {
      let proof = state.proof(of: records[vector.record - 1], size: vector.size)
      #expect(proof.path.map(\.hex) == vector.path && proof.objection == nil)
    }
    for vector in proofs.consistency {
      let proof = state.growth(from: vector.old, to: vector.new)
      #expect(proof.path.map(\.hex) == vector.path && proof.objection == nil)
    }
  }

  @Test func `documents of the reference hold, or show less than they say, exactly as it found`() throws {
    struct Documents: Decodable {
      struct Vector: Decodable {
        let comment: String
        let holds: Bool
        let document: String
      }
      let documents: [Vector]
    }
    let file = LedgerVectorTests.folder.appendingPathComponent("documents.json")
    let vectors = try JSONDecoder().decode(Documents.self, from: Data(contentsOf: file)).documents
    #expect(vectors.count { $0.holds } == 4 && vectors.count { !$0.holds } == 7)
    for vector in vectors {
      let json = try CanonicalJSON(canonical: Array(vector.document.utf8))
      let document = try LedgerDocument(json: json)
      #expect((document.objection == nil) == vector.holds, "\(vector.comment): \(document.objection ?? "no objection")")
      #expect(document.json == json)
    }
  }

  @Test func `every line is a signed tree head, and documents survive being written and read`() throws {
    let bytes = try LedgerWorld.sample()
    let state = try state(bytes)
    let records = LedgerReader(bytes).records
    for size in 1...state.size {
      let statement = state.statement(size: size)
      #expect(statement.isSigned && statement.head.root == state.tree.root(size: size))
      #expect(statement.fingerprint.text.count == 29)
      for document: LedgerDocument in [
        .head(statement), .record(state.proof(of: records[0], size: size)), .growth(state.growth(from: 1, to: size)),
      ] {
        let json = try CanonicalJSON(canonical: document.json.bytes)
        #expect(try LedgerDocument(json: json) == document)
        #expect(document.objection == nil)
      }
    }
  }

  @Test func `a record proof of another payload, number, root or key is refused`() throws {
    let bytes = try LedgerWorld.sample()
    let state = try state(bytes)
    let records = LedgerReader(bytes).records
    let good = state.proof(of: records[1], size: 5)
    #expect(good.objection == nil && good.digest == records[1].digest)
    func changed(
      statement: LedgerStatement? = nil, number: Int? = nil, previous: Digest? = nil, payload: [UInt8]? = nil,
      path: [Digest]? = nil
    ) -> LedgerRecordProof {
      LedgerRecordProof(
        statement: statement ?? good.statement, number: number ?? good.number, previous: previous ?? good.previous,
        payload: payload ?? good.payload, path: path ?? good.path)
    }
    let cheaper = Array(
      String(decoding: good.payload, as: UTF8.self).replacing("epsilon_after\":0.3", with: "epsilon_after\":0.2").utf8)
    #expect(cheaper != good.payload)
    let head = good.statement.head
    let otherRoot = SignedLedgerHead(ledger: head.ledger, head: head.head, root: records[1].root, signature: head.signature)
    for bad in [
      changed(payload: cheaper), changed(number: 3), changed(number: 0), changed(previous: .zero), changed(path: []),
      changed(path: good.path + [.zero]), changed(statement: state.statement(size: 4)),
      changed(statement: LedgerStatement(key: LedgerWorld.stranger.verificationKey, head: head, place: good.statement.place)),
      changed(statement: LedgerStatement(key: key, head: otherRoot, place: good.statement.place)),
      changed(statement: LedgerStatement(key: key, head: head, place: [])),
    ] { #expect(bad.objection != nil) }
    // Proven, but not what it says: a record under another number than its own, and bytes that are no record at all.
    let third = state.proof(of: records[2], size: 5)
    #expect(
      LedgerRecordProof(
        statement: third.statement, number: 3, previous: third.previous, payload: third.payload, path: third.path
      ).objection == nil)
    for payload in [#"{"kind":"note","record":7,"text":"seven","time":0}"#, #"{"kind":"wish","record":2}"#, "no JSON"] {
      let forged = try Self.proofOfPayload(payload)
      #expect(forged.statement.objection == nil && forged.objection?.contains("no record 2") == true, "\(payload)")
    }
  }

  /// A record proof whose signature, tree and path hold, over a payload of the holder's choice as entry 2.
  private static func proofOfPayload(_ payload: String) throws -> LedgerRecordProof {
    let (ledger, _) = try LedgerWorld.ledger()
    let first = ledger.state.head.head.head
    let digest = SHA256.hash(Array("tacit/ledger/link/v1\0".utf8) + first.bytes + Array(payload.utf8))
    let tree = MerkleLog([first.bytes, digest.bytes])
    let statement = signed(ledger: first, LedgerHead(size: 2, head: digest), root: tree.root, tree.inclusionProof(of: 1, size: 2))
    return LedgerRecordProof(
      statement: statement, number: 2, previous: first, payload: Array(payload.utf8), path: tree.inclusionProof(of: 1, size: 2))
  }

  /// A head as the holder can sign it: of anything.
  private static func signed(ledger: Digest, _ head: LedgerHead, root: Digest, _ place: [Digest]) -> LedgerStatement {
    let size = (0..<8).map { UInt8(truncatingIfNeeded: head.size >> UInt64(56 - 8 * $0)) }
    let message = Array("tacit/ledger/head/v2\0".utf8) + ledger.bytes + size + head.head.bytes + root.bytes
    return LedgerStatement(
      key: LedgerWorld.key.verificationKey,
      head: SignedLedgerHead(ledger: ledger, head: head, root: root, signature: LedgerWorld.key.sign(message)), place: place)
  }

  @Test func `a holder cannot hide a fork by signing the hash that was shown beside the root of another ledger`() throws {
    // Ledger A is shown while rounds run; ledger B, without its last charges, is what the holder goes on with.
    let (shown, memory) = try LedgerWorld.ledger()
    for round in 0..<3 { try shown.charge(try LedgerWorld.request(round)) }
    let common = memory.bytes
    for round in 3..<6 { try shown.charge(try LedgerWorld.request(round)) }
    let other = try PrivacyLedger(content: common, journal: LedgerMemory(common), key: LedgerWorld.key)
    for round in 3..<8 { try other.charge(try LedgerWorld.request(round, name: "cheaper")) }
    let (a, b) = (shown.state, other.state)
    #expect(a.size == 7 && b.size == 9 && a.head.head.head != b.signedHead(size: 7).head.head)

    let honest = b.growth(from: 7, to: 9)
    #expect(honest.objection == nil)
    for place in [honest.earlier.place, a.statement.place, []] {
      let mixed = Self.signed(ledger: a.head.ledger, a.head.head, root: b.tree.root(size: 7), place)
      // The fingerprint is the one that partners noted, the signature is genuine, and the roots do grow.
      #expect(mixed.isSigned && mixed.fingerprint == a.statement.fingerprint)
      let growth = LedgerGrowthProof(earlier: mixed, later: b.statement, path: honest.path)
      #expect(growth.objection?.contains("the root of another") == true)
      #expect(growth.objection(from: a.head.head, to: b.head.head, of: key) != nil)
      let record = b.proof(of: LedgerReader(common).records[1], size: 7)
      let proof = LedgerRecordProof(
        statement: mixed, number: record.number, previous: record.previous, payload: record.payload, path: record.path)
      #expect(record.objection == nil && proof.objection?.contains("the root of another") == true)
      let document = try LedgerDocument(json: try CanonicalJSON(canonical: LedgerDocument.head(mixed).json.bytes))
      #expect(document.objection != nil)
    }
    // The same trick with the later head of the proof.
    let mixed = Self.signed(
      ledger: a.head.ledger, LedgerHead(size: 9, head: a.head.head.head), root: b.head.root, b.statement.place)
    #expect(LedgerGrowthProof(earlier: honest.earlier, later: mixed, path: honest.path).objection != nil)
  }

  @Test func `a ledger of one record is the one that its head names, and no other`() throws {
    let (ledger, _) = try LedgerWorld.ledger()
    let first = ledger.state.head.head
    let other = SHA256.hash(Array("the first record of another ledger".utf8))
    let root = MerkleLog([first.head.bytes]).root
    #expect(first.size == 1 && Self.signed(ledger: first.head, first, root: root, []).objection == nil)
    let mixed = Self.signed(ledger: other, first, root: root, [])
    #expect(mixed.isSigned && mixed.objection != nil)
  }

  @Test func `a proof of growth answers only for the heads and the key that were asked about`() throws {
    let (ledger, _) = try LedgerWorld.ledger()
    for round in 0..<4 { try ledger.charge(try LedgerWorld.request(round)) }
    let state = ledger.state
    func head(_ size: Int) -> LedgerHead { state.signedHead(size: size).head }
    let proof = state.growth(from: 3, to: 5)
    #expect(proof.objection(from: head(3), to: head(5), of: key) == nil)
    #expect(proof.objection(from: head(2), to: head(5), of: key)?.contains("begins at another head") == true)
    #expect(proof.objection(from: head(3), to: head(4), of: key)?.contains("ends at another head") == true)
    #expect(proof.objection(from: head(3), to: head(5), of: LedgerWorld.stranger.verificationKey) != nil)
    #expect(
      LedgerGrowthProof(earlier: proof.earlier, later: proof.later, path: []).objection(from: head(3), to: head(5), of: key)
        != nil)
  }

  @Test func `a holder who rewrites a record cannot show growth from the head it signed before, and both signatures prove it`()
    throws
  {
    let (ledger, memory) = try LedgerWorld.ledger()
    try ledger.charge(try LedgerWorld.request(0))
    let fork = memory.bytes
    try ledger.charge(try LedgerWorld.request(1))
    let seen = ledger.state.statement
    // The holder goes back behind the head that others saw, and goes on without that charge.
    let second = LedgerMemory(fork)
    let rewritten = try PrivacyLedger(content: fork, journal: second, key: LedgerWorld.key)
    for round in 2..<6 { try rewritten.charge(try LedgerWorld.request(round)) }

    let honest = rewritten.state.growth(from: Int(seen.head.head.size), to: 6)
    let claim = LedgerGrowthProof(earlier: seen, later: rewritten.state.statement, path: honest.path)
    #expect(honest.objection == nil)
    #expect(claim.objection?.contains("not shown to go on") == true)

    var comparison = LedgerComparison()
    comparison.add(.head(seen), from: "what was seen")
    comparison.add(rewritten.state, from: "the ledger")
    #expect(comparison.forks.count == 1 && comparison.agreements == [])
    let proof = try #require(comparison.forks.first).proof
    #expect(proof.first.isSigned(by: key) && proof.second.isSigned(by: key))
    let document = try LedgerDocument(json: LedgerDocument.fork(proof).json)
    #expect(document == .fork(proof))
    // A fork of which one signature is not the holder's is no document.
    guard case .object(var members) = LedgerDocument.fork(proof).json else { preconditionFailure("a document is an object") }
    members["key"] = .string(LedgerWorld.stranger.verificationKey.hex)
    #expect(throws: (any Error).self) { try LedgerDocument(json: .object(members)) }
  }

  @Test func `heads of different sizes agree by a whole ledger or by a proof, else what is missing is said`() throws {
    let (ledger, _) = try LedgerWorld.ledger()
    for round in 0..<4 { try ledger.charge(try LedgerWorld.request(round)) }
    let state = ledger.state
    var comparison = LedgerComparison()
    comparison.add(.head(state.statement(size: 2)), from: "a")
    comparison.add(.head(state.statement(size: 4)), from: "b")
    #expect(comparison.forks.isEmpty && comparison.unknown.count == 1)
    #expect(comparison.unknown.first?.contains("--since 2") == true)
    var proven = comparison
    proven.add(.growth(state.growth(from: 2, to: 4)), from: "c")
    #expect(proven.unknown.isEmpty && proven.forks.isEmpty)
    comparison.add(state, from: "the ledger")
    #expect(comparison.unknown.isEmpty && comparison.agreements.count == 2)
  }

  @Test func `a ledger that one holder began twice for one budget is told, and so is one that ends before a signed head`() throws
  {
    func begun(at time: Int, dataset: String = "orders", key: SigningKey = LedgerWorld.key) throws -> LedgerState {
      let header = try PrivacyLedger.headerLine(kind: .partner, holder: "bakery", dataset: dataset, created: time, key: key)
      let ledger = try PrivacyLedger(content: header, journal: LedgerMemory(header), key: key)
      for round in 0..<3 { try ledger.charge(try LedgerWorld.request(round)) }
      return ledger.state
    }
    let first = try begun(at: 1000)
    var comparison = LedgerComparison()
    comparison.add(first, from: "a")
    comparison.add(try begun(at: 1001), from: "b")
    #expect(comparison.forks.isEmpty && comparison.unrelated.isEmpty)
    #expect(comparison.restarts.count == 1 && comparison.restarts[0].contains("begun at 1000 and 1001"))
    for other in [try begun(at: 1001, dataset: "visits"), try begun(at: 1001, key: LedgerWorld.stranger)] {
      var apart = LedgerComparison()
      apart.add(first, from: "a")
      apart.add(other, from: "b")
      apart.add(.head(other.statement), from: "c")
      #expect(apart.restarts.isEmpty && apart.rollbacks.isEmpty && apart.unrelated.count == 2)
    }
    var behind = LedgerComparison()
    let (ledger, memory) = try LedgerWorld.ledger()
    for round in 0..<2 { try ledger.charge(try LedgerWorld.request(round)) }
    let short = try state(memory.bytes)
    for round in 2..<4 { try ledger.charge(try LedgerWorld.request(round)) }
    behind.add(short, from: "short")
    behind.add(.head(ledger.state.statement), from: "head")
    #expect(behind.rollbacks.count == 1 && behind.rollbacks[0].contains("short ends at record 3, but head is a signed head of 5"))
    behind.add(ledger.state, from: "whole")
    #expect(behind.rollbacks.isEmpty)
  }

  @Test func `another ledger of the same holder is neither fork nor continuation`() throws {
    let header = try PrivacyLedger.headerLine(
      kind: .partner, holder: "bakery", dataset: "visits", created: 1, key: LedgerWorld.key)
    let other = try PrivacyLedger(content: header, journal: LedgerMemory(header), key: LedgerWorld.key)
    try other.charge(try LedgerWorld.request(0))
    let mine = try state(LedgerWorld.sample())
    var comparison = LedgerComparison()
    comparison.add(mine, from: "orders")
    comparison.add(other.state, from: "visits")
    #expect(comparison.forks.isEmpty && comparison.agreements.isEmpty && comparison.unknown.isEmpty)
    let proof = LedgerGrowthProof(
      earlier: other.state.statement(size: 2), later: mine.statement, path: mine.growth(from: 2, to: 5).path)
    #expect(proof.objection?.contains("two ledgers") == true)
  }
}
