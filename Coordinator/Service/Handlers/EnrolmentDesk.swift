public import CryptoPrimitives
package import Foundation
package import Logging
internal import Operations
internal import PeerIdentity
public import Transport

/// Answers strangers who hold an invitation.
public struct EnrolmentDesk: EnrolmentHandler {
  let state: CoordinatorState
  let logger: Logger
  let clock: @Sendable () -> Date

  package init(state: CoordinatorState, logger: Logger, clock: @escaping @Sendable () -> Date) {
    self.state = state
    self.logger = logger
    self.clock = clock
  }

  public func isInvited(_ secretHash: Digest) async throws(TransportRefusal) -> Bool {
    do { return try state.store.isInvitation(secretHash, now: clock()) } catch {
      logger.error("an enrolment failed", [.error: LogValue(error)])
      throw .fault
    }
  }

  public func enrol(_ application: EnrolmentApplication, address: String) async throws(TransportRefusal) -> EnrolmentGrant {
    guard application.versions.newestCommon(with: .ours) != nil else {
      throw .unsupportedVersion(found: application.versions, supported: .ours)
    }
    guard let request = try? CertificateRequest(der: application.certificateRequest) else {
      throw .malformed(field: "certificate_request")
    }
    guard let key = VerificationKey(bytes: application.verificationKey) else { throw .malformed(field: "verification_key") }
    guard let proof = Signature(bytes: application.proof),
      EnrolmentProof.verifies(proof, secret: application.secret, request: request.der, key: key)
    else { throw .badSignature(field: "proof") }
    let now = clock()
    let verdict: EnrolmentVerdict
    do {
      verdict = try await Commits.run { [state] in
        try state.store.redeem(
          secretHash: EnrolmentToken.secretHash(application.secret), verificationKey: key,
          application: SHA256.hash(key.bytes + request.publicKeyBytes), now: now,
          issue: { participant, name in
            let issued = try state.authority.issueClient(
              request: request, participant: participant, name: try PartnerName(name),
              lifetime: .seconds(state.task.certificateHours * 3600), now: now)
            return (issued.pem, issued.fingerprint, issued.serial, issued.notAfter)
          }, sign: state.rosterSigner(now: now))
      }.get()
    } catch {
      logger.error("an enrolment failed", [.error: LogValue(error)])
      throw .fault
    }
    switch verdict {
    case .enrolled(let participant, let certificate, let roster):
      logger.notice("a partner has enrolled", [.participant: LogValue(participant)])
      return grant(participant, certificate, roster)
    case .renewed(let participant, let certificate, let roster):
      logger.notice("a partner that was invited again has a new certificate", [.participant: LogValue(participant)])
      return grant(participant, certificate, roster)
    case .invitationUnknown: throw .invitationUnknown
    case .invitationExpired: throw .invitationExpired
    case .invitationUsed: throw .invitationUsed
    case .identityKnown: throw .conflict
    }
  }

  private func grant(_ participant: UInt32, _ certificate: String, _ roster: [UInt8]) -> EnrolmentGrant {
    EnrolmentGrant(
      participant: participant, certificatePEM: certificate, authorityPEM: state.authority.certificatePEM,
      coordinatorKey: state.signingKey.verificationKey.bytes, roster: roster)
  }
}
