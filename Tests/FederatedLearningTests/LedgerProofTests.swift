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
      changed(statement: LedgerStatement(key: LedgerWorld.stranger.verificationKey, head: head)),
      changed(statement: LedgerStatement(key: key, head: otherRoot)),
    ] { #expect(bad.objection != nil) }
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
