public import CryptoPrimitives
internal import Foundation
public import Logging
public import PeerIdentity
internal import Transport

/// A command's own short connection to the coordinator, while no daemon speaks for the home.
public final class PartnerCaller: Sendable {
  private let home: PartnerHome
  private let store: PartnerStore
  private let enrolment: Enrolment
  private let keys: PartnerKeys
  private let connection: any CoordinatorConnection
  private let lock: HomeLock

  /// - Returns: `nil` when another process speaks for the home: a second one would supersede it.
  /// - Throws: `PartnerError`, `PeerIdentityError`, `TransportFailure` when the home or its keys cannot be used.
  public init?(
    home: PartnerHome, store: PartnerStore, passphrase: PassphraseSource, insecureLoopback: Bool, logger: Logger
  ) throws {
    guard let lock = try HomeLock(home) else { return nil }
    try Joining.refusePurged(store, home)
    self.lock = lock
    self.home = home
    self.store = store
    enrolment = try Joining.enrolment(of: store, home)
    keys = try PartnerKeys.read(home, passphrase: passphrase)
    connection = try CoordinatorLine.overNetwork(
      enrolment, PartnerCredentials(home: home, keys: keys), insecureLoopback: insecureLoopback, logger: logger
    ).connection
  }

  /// Brings roster, plan and catalogue into the home.
  ///
  /// - Returns: the plan's hash.
  /// - Throws: `PartnerError` when the coordinator has no plan, or shows one that is not to be trusted; `TransportFailure`.
  public func fetchPlan() async throws -> Digest {
    try await call { connection in
      do {
        // Whether it is over stands in no document.
        let answer = try await connection.poll(PollQuery(session: [], after: nil, wait: .zero))
        var end: String?
        switch answer.state {
        case .finished(let reason): end = reason
        // Its last plan may be over, and of an earlier key; it does not say.
        case .draining: throw PartnerError(.unavailable, "the coordinator is being stopped; ask again in a minute")
        case .idle, .waiting, .running: break
        }
        let hash = try await Documents.fetch(from: connection, into: store, enrolment: enrolment, time: now, end: end)
        if let end, let plan = answer.planHash { try store.noteEnd(of: plan, end) }
        return hash
      } catch TransportFailure.refused(.unknownDocument) {
        throw PartnerError(.missing, "the coordinator has no plan yet; ask its people, or try again later")
      }
    }
  }

  /// Pins a new signing key of the coordinator, whose fingerprint a person was told.
  ///
  /// - Throws: `PartnerError` of kind `untrusted` when anything does not hold; nothing is changed then. `TransportFailure`.
  public func trust(_ fingerprint: ShortFingerprint) async throws -> Enrolment {
    try await call { connection in
      do {
        return try await KeyTrust.fetch(fingerprint, from: connection, into: store, enrolment: enrolment, time: now)
      } catch TransportFailure.refused(.unknownDocument) {
        throw PartnerError(
          .untrusted,
          "the coordinator has only the key that this home has pinned, and that is not the one whose fingerprint you gave")
      }
    }
  }

  /// Sends the statements that the coordinator has not confirmed.
  ///
  /// - Returns: why statements were refused for good, one sentence each.
  public func sendStatements() async throws -> [String] {
    try await call { try await Greeting.sendStatements($0, store, key: keys.identity) }
  }

  private var now: Int { Int(Date().timeIntervalSince1970) }

  private func call<Result>(_ body: (any CoordinatorConnection) async throws -> Result) async throws -> Result {
    do {
      _ = try await Greeting.exchange(connection, home: home, store: store, enrolment: enrolment)
      try store.note(isRevoked: false)
      let result = try await body(connection)
      await connection.close()
      return result
    } catch {
      await connection.close()
      if case TransportFailure.refused(.revoked) = error { try? store.note(isRevoked: true) }
      if let failure = error as? TransportFailure,
        let fatal = FatalFailure.error(for: failure, home: home, distrust: .final, now: Date())
      {
        throw fatal
      }
      throw error
    }
  }
}
