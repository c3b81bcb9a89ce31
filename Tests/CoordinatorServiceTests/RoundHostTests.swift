import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import SecureAggregation
import Testing
import Transport

@Suite struct RoundHostTests {
  @Test func `a plan runs to its end, and every partner hears of it`() async throws {
    let task = try await TestTask()
    try await task.run()
    #expect(try await task.isFinished)
    let releases = try task.state.store.releases(of: task.session)
    #expect(releases.count == task.plan.plan.releases.count)
    #expect(releases.allSatisfy { $0.statement.isSigned(by: task.state.signingKey.verificationKey) && $0.partners == 4 })
    for partner in task.partners {
      #expect(partner.ends.count == releases.count && partner.ends.allSatisfy { $0.abortReason == nil && $0.release != nil })
      #expect(partner.uploaded.allSatisfy { $0.phase == .accepted })
    }
    #expect(try task.charges().count == releases.count)
    #expect(try task.state.store.newestPlan()?.end == "every release of the plan happened")
    let document = try await task.handler.document("release/1", for: task.partners[0].peer)
    #expect(ReleaseDocument.decode(try await document.read(at: 0, count: Int(document.size))) != nil)
  }

  @Test(arguments: ["none", "distributed", "central"])
  func `after every journalled event a new process has the same messages, byte for byte`(noise: String) async throws {
    let task = try await TestTask(noise: noise)
    var compared = 0
    try await task.run(
      until: { try await task.isFinished },
      afterEach: { _, _ in
        let live = task.host.sentMessages
        let copy = try await task.hostOnCopy()
        #expect(copy.sentMessages == live)
        await copy.dropEverything()
        compared += 1
      })
    // Five messages of four partners at least, in each release.
    #expect(compared >= 20)
    #expect(try await task.isFinished)
  }
}

extension TestTask {
  var session: SessionID {
    guard let session = SessionID(hex: plan.plan.session) else { preconditionFailure("a validated plan has a session") }
    return session
  }
}
