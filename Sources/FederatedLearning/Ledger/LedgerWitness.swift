public import CryptoPrimitives
public import SecureAggregation

/// Partners' signatures under the coordinator's head at one round that they completed.
///
/// Survivors of a round sign who is in the sum, and with it the round's binding: the hash of what the coordinator signed when it
/// opened the attempt, its ledger's head among it. Opened again, that makes each of these signatures one under that head, and
/// through the transcript one under the heads that all peers had advertised. A coordinator that shows partners different ledgers gets
/// no sum; one that changes its ledger afterwards has their signatures against it.
public struct LedgerWitness: Sendable, Hashable {
  public let attempt: LedgerAttempt
  /// SHA-256 of the plan's bytes, and of the model's that the attempt was opened on.
  public let plan: Digest
  public let model: Digest
  /// The coordinator's head when the attempt was opened.
  public let head: LedgerHead
  /// What survivors signed.
  public let statement: [UInt8]
  /// By ascending participant.
  public let signatures: [ConsistencySignatures.Entry]

  init(_ start: RoundStart, statement: [UInt8], signatures: [ConsistencySignatures.Entry]) {
    attempt = LedgerAttempt(session: start.session, round: Int(start.round), attempt: Int(start.attempt))
    plan = start.planHash
    model = SHA256.hash(start.model)
    head = LedgerHead(size: start.ledgerSize, head: start.ledgerHead)
    self.statement = statement
    self.signatures = signatures
  }

  /// What the attempt's keys and signatures are bound to.
  public var binding: Digest {
    SHA256.hash(
      RoundStart.signedBytes(
        session: attempt.session, round: UInt32(clamping: attempt.round), attempt: UInt32(clamping: attempt.attempt),
        planHash: plan, modelHash: model, ledgerSize: head.size, ledgerHead: head.head))
  }

  /// Whose inputs are in the sum, as the survivors signed it; nobody when the statement is malformed.
  public var survivors: [ParticipantID] { SurvivorStatement(bytes: statement)?.survivors ?? [] }

  /// Who countersigned the head: survivors in the roster whose signatures hold, each once.
  ///
  /// - Returns: nobody when the statement is malformed, of another attempt, or bound to something else than plan, model and head.
  public func signers(in roster: [ParticipantID: VerificationKey]) -> Set<ParticipantID> {
    guard let said = SurvivorStatement(bytes: statement), said.attempt == attempt, said.binding == binding else { return [] }
    return Set(
      signatures.filter { entry in
        said.survivors.contains(entry.participant)
          && roster[entry.participant]?.verifies(entry.signature, of: statement) == true
      }.map(\.participant))
  }
}

/// One JSON object a line, in a file beside the coordinator's ledger (Protocols/ledger.md §7).
extension LedgerWitness {
  public var json: CanonicalJSON {
    .object([
      "kind": .string("tacit-ledger-witness"), "version": .integer(1), "session": .hex(attempt.session.bytes),
      "round": .natural(attempt.round), "attempt": .natural(attempt.attempt), "plan": .hex(plan.bytes),
      "model": .hex(model.bytes),
      "size": .integer(Int64(clamping: head.size)), "hash": .hex(head.head.bytes), "statement": .hex(statement),
      "signatures": .array(
        signatures.map {
          .object(["participant": .integer(Int64($0.participant.rawValue)), "signature": .hex($0.signature.bytes)])
        }),
    ])
  }

  /// - Throws: an error that says in one sentence what is missing, of another type or unknown.
  public init(json: CanonicalJSON) throws {
    var fields = try LedgerFields(json, context: "the witness")
    let kind = try fields.text("kind")
    guard kind == "tacit-ledger-witness", try fields.natural("version") == 1 else {
      throw LedgerFormatError("\(kind) is no witness of a version that this program reads")
    }
    attempt = LedgerAttempt(
      session: try fields.fixed("session"), round: try fields.place("round"), attempt: try fields.place("attempt"))
    plan = try fields.fixed("plan")
    model = try fields.fixed("model")
    head = LedgerHead(size: UInt64(try fields.natural("size")), head: try fields.fixed("hash"))
    statement = try fields.bytes("statement")
    signatures = try fields.list("signatures").map { value in
      var entry = try LedgerFields(value, context: "a signature")
      let participant = try entry.natural("participant")
      guard let number = UInt32(exactly: participant) else { throw LedgerFormatError("\(participant) is no participant") }
      let result = ConsistencySignatures.Entry(participant: ParticipantID(number), signature: try entry.fixed("signature"))
      try entry.finish()
      return result
    }
    try fields.finish()
  }
}
