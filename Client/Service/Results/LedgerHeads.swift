internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation

/// Heads of ledgers as this home knows them, to be read out: its own, and the coordinator's of each accepted plan.
public struct LedgerHeads: Encodable, Sendable {
  /// A head for people and programs.
  public struct Head: Encodable, Sendable, Equatable {
    public let records: UInt64
    /// 24 characters in groups of 4.
    public let fingerprint: String
    /// Chain hash of the last record, 64 hexadecimal digits.
    public let hash: String

    init(_ head: LedgerHead) {
      records = head.size
      fingerprint = head.fingerprint.text
      hash = head.head.hex
    }

    public var text: String { "\(records) records, \(fingerprint)" }
  }

  public struct Own: Encodable, Sendable {
    public let ledger: String
    public let path: String
    public let head: Head
  }

  public struct Coordinator: Encodable, Sendable {
    public let task: String
    public let session: String
    /// The newest that it has signed, in a start or with a release; `nil` before the first.
    public let newest: Head?
    /// What it showed at the newest start: every record between two starts was checked against the chain.
    public let followed: Head?
    /// The newest head that partners of an attempt signed, this one among them; `nil` before the first.
    public let countersigned: Head?
    /// How many partners did.
    public let signers: Int
  }

  public let own: [Own]
  public let coordinator: [Coordinator]

  /// - Throws: `PartnerError` when the home has not enrolled, or a ledger is damaged.
  public init(home: PartnerHome, store: PartnerStore) throws {
    let enrolment = try Joining.enrolment(of: store, home)
    own = try store.ledgers().compactMap { record, _ in
      let path = home.ledger(of: record.name)
      return try OwnLedger.read(path, key: enrolment.identity).map {
        Own(ledger: record.name.text, path: path, head: Head($0.head.head))
      }
    }
    coordinator = try store.acceptedPlans().compactMap { stored in
      let plan = try PlanFile(bytes: stored.bytes).plan
      guard let session = SessionID(hex: plan.session) else { return nil }
      let witness = try store.newestWitness(session: session)
      return Coordinator(
        task: plan.task, session: plan.session, newest: try Self.newest(session, store).map(Head.init),
        followed: try store.shownHead(session: session).map(Head.init), countersigned: witness.map { Head($0.head) },
        signers: witness?.signers(in: plan.verificationKeys).count ?? 0)
    }
  }

  /// The longest head of the coordinator that carries its signature.
  static func newest(_ session: SessionID, _ store: PartnerStore) throws -> LedgerHead? {
    let released = try store.newestRelease(session: session).map { LedgerHead(size: $0.ledgerSize, head: $0.ledgerHead) }
    return [try store.shownHead(session: session), released].compactMap { $0 }.max { $0.size < $1.size }
  }

  /// For a terminal.
  public var text: String {
    var lines: [String] = []
    for ledger in own { lines.append("own         '\(ledger.ledger)': \(ledger.head.text)") }
    if own.isEmpty { lines.append("own         none yet: nothing was ever charged") }
    for entry in coordinator {
      lines.append("coordinator '\(entry.task)': \(entry.newest?.text ?? "has shown nothing yet")")
      if let countersigned = entry.countersigned {
        lines.append(
          "            \(entry.signers) partners, this one among them, signed that they were shown \(countersigned.text)")
      }
      if let newest = entry.newest {
        lines.append("compare     at the coordinator: tacit-coordinator ledger --size \(newest.records)")
      }
    }
    return lines.joined(separator: "\n")
  }
}
