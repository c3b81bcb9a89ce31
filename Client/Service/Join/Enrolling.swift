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

  /// Enrols a home.
  ///
  /// - Parameters:
  ///   - passphrase: seals the key files; `.none` leaves them to file permissions.
  ///   - now: for the token's and the certificate's validity.
  ///   - call: by default the network's.
  /// - Throws: `PartnerError` when the home has enrolled already, or when the answer does not fit the token;
  ///   `PeerIdentityError` for the token; `TransportFailure` when nobody answers.
  @discardableResult
  public static func enrol(
    token text: String, home path: String, passphrase: PassphraseSource, now: Date, call: Call
  ) async throws -> Enrolment {
    let token = try EnrolmentToken(parsing: text, now: now)
    let home = try PartnerHome.create(at: path)
    guard let lock = try HomeLock(home) else {
      throw PartnerError(.superseded, "another process uses the home \(home.path); end it first")
    }
    defer { withExtendedLifetime(lock) {} }
    let store = try PartnerStore(home)
    if let known = try store.enrolment() {
      throw PartnerError(
        .usage,
        "the home \(home.path) has enrolled already, as participant \(known.participant) ('\(known.name)') of task \(known.task); a home is one partner: give another --home"
      )
    }
    let (keys, request) = try application(home, passphrase: passphrase, token: token)
    let grant = try await call(
      token,
      EnrolmentApplication(
        software: PartnerSoftware.name, secret: token.secret, certificateRequest: request.der,
        verificationKey: keys.identity.verificationKey.bytes,
        proof: EnrolmentProof.sign(secret: token.secret, request: request.der, key: keys.identity).bytes))
    let checked = try await check(grant, token: token, keys: keys, now: now)
    try HomeFile.write(Array(grant.authorityPEM.utf8), to: home.authority)
    try HomeFile.write(Array(grant.certificatePEM.utf8), to: home.certificate)
    try store.record(roster: grant.roster, version: checked.roster.version, time: Int(now.timeIntervalSince1970))
    try store.record(checked.enrolment)
    try? HomeFile.erase(requestFile(home, token))
    return checked.enrolment
  }

  /// Keys and request; those of a try that did not come to its end, when there are some. The coordinator knows a repeated
  /// application by its bytes, and a request is signed with fresh randomness: made anew, it would be somebody else's.
  private static func application(
    _ home: PartnerHome, passphrase: PassphraseSource, token: EnrolmentToken
  ) throws -> (PartnerKeys, CertificateRequest) {
    let path = requestFile(home, token)
    if !HomeFile.exists(home.identityKey) || !HomeFile.exists(home.transportKey) { try HomeFile.erase(path) }
    let keys = try PartnerKeys.makeOrRead(home, passphrase: passphrase)
    if HomeFile.exists(path), let request = try? CertificateRequest(der: HomeFile.read(path)) { return (keys, request) }
    let request = try CertificateRequest.create(key: keys.transport, name: token.name)
    try HomeFile.write(request.der, to: path)
    return (keys, request)
  }

  private static func requestFile(_ home: PartnerHome, _ token: EnrolmentToken) -> String {
    "\(home.path)/request-\(EnrolmentToken.secretHash(token.secret).hex.prefix(16)).der"
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

  private static func check(
    _ grant: EnrolmentGrant, token: EnrolmentToken, keys: PartnerKeys, now: Date
  ) async throws -> (enrolment: Enrolment, roster: SignedRoster) {
    func refuse(_ what: String) -> PartnerError {
      PartnerError(
        .untrusted, "the coordinator's answer is not what the token promises: \(what); do not go on, and ask its people")
    }
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
    guard let coordinatorKey = VerificationKey(bytes: grant.coordinatorKey) else { throw refuse("its signing key is no key") }
    let enrolment = Enrolment(
      task: anchor.taskID, participant: grant.participant, name: token.name.text, identity: keys.identity.verificationKey,
      coordinatorKey: coordinatorKey, authority: anchor.fingerprint, trainingAddress: "\(token.trainingAddress)",
      enrolledAt: Int(now.timeIntervalSince1970))
    let roster = try PinnedRoster.read(grant.roster, enrolment: enrolment)
    guard let own = roster.entry(of: grant.participant), own.verificationKey == enrolment.identity, own.status == .active,
      own.name == token.name
    else { throw refuse("its roster does not list this partner with its own key and name") }
    return (enrolment, roster)
  }
}

/// What the program calls itself on the wire.
enum PartnerSoftware {
  static let name = "tacit-client 0.1.0"
}
