internal import PeerIdentity

/// The certificates of a home: nothing secret, and nothing that a new invitation does not bring again.
extension PartnerHome {
  /// The certificate with which this home connects.
  ///
  /// - Throws: `PartnerError` that names the file and the way to a new one.
  func readCertificate() throws -> IssuedCertificate {
    try named(certificate) { try IssuedCertificate(pem: String(decoding: $0, as: UTF8.self)) }
  }

  /// The same, for the home's own key.
  func readCertificate(for key: TLSKey) throws -> IssuedCertificate {
    let certificate = try readCertificate()
    guard key.matches(certificate) else {
      throw PartnerError(
        .data, "\(self.certificate): not the certificate of \(transportKey); put the right file back, or \(renewal)")
    }
    return certificate
  }

  /// The authority that signs the task's certificates: the one that was pinned, and no other.
  func readAuthority(of enrolment: Enrolment) throws -> TrustAnchor {
    let anchor = try named(authority) { try TrustAnchor(pem: String(decoding: $0, as: UTF8.self)) }
    guard anchor.fingerprint == enrolment.authority else {
      throw PartnerError(.data, "\(authority): not the authority that this home pinned when it enrolled; \(renewal)")
    }
    return anchor
  }

  func write(authority pem: String, certificate: String) throws {
    try HomeFile.write(Array(pem.utf8), to: authority)
    try HomeFile.write(Array(certificate.utf8), to: self.certificate)
  }

  /// How a home comes to a certificate when it has none that opens the door.
  var renewal: String {
    "ask the coordinator's people for a new invitation of the same name, and give it to this home: tacit-client enroll --token @FILE --home \(path)"
  }

  private func named<Content>(_ path: String, _ read: ([UInt8]) throws -> Content) throws -> Content {
    guard let bytes = HomeFile.content(path) else {
      throw PartnerError(.missing, "\(path) is missing or cannot be read; \(renewal)")
    }
    do { return try read(bytes) } catch let error as PeerIdentityError {
      throw PartnerError(.data, "\(path): \(error.description); \(renewal)")
    }
  }
}
