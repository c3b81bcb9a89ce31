import PeerIdentity
import Testing
import Transport

/// What a partner may make the coordinator write, and what a client remembers of a connection.
@Suite struct PatienceTests {
  @Test func `whoever lets the coordinator write again and again is made to wait, and nobody else`() async throws {
    var limits = TransportLimits.brisk
    (limits.writeBurst, limits.writesPerSecond) = (3, 1e-3)
    try await TestServer.run(limits: limits) { test in
      let (client, other) = (try test.client(1), try test.client(2))
      for _ in 0..<3 { _ = try await client.report([1]) }
      for _ in 0..<2 {
        guard case .refused(.rateLimited)? = await failure({ () async throws(TransportFailure) in try await client.report([1]) })
        else {
          Issue.record("a report was taken")
          return
        }
      }
      #expect(test.refusals["rate-limited"] == 2)
      // Calls of other kinds, and other partners, are not held up by it.
      _ = try await client.hello(ClientHello(software: "tests", ledgers: []))
      _ = try await client.renewCertificate([0, 0])
      _ = try await other.report([1])
      await client.close()
      await other.close()
    }
  }

  @Test func `a connection that was not trusted is forgotten when the next one merely finds nobody`() async throws {
    let other = try TestTask()
    var deadlines = ClientDeadlines.brisk
    deadlines.unaryCall = .milliseconds(500)
    var kept: CoordinationClient?
    try await TestServer.run { test in
      let client = try CoordinationClient(
        target: test.address, security: .mutualTLS(try test.task.clientTLS(1, trusting: other.authority)), deadlines: deadlines)
      let found = await failure { () async throws(TransportFailure) in try await client.report([1]) }
      guard case .notTrusted? = found else {
        Issue.record("the server was trusted: \(String(describing: found))")
        return
      }
      kept = client
    }
    let client = try #require(kept)
    try await eventually("nobody is there") {
      if case .unreachable? = await failure({ () async throws(TransportFailure) in try await client.report([1]) }) { return true }
      return false
    }
    await client.close()
  }
}
