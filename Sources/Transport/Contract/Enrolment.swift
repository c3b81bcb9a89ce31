public import CryptoPrimitives

/// What a partner sends with its one-time token.
public struct EnrolmentApplication: Sendable {
  public var versions: VersionRange
  public var software: String
  /// The token's 32 secret bytes.
  public var secret: SecretBytes
  /// Certificate request, DER (PKCS #10).
  public var certificateRequest: [UInt8]
  /// The partner's Ed25519 key, 32 bytes.
  public var verificationKey: [UInt8]
  /// Ed25519 by that key over `EnrolmentProof.message` (Protocols/network.md §Enrolment), 64 bytes: it binds key, request and token.
  public var proof: [UInt8]

  public init(
    versions: VersionRange = .ours, software: String, secret: SecretBytes, certificateRequest: [UInt8], verificationKey: [UInt8],
    proof: [UInt8]
  ) {
    self.versions = versions
    self.software = software
    self.secret = secret
    self.certificateRequest = certificateRequest
    self.verificationKey = verificationKey
    self.proof = proof
  }
}

/// What the coordinator answers to a good token.
public struct EnrolmentGrant: Sendable, Hashable {
  /// Number in the roster.
  public var participant: UInt32
  /// The partner's certificate, PEM.
  public var certificatePEM: String
  /// The task's CA, PEM; its SHA-256 is the token's.
  public var authorityPEM: String
  /// The coordinator's Ed25519 key, 32 bytes: plans, rosters and releases are signed with it.
  public var coordinatorKey: [UInt8]
  /// The signed roster, canonical bytes (PeerIdentity).
  public var roster: [UInt8]

  public init(participant: UInt32, certificatePEM: String, authorityPEM: String, coordinatorKey: [UInt8], roster: [UInt8]) {
    self.participant = participant
    self.certificatePEM = certificatePEM
    self.authorityPEM = authorityPEM
    self.coordinatorKey = coordinatorKey
    self.roster = roster
  }
}

/// A fresh certificate for the key of the request.
public struct RenewedCertificate: Sendable, Hashable {
  public var certificatePEM: String
  /// The task's CA, PEM (the same as ever; the client checks it).
  public var authorityPEM: String

  public init(certificatePEM: String, authorityPEM: String) {
    self.certificatePEM = certificatePEM
    self.authorityPEM = authorityPEM
  }
}
