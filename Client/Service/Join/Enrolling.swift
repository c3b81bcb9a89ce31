internal import CryptoPrimitives
public import Foundation
public import Logging
public import PeerIdentity
public import Transport

/// How a home enrols with a one-time token: keys are made here, the coordinator gets a request and an identity, and what it
/// answers is pinned after every part of it was checked.
public enum Enrolling {
  /// The one call of the enrolment listener; replaceable, so that tests can play coordinators that lie.
  public typealias Call = @Sendable (_ token: EnrolmentToken, _ application: EnrolmentApplication) async throws -> EnrolmentGrant

  /// What an enrolment came to.
  public struct Outcome: Sendable {
    /// Who the home is now.
    public let enrolment: Enrolment
    /// Who it was before; `nil` for a home that had not enrolled. The same, when only its certificate is new; under another number,
    /// when the coordinator had lost its record.
    public let before: Enrolment?
  }

  /// Enrols a home; one that has enrolled already gets a new certificate, when the token is for its own partner.
  ///
  /// - Parameters:
  ///   - passphrase: seals the key files; `.none` leaves them to file permissions.
  ///   - now: for the token's and the certificate's validity.
  ///   - call: by default the network's.
  /// - Throws: `PartnerError` when the home has enrolled as another partner, or when the answer does not fit the token;
  ///   `PeerIdentityError` for the token; `TransportFailure` when nobody answers.
  @discardableResult
  public static func enrol(
    token text: String, home path: String, passphrase: PassphraseSource, now: Date, call: Call
  ) async throws -> Outcome {
    let token = try EnrolmentToken(parsing: text, now: now)
    let home = try PartnerHome.create(at: path)
    guard let lock = try HomeLock(home) else {
      throw PartnerError(.superseded, "another process uses the home \(home.path); end it first")
    }
    defer { withExtendedLifetime(lock) {} }
    let store = try PartnerStore(home)
    if let known = try store.enrolment() {
      let enrolment = try await renew(known, token, home, store, passphrase: passphrase, now: now, call: call)
      return Outcome(enrolment: enrolment, before: known)
    }
    let keys = try PartnerKeys.makeOrRead(home, passphrase: passphrase)
    let grant = try await apply(token, keys, call)
    let checked = try await check(grant, token: token, keys: keys, now: now)
    try home.write(authority: grant.authorityPEM, certificate: grant.certificatePEM)
    try store.record(roster: grant.roster, version: checked.roster.version, time: Int(now.timeIntervalSince1970))
    try store.record(checked.enrolment)
    return Outcome(enrolment: checked.enrolment, before: nil)
  }

  /// Exchanges a token for a new certificate of the partner that this home is; everything else that the home has pinned stays.
  ///
  /// A coordinator that was restored from a backup older than this home's enrolment has no record of it, and enrols the same identity
  /// under another number. The home takes that number when a newer roster of the pinned key lists it, and keeps data, ledgers and caps.
  private static func renew(
    _ known: Enrolment, _ token: EnrolmentToken, _ home: PartnerHome, _ store: PartnerStore, passphrase: PassphraseSource,
    now: Date, call: Call
  ) async throws -> Enrolment {
    guard token.caFingerprint == known.authority, token.name.text == known.name else {
      throw PartnerError(
        .usage,
        "the home \(home.path) has enrolled already, as participant \(known.participant) ('\(known.name)') of task \(known.task), and the token is for '\(token.name)'\(token.caFingerprint == known.authority ? "" : " of another task"); a home is one partner: give another --home"
      )
    }
    guard try !store.isPurged, try !store.hasLeft else {
      throw PartnerError(
        .usage,
        "the home \(home.path) has \(try store.isPurged ? "been purged" : "left the task"), and gets no new certificate; to take part again, ask for an invitation under a new name and give another --home"
      )
    }
    let keys = try PartnerKeys.read(home, passphrase: passphrase)
    guard keys.identity.verificationKey == known.identity else {
      throw PartnerError(.data, "\(home.identityKey) is not the identity that this home enrolled with; put the right file back")
    }
    let grant = try await apply(token, keys, call)
    let anchor = try await checkCertificate(grant, token: token, keys: keys, now: now)
    guard anchor.taskID == known.task else { throw refuse("it is for task \(anchor.taskID)") }
    var renewed = known
    if grant.participant != known.participant {
      renewed.participant = grant.participant
      let roster = try checkRoster(grant, token: token, renewed)
      let pinned = try store.newestRoster().map { try PinnedRoster.read($0, enrolment: known, known: true).version } ?? 0
      guard roster.version > pinned else {
        throw refuse(
          "it knows this home as participant \(grant.participant), not \(known.participant), by version \(roster.version) of the roster, and this home has seen version \(pinned)"
        )
      }
      let time = Int(now.timeIntervalSince1970)
      // Before the files: whoever is interrupted here enrols with the same token again, and gets the same certificate.
      try store.renumber(renewed, roster: grant.roster, version: roster.version, key: keys.identity, time: time)
    }
    try home.write(authority: grant.authorityPEM, certificate: grant.certificatePEM)
    return renewed
  }

  private static func apply(_ token: EnrolmentToken, _ keys: PartnerKeys, _ call: Call) async throws -> EnrolmentGrant {
    let request = try CertificateRequest.create(key: keys.transport, name: token.name)
    do {
      return try await call(
        token,
        EnrolmentApplication(
          software: PartnerSoftware.name, secret: token.secret, certificateRequest: request.der,
          verificationKey: keys.identity.verificationKey.bytes,
          proof: EnrolmentProof.sign(secret: token.secret, request: request.der, key: keys.identity).bytes))
    } catch TransportFailure.refused(.conflict) {
      throw PartnerError(
        .permission,
        "the coordinator knows another partner by the name '\(token.name)', or this home's identity by another name; use the home that enrolled as '\(token.name)', or ask for an invitation under a name that nobody has"
      )
    }
  }

  /// The network's call.
  ///
  /// - Parameter insecureLoopback: plaintext; refuses any address but this machine's own.
  public static func overNetwork(insecureLoopback: Bool = false, logger: Logger) -> Call {
    { token, application in
      try await EnrolmentClient.enrol(
        target: token.enrolmentAddress, authority: insecureLoopback ? nil : token.caFingerprint, application: application,
        logger: logger)
    }
  }

  private static func refuse(_ what: String) -> PartnerError {
    PartnerError(
      .untrusted, "the coordinator's answer is not what the token promises: \(what); do not go on, and ask its people")
  }

  /// Checks authority and certificate.
  ///
  /// - Returns: the authority that the token names.
  private static func checkCertificate(
    _ grant: EnrolmentGrant, token: EnrolmentToken, keys: PartnerKeys, now: Date
  ) async throws -> TrustAnchor {
    let anchor = try TrustAnchor(pem: grant.authorityPEM)
    guard anchor.fingerprint == token.caFingerprint else {
      throw refuse(
        "its certificate authority is \(anchor.fingerprint.hex.prefix(16))…, the token says \(token.caFingerprint.hex.prefix(16))…"
      )
    }
    let certificate = try IssuedCertificate(pem: grant.certificatePEM)
    let named = try await anchor.verifyClient(certificate, at: now)
    guard named.participant == grant.participant else {
      throw refuse("the certificate names participant \(named.participant), the answer \(grant.participant)")
    }
    guard keys.transport.matches(certificate) else { throw refuse("the certificate is for another key") }
    return anchor
  }

  private static func check(
    _ grant: EnrolmentGrant, token: EnrolmentToken, keys: PartnerKeys, now: Date
  ) async throws -> (enrolment: Enrolment, roster: SignedRoster) {
    let anchor = try await checkCertificate(grant, token: token, keys: keys, now: now)
    guard let coordinatorKey = VerificationKey(bytes: grant.coordinatorKey) else { throw refuse("its signing key is no key") }
    let enrolment = Enrolment(
      task: anchor.taskID, participant: grant.participant, name: token.name.text, identity: keys.identity.verificationKey,
      coordinatorKey: coordinatorKey, authority: anchor.fingerprint, trainingAddress: "\(token.trainingAddress)",
      enrolledAt: Int(now.timeIntervalSince1970))
    return (enrolment, try checkRoster(grant, token: token, enrolment))
  }

  /// The roster that came with a certificate, signed by the pinned key, in which this partner stands.
  private static func checkRoster(_ grant: EnrolmentGrant, token: EnrolmentToken, _ enrolment: Enrolment) throws -> SignedRoster {
    let roster = try PinnedRoster.read(grant.roster, enrolment: enrolment)
    guard let own = roster.entry(of: enrolment.participant), own.verificationKey == enrolment.identity, own.status == .active,
      own.name == token.name
    else { throw refuse("its roster does not list this partner with its own number, key and name") }
    return roster
  }
}

/// What the program calls itself on the wire.
enum PartnerSoftware {
  static let name = "tacit-client 0.2.0"
}
