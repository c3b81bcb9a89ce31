import CryptoPrimitives
import Foundation
import PartnerService
import PeerIdentity
import Synchronization
import Testing
import Transport

/// An enrolment whose answer came and could not be kept, or never came.
@Suite struct EnrolmentRetryTests {
  @Test func `a second try with the same token applies with the same keys, so that the coordinator gives the same answer`()
    async throws
  {
    let scratch = try Scratch()
    let coordinator = try FakeCoordinator()
    let token = try await coordinator.token("p1")
    let sent = Mutex<[EnrolmentApplication]>([])
    let call: Enrolling.Call = { token, application in
      let count = sent.withLock { sent in
        sent.append(application)
        return sent.count
      }
      if count == 1 { throw TransportFailure.unreachable("the line broke after the coordinator had enrolled this partner") }
      return try await coordinator.enrol(token, application)
    }
    func enrol() async throws {
      try await Enrolling.enrol(
        token: token, home: scratch.file("home"), passphrase: .none, now: Date(), call: call)
    }
    await #expect(throws: TransportFailure.self) { try await enrol() }
    try await enrol()
    let applications = sent.withLock { $0 }
    #expect(applications.count == 2)
    let requests = try applications.map { try CertificateRequest(der: $0.certificateRequest) }
    #expect(requests[0].publicKeyBytes == requests[1].publicKeyBytes)
    #expect(applications[0].verificationKey == applications[1].verificationKey)
  }
}
