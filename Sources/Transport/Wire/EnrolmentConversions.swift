internal import CryptoPrimitives

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

extension Tacit_V1_EnrolRequest {
  init(_ application: EnrolmentApplication) {
    self.init()
    oldestVersion = application.versions.oldest
    newestVersion = application.versions.newest
    software = application.software
    secret = application.secret.withUnsafeBytes { Data($0) }
    certificateRequest = Data(application.certificateRequest)
    verificationKey = Data(application.verificationKey)
    proof = Data(application.proof)
  }

  func contract() throws(MalformedField) -> EnrolmentApplication {
    guard secret.count == 32 else { throw MalformedField(field: "secret") }
    return EnrolmentApplication(
      versions: try WireField.versions(oldestVersion, newestVersion),
      software: try WireField.text(software, "software", counts: 0...128),
      secret: SecretBytes(copying: secret),
      certificateRequest: try WireField.bytes(certificateRequest, "certificate_request", counts: 1...8192),
      verificationKey: try WireField.bytes(verificationKey, "verification_key", count: 32),
      proof: try WireField.bytes(proof, "proof", count: 64))
  }
}

extension Tacit_V1_EnrolResponse {
  init(_ grant: EnrolmentGrant) {
    self.init()
    participant = grant.participant
    certificatePem = grant.certificatePEM
    authorityPem = grant.authorityPEM
    coordinatorKey = Data(grant.coordinatorKey)
    roster = Data(grant.roster)
  }

  func contract() throws(MalformedField) -> EnrolmentGrant {
    EnrolmentGrant(
      participant: participant,
      certificatePEM: try WireField.text(certificatePem, "certificate_pem", counts: 1...16_384),
      authorityPEM: try WireField.text(authorityPem, "authority_pem", counts: 1...16_384),
      coordinatorKey: try WireField.bytes(coordinatorKey, "coordinator_key", count: 32), roster: [UInt8](roster))
  }
}
