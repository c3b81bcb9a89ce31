public import PeerIdentity

/// The end of a home: the coordinator is told while there are keys to tell it with, then everything but the ledgers is erased.
public enum Purging {
  /// Leaves the task unless that is done, tells the coordinator if it can be reached, and erases.
  ///
  /// Erasing never waits for the coordinator: who wants the data gone gets them gone. What could not be told then cannot be told
  /// by this home any more, and the sentence says who has to do what.
  ///
  /// - Parameters:
  ///   - time: seconds since 1970.
  ///   - tell: sends the statements that the coordinator has not confirmed.
  /// - Returns: what a person has to do because the coordinator was not told; `nil` when it knows.
  /// - Throws: `PartnerError` when another process speaks for the home, or when something cannot be erased.
  public static func run(
    home: PartnerHome, store: PartnerStore, passphrase: PassphraseSource, time: Int, tell: () async throws -> Void
  ) async throws -> String? {
    // Looked at before the task is left: whoever is told to end `run` first has not left yet. `tell` takes the lock itself.
    try locked(home).release()
    var reason: String?
    let enrolment = try store.enrolment()
    if enrolment != nil, try !store.isPurged {
      do {
        if try !store.hasLeft { try Joining.state(.leave, home: home, store: store, passphrase: passphrase, time: time) }
        if try !store.unsentStatements().isEmpty { try await tell() }
      } catch { reason = "\(error)" }
    }
    let lock = try locked(home)
    defer { lock.release() }
    try Joining.purge(home: home, store: store)
    guard let enrolment, try !store.isLeaveTaken else { return nil }
    return
      "the coordinator does not know that this partner has left\(reason.map { " (\($0))" } ?? ""), and this home has no keys any more to tell it: ask its people to revoke participant \(enrolment.participant) ('\(enrolment.name)'); until then it waits for this partner in every attempt"
  }

  private static func locked(_ home: PartnerHome) throws -> HomeLock {
    guard let lock = try HomeLock(home) else {
      throw PartnerError(.superseded, "another process speaks for the home \(home.path); end it first")
    }
    return lock
  }
}
