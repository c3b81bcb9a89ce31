internal import CryptoPrimitives
internal import Foundation
public import Logging
internal import PeerIdentity
internal import Storage
internal import TaskDatabase
package import Transport

/// A connection, and how it learns of a renewed certificate.
public struct CoordinatorLine: Sendable {
  public let connection: any CoordinatorConnection
  /// Takes the new certificate's PEM.
  let reload: @Sendable (String) throws -> Void

  public init(_ connection: any CoordinatorConnection, reload: @escaping @Sendable (String) throws -> Void = { _ in }) {
    self.connection = connection
    self.reload = reload
  }

  /// Mutual TLS with the home's certificate to the address that the home pinned, or plaintext on this machine.
  ///
  /// - Throws: `PartnerError`, `PeerIdentityError`, `TLSMaterialError` or `TransportFailure` when certificate, keys or address
  ///   cannot be used.
  public static func overNetwork(
    _ enrolment: Enrolment, _ credentials: PartnerCredentials, insecureLoopback: Bool = false, logger: Logger
  ) throws -> CoordinatorLine {
    let target = try HostPort(parsing: enrolment.trainingAddress)
    if insecureLoopback {
      return CoordinatorLine(
        try CoordinationClient(
          target: target, security: .insecureLoopback(participant: enrolment.participant), logger: logger))
    }
    let key = credentials.transport.pem
    let tls = try ClientTLS(
      certificatePEM: try credentials.home.readCertificate(for: credentials.transport).pem, privateKeyPEM: key,
      authorityPEM: try credentials.home.readAuthority(of: enrolment).pem)
    return CoordinatorLine(try CoordinationClient(target: target, security: .mutualTLS(tls), logger: logger)) { certificate in
      try tls.reload(certificatePEM: certificate, privateKeyPEM: key)
    }
  }
}

/// What a home shows and proves when it connects.
public struct PartnerCredentials: Sendable {
  let home: PartnerHome
  let transport: TLSKey

  init(home: PartnerHome, keys: PartnerKeys) {
    self.home = home
    transport = keys.transport
  }
}

/// How long a partner's daemon has met nothing but connections that it does not trust, or that do not trust it.
///
/// A coordinator between two certificates, or a clock that is minutes behind, passes: only what lasts is told to a person.
package struct Distrust {
  /// How long it must last.
  package static let patience: Duration = .seconds(3600)
  private var since: ContinuousClock.Instant?
  /// Whether waiting cannot help.
  package private(set) var isFinal = false

  package init() {}

  /// For a command, which does not wait.
  static var final: Distrust {
    var distrust = Distrust()
    distrust.isFinal = true
    return distrust
  }

  /// - Parameter hasExpired: whether this partner's certificate has run out, by its own clock.
  package mutating func note(_ failure: TransportFailure, hasExpired: Bool, now: ContinuousClock.Instant = .now) {
    guard case .notTrusted = failure else { return reset() }
    let since = since ?? now
    self.since = since
    isFinal = hasExpired || now - since >= Self.patience
  }

  /// Something else was met.
  mutating func reset() { self = Distrust() }
}

/// Which failures end a partner's daemon, and what to tell its person; all others are waited out.
enum FatalFailure {
  /// - Parameter now: by this machine's clock.
  static func error(for failure: TransportFailure, home: PartnerHome, distrust: Distrust, now: Date) -> PartnerError? {
    switch failure {
    case .refused(let refusal): return error(for: refusal, home)
    case .notTrusted(let reason):
      guard distrust.isFinal else { return nil }
      if let expired = try? home.readCertificate(), expired.notAfter < now {
        return PartnerError(
          .permission,
          "the certificate \(home.certificate) ran out on \(expired.notAfter.formatted(.iso8601)), and the coordinator lets nobody in with it; \(home.renewal)"
        )
      }
      return PartnerError(
        .permission,
        "the connection is not trusted: \(reason). If this home was unplugged for longer than its certificate lasts, \(home.renewal)"
      )
    case .local(let reason): return PartnerError(.io, "this side failed: \(reason)")
    case .unreachable, .deadlineExceeded, .badAnswer, .cancelled: return nil
    }
  }

  private static func error(for refusal: TransportRefusal, _ home: PartnerHome) -> PartnerError? {
    switch refusal {
    case .superseded:
      PartnerError(
        .takenOver,
        "another process runs with this partner's identity: a second one of this home, or of a copy of it. This one ends; if nobody started another, the home was cloned: leave the task and enrol anew. \(Greeting.newHome)"
      )
    case .ledgerRolledBack(let dataset):
      PartnerError(
        .untrusted,
        "the coordinator says that it has seen a longer ledger\(dataset.isEmpty ? " of this partner than any in this home" : " '\(dataset)' than the one in this home"). \(Greeting.wordAgainstHome)"
      )
    case .revoked: PartnerError(.permission, "the coordinator has revoked this partner; ask its people")
    case .notEnrolled, .unidentified, .wrongTask:
      PartnerError(
        .permission,
        "the coordinator does not know this partner: \(refusal) If it was restored from a backup, it may have lost this partner's record: \(home.renewal); data, ledgers and caps stay"
      )
    case .certificateExpired:
      PartnerError(
        .permission,
        "the certificate \(home.certificate) ran out before it was renewed; \(home.renewal)"
      )
    case .unsupportedVersion: PartnerError(.unavailable, "\(refusal); install the version that the coordinator asks for")
    default: nil
    }
  }

  /// Whether nothing but space is missing: such an error passes without anybody touching this program.
  static func isFullDisk(_ error: any Error) -> Bool {
    switch error {
    case let error as TaskDatabaseError: error.kind == .full || error.kind == .busy
    case let error as StorageError: error.kind == .diskFull
    case let error as PartnerError: error.kind == .io && error.description.contains(String(cString: strerror(ENOSPC)))
    case let error as PeerIdentityError: error.kind == .system && error.description.contains(String(cString: strerror(ENOSPC)))
    default: false
    }
  }

  /// What the coordinator asks to wait; `nil` where it says nothing.
  static func pause(for failure: TransportFailure) -> Duration? {
    if case .refused(.rateLimited(let retryAfter)) = failure { retryAfter } else { nil }
  }
}
