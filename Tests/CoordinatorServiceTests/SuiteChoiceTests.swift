import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import Testing

/// Plans that leave the mask suite free get the faster one of the machine that makes them, for all partners.
@Suite struct SuiteChoiceTests {
  @Test(arguments: [KeystreamSuite.aes256CTR, .chaCha20])
  func `a plan that leaves the suite free names the one that was measured as faster, and a whole run goes by it`(
    faster: KeystreamSuite
  ) async throws {
    let task = try await TestTask(partners: 4)
    var random = KeyedRandomSource(insecureSeed: 8)
    func draft(_ suite: String) throws -> PlanMaker.Draft {
      let settings = try String(contentsOfFile: task.path + "/plan.yaml", encoding: .utf8)
      try Data((settings + "\n" + suite + "\n").utf8).write(to: URL(fileURLWithPath: task.path + "/suite.yaml"))
      return try PlanMaker(task.state).draft(
        settingsFile: task.path + "/suite.yaml", random: &random, probe: { SuiteProbe { $0 == faster ? 1 : 2 } })
    }
    #expect(try draft("suite: auto").file.plan.aggregation.suite == faster.rawValue)
    // What is said is not measured against.
    #expect(try draft("suite: chacha20").file.plan.aggregation.suite == 2)
    #expect(try draft("suite: aes256-ctr").file.plan.aggregation.suite == 1)
    #expect(try draft("").file.plan.aggregation.suite == 1)
    let chosen = try await TestTask(partners: 4, settings: ["suite: \(faster.name)"])
    try await chosen.run()
    #expect(try chosen.charges().count > 0)
  }

  @Test func `an unknown suite is refused with the choices`() async throws {
    do {
      _ = try await TestTask(partners: 4, settings: ["suite: des"])
      Issue.record("des made a plan")
    } catch { #expect("\(error)".contains("aes256-ctr, chacha20, auto"), "\(error)") }
  }
}
