public import CryptoPrimitives
public import SecureAggregation

/// A signed head with the key that it verifies under: what two parties compare instead of whole ledgers.
///
/// The signature alone binds chain hash and root to each other only by the signer's word. `place` shows that the chain hash is the
/// last entry of the tree: without it a holder could sign the hash of one ledger beside the root of another, and prove from the root
/// whatever it likes about a ledger that nobody was shown.
public struct LedgerStatement: Sendable, Hashable {
  public let key: VerificationKey
  public let head: SignedLedgerHead
  /// Path of the chain hash, the last entry, to the root (RFC 9162 §2.1.3).
  public let place: [Digest]

  public init(key: VerificationKey, head: SignedLedgerHead, place: [Digest]) {
    self.key = key
    self.head = head
    self.place = place
  }

  /// Short enough to be read out: of the chain hash alone, which partners know of each other from key advertisements.
  public var fingerprint: ShortFingerprint { ShortFingerprint(of: head.head.head) }

  public var isSigned: Bool { head.isSigned(by: key) }

  /// Why nobody should rely on this head, or `nil`.
  public var objection: String? {
    guard isSigned else { return "the head is not signed by the key beside it" }
    let size = Int(clamping: head.head.size)
    guard
      MerkleLog.includes(head.head.head.bytes, at: size - 1, size: size, root: head.root, proof: place),
      size > 1 || head.head.head == head.ledger
    else {
      return
        "the chain hash of the head is not shown to be the last of the \(head.head.size) entries under its root: its holder signed the hash of one ledger with the root of another, or the path was changed"
    }
    return nil
  }
}

/// That one record stands in the ledger of a signed head, without showing the others.
public struct LedgerRecordProof: Sendable, Hashable {
  public let statement: LedgerStatement
  /// 1-based.
  public let number: Int
  /// Chain hash of the record before.
  public let previous: Digest
  /// The payload's bytes as they were chained.
  public let payload: [UInt8]
  /// RFC 9162 §2.1.3, over the chain hashes.
  public let path: [Digest]

  public init(statement: LedgerStatement, number: Int, previous: Digest, payload: [UInt8], path: [Digest]) {
    self.statement = statement
    self.number = number
    self.previous = previous
    self.payload = payload
    self.path = path
  }

  /// Chain hash of the record.
  public var digest: Digest { LedgerChain.link(previous: previous, payload: payload) }

  /// Why the proof does not hold, or `nil`.
  public var objection: String? {
    if let objection = statement.objection { return objection }
    guard case .object(let members)? = try? CanonicalJSON(canonical: payload),
      (try? LedgerEntry(payload: .object(members))) != nil, members["record"] == .natural(number)
    else { return "the payload is no record \(number) of a ledger of version \(LedgerHeader.formatVersion)" }
    guard
      MerkleLog.includes(
        digest.bytes, at: number - 1, size: Int(clamping: statement.head.head.size), root: statement.head.root, proof: path)
    else { return "the path does not lead from record \(number) to the root of the \(statement.head.head.size) signed records" }
    return nil
  }
}

/// That a later ledger goes on from an earlier head: nothing before it was changed or taken out.
public struct LedgerGrowthProof: Sendable, Hashable {
  public let earlier: LedgerStatement
  public let later: LedgerStatement
  /// RFC 9162 §2.1.4, over the chain hashes.
  public let path: [Digest]

  public init(earlier: LedgerStatement, later: LedgerStatement, path: [Digest]) {
    self.earlier = earlier
    self.later = later
    self.path = path
  }

  /// Why the proof does not hold, or `nil`.
  public var objection: String? {
    if let objection = earlier.objection ?? later.objection { return objection }
    guard earlier.key == later.key, earlier.head.ledger == later.head.ledger else {
      return "the two heads are of two ledgers"
    }
    guard
      MerkleLog.isConsistent(
        old: Int(clamping: earlier.head.head.size), oldRoot: earlier.head.root, new: Int(clamping: later.head.head.size),
        newRoot: later.head.root, proof: path)
    else {
      return
        "the \(later.head.head.size) records are not shown to go on from the \(earlier.head.head.size) that were signed before"
    }
    return nil
  }

  /// Why the proof does not answer the question of somebody who keeps `known` and is shown `shown`, or `nil`: the holder's key and
  /// both heads must be those, chain hash and size.
  ///
  /// - Parameters:
  ///   - key: the holder's, as pinned.
  public func objection(from known: LedgerHead, to shown: LedgerHead, of key: VerificationKey) -> String? {
    guard earlier.key == key, later.key == key else { return "the heads are not of the holder's key" }
    guard earlier.head.head == known else {
      return "the proof begins at another head of \(earlier.head.head.size) records than the known one of \(known.size)"
    }
    guard later.head.head == shown else {
      return "the proof ends at another head of \(later.head.head.size) records than the one of \(shown.size) that is shown"
    }
    return objection
  }
}

extension LedgerState {
  /// The last head with its key.
  public var statement: LedgerStatement { statement(size: size) }

  /// The head after record `size` with its key.
  ///
  /// - Precondition: 1 ≤ size ≤ `self.size`.
  public func statement(size: Int) -> LedgerStatement {
    LedgerStatement(key: header.key, head: signedHead(size: size), place: tree.inclusionProof(of: size - 1, size: size))
  }

  /// Shows one record to whoever has, or gets, the signed head of `size` records.
  ///
  /// - Parameters:
  ///   - record: its payload is shown, nothing of the others but hashes.
  ///   - size: at least the record's number, at most `self.size`.
  public func proof(of record: LedgerRecord, size: Int) -> LedgerRecordProof {
    LedgerRecordProof(
      statement: statement(size: size), number: record.number,
      previous: record.number == 1 ? LedgerChain.origin : signedHead(size: record.number - 1).head.head,
      payload: record.entry.payload(number: record.number).bytes,
      path: tree.inclusionProof(of: record.number - 1, size: size))
  }

  /// Shows that the first `size` records go on from the first `old`.
  ///
  /// - Precondition: 1 ≤ old ≤ size ≤ `self.size`.
  public func growth(from old: Int, to size: Int) -> LedgerGrowthProof {
    LedgerGrowthProof(
      earlier: statement(size: old), later: statement(size: size), path: tree.consistencyProof(from: old, to: size))
  }
}

/// What is handed from one party to another, as one JSON object with a `kind` (Protocols/ledger.md §7).
public enum LedgerDocument: Sendable, Equatable {
  case head(LedgerStatement)
  case record(LedgerRecordProof)
  case growth(LedgerGrowthProof)
  case fork(LedgerFork)

  /// - Throws: an error that says in one sentence what is missing, of another type or unknown.
  public init(json: CanonicalJSON) throws {
    var fields = try LedgerFields(json, context: "the document")
    let kind = try fields.text("kind")
    let version = try fields.natural("version")
    guard version == 1 else { throw LedgerFormatError("the document has version \(version), this program reads 1") }
    let key: VerificationKey = try fields.fixed("key")
    switch kind {
    case "tacit-ledger-head": self = .head(try fields.statement("head", of: key))
    case "tacit-ledger-record":
      self = .record(
        LedgerRecordProof(
          statement: try fields.statement("head", of: key), number: try fields.natural("record"),
          previous: try fields.fixed("previous"),
          payload: Array(try fields.text("payload", bytesMax: LedgerChain.lineBytesMax).utf8), path: try fields.path("path")))
    case "tacit-ledger-growth":
      self = .growth(
        LedgerGrowthProof(
          earlier: try fields.statement("earlier", of: key), later: try fields.statement("later", of: key),
          path: try fields.path("path")))
    case "tacit-ledger-fork":
      guard let fork = LedgerFork(try fields.head("first"), try fields.head("second"), key: key) else {
        throw LedgerFormatError(
          "the two heads prove no fork: expected one ledger and size, different hashes, and both signatures of the key")
      }
      self = .fork(fork)
    default: throw LedgerFormatError("\(kind) is no document about a ledger")
    }
    try fields.finish()
  }

  /// The object; `init(json:)` reads it back.
  public var json: CanonicalJSON {
    var members: [String: CanonicalJSON]
    switch self {
    case .head(let statement):
      members = ["kind": .string("tacit-ledger-head"), "key": .hex(statement.key.bytes), "head": statement.form]
    case .record(let proof):
      members = [
        "kind": .string("tacit-ledger-record"), "key": .hex(proof.statement.key.bytes), "head": proof.statement.form,
        "record": .natural(proof.number), "previous": .hex(proof.previous.bytes),
        "payload": .string(String(decoding: proof.payload, as: UTF8.self)), "path": proof.path.form,
      ]
    case .growth(let proof):
      members = [
        "kind": .string("tacit-ledger-growth"), "key": .hex(proof.later.key.bytes), "earlier": proof.earlier.form,
        "later": proof.later.form, "path": proof.path.form,
      ]
    case .fork(let fork):
      members = [
        "kind": .string("tacit-ledger-fork"), "key": .hex(fork.key.bytes), "first": fork.first.form, "second": fork.second.form,
      ]
    }
    members["version"] = .integer(1)
    return .object(members)
  }

  /// Every signed head in it.
  public var heads: [(key: VerificationKey, head: SignedLedgerHead)] {
    switch self {
    case .head, .record, .growth: statements.map { ($0.key, $0.head) }
    case .fork(let fork): [(fork.key, fork.first), (fork.key, fork.second)]
    }
  }

  /// Every head in it that others may rely on: none in a fork, whose two heads contradict each other.
  public var statements: [LedgerStatement] {
    switch self {
    case .head(let statement): [statement]
    case .record(let proof): [proof.statement]
    case .growth(let proof): [proof.earlier, proof.later]
    case .fork: []
    }
  }

  /// Why what it says is not shown, or `nil`. A fork that could be read is proven.
  public var objection: String? {
    switch self {
    case .head(let statement): statement.objection
    case .record(let proof): proof.objection
    case .growth(let proof): proof.objection
    case .fork: nil
    }
  }
}

extension LedgerFields {
  fileprivate mutating func statement(_ name: String, of key: VerificationKey) throws -> LedgerStatement {
    var fields = try LedgerFields(try value(name), context: name)
    let statement = LedgerStatement(key: key, head: try fields.head(), place: try fields.path("place"))
    try fields.finish()
    return statement
  }

  fileprivate mutating func head(_ name: String) throws -> SignedLedgerHead {
    var fields = try LedgerFields(try value(name), context: name)
    let head = try fields.head()
    try fields.finish()
    return head
  }

  private mutating func head() throws -> SignedLedgerHead {
    SignedLedgerHead(
      ledger: try fixed("ledger"), head: LedgerHead(size: UInt64(try natural("size")), head: try fixed("hash")),
      root: try fixed("root"), signature: try fixed("signature"))
  }

  fileprivate mutating func path(_ name: String) throws -> [Digest] {
    try list(name).map { value in
      var fields = try LedgerFields(.object(["hash": value]), context: "the path")
      return try fields.fixed("hash")
    }
  }
}

extension LedgerStatement {
  fileprivate var form: CanonicalJSON { .object(head.members.merging(["place": place.form]) { $1 }) }
}

extension SignedLedgerHead {
  fileprivate var members: [String: CanonicalJSON] {
    [
      "ledger": .hex(ledger.bytes), "size": .integer(Int64(clamping: head.size)), "hash": .hex(head.head.bytes),
      "root": .hex(root.bytes), "signature": .hex(signature.bytes),
    ]
  }

  fileprivate var form: CanonicalJSON { .object(members) }
}

extension [Digest] {
  fileprivate var form: CanonicalJSON { .array(map { .hex($0.bytes) }) }
}
