import CryptoPrimitives
import Foundation
import PartnerService
import PeerIdentity
import Synchronization
import Testing
import Transport

/// An enrolment whose answer came and could not be kept, or never came.
@Suite struct EnrolmentRetryTests {
  @Test func `a second try with the same token sends the same application, so that the coordinator gives the same answer`()
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
    #expect(applications[0].certificateRequest == applications[1].certificateRequest)
    #expect(applications[0].verificationKey == applications[1].verificationKey)
    // Nothing of it stays behind.
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.file("home"))
    #expect(!names.contains { $0.hasPrefix("request") }, "\(names)")
  }
}
