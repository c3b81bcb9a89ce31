public import CryptoPrimitives
internal import SecureAggregation

/// One entry with its place in the chain.
public struct LedgerRecord: Sendable, Equatable {
  /// 1-based; record 1 is the header, and the record on line n is record n.
  public let number: Int
  public let entry: LedgerEntry
  /// Chain hash after this record.
  public let digest: Digest
  /// Root of the Merkle tree over the chain hashes up to this one.
  public let root: Digest
  public let signature: Signature
}

/// The payload of an entry as JSON and back; every member is described in Protocols/ledger.md §3.
extension LedgerEntry {
  /// The payload of this entry as record `number`.
  func payload(number: Int) -> CanonicalJSON {
    var members = members
    members["kind"] = .string(kind)
    members["record"] = .integer(Int64(number))
    return .object(members)
  }

  /// - Throws: `LedgerFormatError` when a member is missing, of another type, out of range or unknown.
  init(payload: CanonicalJSON) throws {
    var fields = try LedgerFields(payload, context: "the payload")
    let kind = try fields.text("kind")
    _ = try fields.natural("record")
    switch kind {
    case "header": self = .header(try LedgerHeader(reading: &fields))
    case "charge": self = .charge(try LedgerCharge(reading: &fields))
    case "outcome": self = .outcome(try LedgerOutcome(reading: &fields))
    case "refund": self = .refund(try LedgerRefund(reading: &fields))
    case "note": self = .note(try LedgerNote(reading: &fields))
    default: throw LedgerFormatError("\(kind) is no kind of entry of version \(LedgerHeader.formatVersion)")
    }
    try fields.finish()
  }

  var kind: String {
    switch self {
    case .header: "header"
    case .charge: "charge"
    case .outcome: "outcome"
    case .refund: "refund"
    case .note: "note"
    }
  }

  private var members: [String: CanonicalJSON] {
    switch self {
    case .header(let header): header.members
    case .charge(let charge): charge.members
    case .outcome(let outcome): outcome.members
    case .refund(let refund): refund.members
    case .note(let note): ["text": .string(note.text), "time": .natural(note.time)]
    }
  }
}

extension LedgerHeader {
  fileprivate var members: [String: CanonicalJSON] {
    [
      "version": .natural(Self.formatVersion), "ledger": .string(kind.rawValue), "holder": .string(holder),
      "dataset": .string(dataset), "key": .hex(key.bytes), "created": .natural(created),
    ]
  }

  fileprivate init(reading fields: inout LedgerFields) throws {
    let version = try fields.natural("version")
    guard version == Self.formatVersion else {
      throw LedgerFormatError(
        "the ledger has format version \(version), this program reads \(Self.formatVersion)")
    }
    let name = try fields.text("ledger")
    guard let kind = Kind(rawValue: name) else {
      throw LedgerFormatError("\(name) is no kind of ledger, expected coordinator or partner")
    }
    self.init(
      kind: kind, holder: try fields.text("holder"), dataset: try fields.text("dataset"),
      key: try fields.fixed("key"), created: try fields.natural("created"))
  }
}

extension LedgerAttempt {
  fileprivate var members: [String: CanonicalJSON] {
    ["session": .hex(session.bytes), "round": .natural(round), "attempt": .natural(attempt)]
  }

  fileprivate init(reading fields: inout LedgerFields) throws {
    self.init(
      session: try fields.fixed("session"), round: try fields.place("round"),
      attempt: try fields.place("attempt"))
  }
}

extension LedgerCharge {
  fileprivate var members: [String: CanonicalJSON] {
    attempt.members.merging([
      "release": .natural(release), "name": .string(name), "plan": .hex(plan.bytes),
      "binding": .hex(binding.bytes),
      "event": event.ledgerForm, "sampler": .string(sampler), "participants": .natural(participants),
      "survivors": .natural(survivors), "delta": .real(delta), "epsilon_before": .epsilon(epsilonBefore),
      "epsilon_after": .epsilon(epsilonAfter), "accountant": .string(accountant), "time": .natural(time),
    ]) { $1 }
  }

  fileprivate init(reading fields: inout LedgerFields) throws {
    self.init(
      attempt: try LedgerAttempt(reading: &fields), release: try fields.place("release"),
      name: try fields.text("name"), plan: try fields.fixed("plan"), binding: try fields.fixed("binding"),
      event: try ChargedEvent(ledgerForm: try fields.value("event")), sampler: try fields.text("sampler"),
      participants: try fields.natural("participants"), survivors: try fields.optionalNatural("survivors"),
      delta: try fields.real("delta"), epsilonBefore: try fields.epsilon("epsilon_before"),
      epsilonAfter: try fields.epsilon("epsilon_after"), accountant: try fields.text("accountant"),
      time: try fields.natural("time"))
    guard delta > 0, delta < 1 else { throw LedgerFormatError("delta is \(delta), expected 0 < delta < 1") }
  }
}

extension LedgerOutcome {
  fileprivate var members: [String: CanonicalJSON] {
    var members = attempt.members
    members["release"] = .natural(release)
    members["survivors"] = .natural(survivors)
    members["time"] = .natural(time)
    switch result {
    case .released(let digest):
      members["result"] = .string("released")
      members["published"] = digest.map { .hex($0.bytes) } ?? .null
      members["reason"] = .null
    case .aborted(let reason):
      members["result"] = .string("aborted")
      members["published"] = .null
      members["reason"] = .string(reason)
    }
    return members
  }

  fileprivate init(reading fields: inout LedgerFields) throws {
    attempt = try LedgerAttempt(reading: &fields)
    release = try fields.place("release")
    survivors = try fields.optionalNatural("survivors")
    time = try fields.natural("time")
    switch (try fields.text("result"), try fields.value("published"), try fields.value("reason")) {
    case ("released", .null, .null): result = .released(nil)
    case ("released", let published, .null):
      var digest = try LedgerFields(.object(["published": published]), context: "the payload")
      result = .released(try digest.fixed("published"))
    case ("aborted", .null, .string(let reason)): result = .aborted(reason: reason)
    default:
      throw LedgerFormatError("the outcome is neither released (without reason) nor aborted (with one)")
    }
  }
}

extension LedgerRefund {
  fileprivate var members: [String: CanonicalJSON] {
    attempt.members.merging([
      "release": .natural(release), "statement": .hex(evidence.statement), "time": .natural(time),
      "endorsements": .array(
        evidence.endorsements.map {
          .object(["key": .hex($0.key.bytes), "signature": .hex($0.signature.bytes)])
        }),
    ]) { $1 }
  }

  fileprivate init(reading fields: inout LedgerFields) throws {
    attempt = try LedgerAttempt(reading: &fields)
    release = try fields.place("release")
    time = try fields.natural("time")
    let statement = try fields.bytes("statement")
    let endorsements = try fields.list("endorsements").map { value in
      var fields = try LedgerFields(value, context: "an endorsement")
      let endorsement = SurvivorEvidence.Endorsement(
        key: try fields.fixed("key"), signature: try fields.fixed("signature"))
      try fields.finish()
      return endorsement
    }
    evidence = SurvivorEvidence(statement: statement, endorsements: endorsements)
  }
}

extension LedgerNote {
  fileprivate init(reading fields: inout LedgerFields) throws {
    self.init(
      text: try fields.text("text", bytesMax: Self.textBytesMax), time: try fields.natural("time"))
  }
}
