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

  @Test func `connections that say nothing make room for those that come after them`() async throws {
    var limits = TransportLimits.brisk
    (limits.handshakes, limits.handshakesPerAddress) = (4, 3)
    // Nothing but the limit closes a silent connection.
    limits.handshake = .seconds(3600)
    try await TestServer.run(limits: limits) { test in
      var strangers: [Stranger] = []
      defer { for stranger in strangers { stranger.hangUp() } }
      // Which of them the listener meets first, nobody knows.
      for _ in 0..<4 { strangers.append(try Stranger(from: 2, to: test.address)) }
      try await eventually("one of an address is too many") { strangers.count { $0.isHungUpOn() } == 1 }
      // The fourth of all, and one too many: the address with the most gives way.
      for host in [3, 4] as [UInt32] { strangers.append(try Stranger(from: host, to: test.address)) }
      try await eventually("the crowded address gives way") { strangers[..<4].count { $0.isHungUpOn() } == 2 }
      #expect(strangers[4...].allSatisfy { !$0.isHungUpOn() })
    }
  }

  @Test func `connections that say nothing take no place of partners, not even behind one address`() async throws {
    var limits = TransportLimits.brisk
    (limits.handshakes, limits.handshakesPerAddress) = (100, 3)
    (limits.connections, limits.connectionsPerAddress) = (2, 2)
    limits.handshake = .seconds(3600)
    try await TestServer.run(limits: limits) { test in
      let first = try test.client(1)
      _ = try await first.report([1])
      var strangers: [Stranger] = []
      defer { for stranger in strangers { stranger.hangUp() } }
      for _ in 0..<8 { strangers.append(try Stranger(from: 1, to: test.address)) }
      try await eventually("three are left") { test.refusals["connection-limit"] == 5 }
      let second = try test.client(2)
      _ = try await second.report([1])
      _ = try await first.report([1])
      await first.close()
      await second.close()
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
      // A busy machine may not get to the certificate within the call's short deadline.
      try await eventually("the server is not trusted") {
        let found = await failure { () async throws(TransportFailure) in try await client.report([1]) }
        return if case .notTrusted? = found { true } else { false }
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
