internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation
internal import Transport

/// The first words of a connection: whoever speaks for a home shows its ledgers, and stops when it is an old copy.
enum Greeting {
  /// Says hello, and checks that this home is not older than what itself or the coordinator has seen of it.
  ///
  /// - Parameter open: ledgers that this process has open for writing.
  /// - Throws: `PartnerError`: `rolledBack` by what this home has written itself, `untrusted` when the coordinator says so or serves
  ///   another task; `TransportFailure`.
  static func exchange(
    _ connection: any CoordinatorConnection, home: PartnerHome, store: PartnerStore, enrolment: Enrolment,
    open: [DataSetName: LedgerState] = [:]
  ) async throws -> ServerHello {
    var states: [String: LedgerState] = [:]
    for (record, _) in try store.ledgers() {
      let path = home.ledger(of: record.name)
      let state = try open[record.name] ?? OwnLedger.read(path, key: enrolment.identity)
      if let head = record.head, !(state?.isExtension(of: head) ?? false) {
        throw PartnerError(
          .rolledBack,
          "the ledger \(path) does not reach record \(head.size), which this home has written: the file was replaced by an older one or removed; put the newest back"
        )
      }
      states[record.name.text] = state
    }
    // A home whose database was lost knows no data set, but its ledgers are there, and the coordinator asks for them.
    for name in home.ledgers(except: Set(states.keys)) {
      states[name.text] = try? OwnLedger.read(home.ledger(of: name), key: enrolment.identity)
    }
    let notes = states.sorted { $0.key < $1.key }.map { name, state in
      Transport.LedgerNote(dataset: name, size: state.head.head.size, head: state.head.head.head)
    }
    let answer = try await connection.hello(ClientHello(software: PartnerSoftware.name, ledgers: notes))
    guard answer.task == enrolment.task else {
      throw PartnerError(
        .untrusted, "the coordinator at \(enrolment.trainingAddress) serves task \(answer.task), expected \(enrolment.task)")
    }
    for shown in answer.recordedLedgers where shown.size > 0 {
      let head = LedgerHead(size: shown.size, head: shown.head)
      // A key advertisement names no data set: one of the ledgers must contain what was shown in it.
      let own = shown.dataset.isEmpty ? Array(states.values) : [states[shown.dataset]].compactMap { $0 }
      guard own.contains(where: { $0.reaches(head) }) else { throw setBack(shown) }
    }
    // A coordinator that was restored from a backup has lost what was said since.
    try store.sendAgain(after: answer.newestStatement)
    try store.note(newestStatement: answer.newestStatement)
    return answer
  }

  /// What the coordinator says of this partner's ledgers and this home does not hold, in words.
  private static func setBack(_ shown: Transport.LedgerNote) -> PartnerError {
    let ledger = shown.dataset.isEmpty ? "a ledger" : "the ledger '\(shown.dataset)'"
    let seen =
      shown.head == .zero
      ? "this partner has sent a masked input on the strength of \(ledger) with \(shown.size) records or more, and no ledger in this home has as many"
      : "this partner has shown \(ledger) with \(shown.size) records, which is not in this home"
    return PartnerError(.untrusted, "the coordinator says that \(seen). \(wordAgainstHome)")
  }

  /// What to do when the coordinator calls a home old. Its word is not signed by this partner: whoever believed a lie and began
  /// anew would give the users of this home a second budget.
  static let wordAgainstHome =
    "It shows no proof, and nothing is answered from here. If this home was restored from a backup or cloned, go on with the newest home; if not, keep this one and ask the coordinator's people what happened. \(newHome)"

  /// What nobody must forget who begins anew.
  static let newHome =
    "A new home counts the same users from nothing: keep the ledgers of the old one, and take what they have spent off its cap, or link the two (tacit-client data link), which counts it"

  /// Sends what the person decided and the coordinator has not confirmed.
  ///
  /// - Parameter key: the identity, which signs anew what has the number of a statement that this home has lost.
  /// - Returns: why statements were refused for good, one sentence each; they are not sent again.
  static func sendStatements(
    _ connection: any CoordinatorConnection, _ store: PartnerStore, key: SigningKey
  ) async throws -> [String] {
    var refusals: [String] = []
    var isRenumbered = false
    while let statement = try store.unsentStatements().first {
      var isTaken = true
      do {
        _ = try await connection.report(statement.bytes)
      } catch {
        isTaken = false
        if !isRenumbered, case .refused(.conflict) = error, try store.renumberUnsent(key: key) {
          isRenumbered = true
          continue
        }
        switch error {
        case .refused(.stageClosed(let reason)): refusals.append(reason)
        case .refused(.conflict) where try store.hasLeft:
          refusals.append(
            "\(error) The coordinator has later statements of this partner than this home, and does not take its leave: ask its people to revoke it"
          )
        case .refused(.conflict):
          refusals.append(
            "\(error) This home was restored from a copy, or an older statement came too late: what it stated does not count. State again what you want (tacit-client accept, pause, resume or leave)"
          )
        case .refused(.malformed), .refused(.badSignature): refusals.append("\(error)")
        default: throw error
        }
      }
      try store.mark(statement: statement.number, isTaken: isTaken)
    }
    return refusals
  }
}
