import CryptoPrimitives
import Foundation
import PeerIdentity
import Synchronization
import Testing
import Transport

/// Connections that break, hang, are too many, or end in good order.
@Suite struct ConnectionTests {
  @Test func `a connection that hangs without breaking is noticed, and the call is tried on a new one`() async throws {
    try await TestServer.run { test in
      let proxy = try Proxy(target: test.address)
      defer { proxy.stop() }
      var deadlines = ClientDeadlines.brisk
      deadlines.unaryCall = .seconds(30)
      let client = try test.client(1, via: proxy.address, deadlines: deadlines)
      _ = try await client.report([1])
      proxy.freeze()
      #expect(try await client.report([1, 2]) == [2, 1])
      #expect(proxy.accepted >= 2)
      await client.close()
    }
  }

  @Test func `keepalive ends a held poll on a connection that hangs`() async throws {
    try await TestServer.run { test in
      let proxy = try Proxy(target: test.address)
      defer { proxy.stop() }
      var deadlines = ClientDeadlines.brisk
      deadlines.keepaliveTime = .seconds(1)
      deadlines.keepaliveTimeout = .seconds(1)
      let client = try test.client(1, via: proxy.address, deadlines: deadlines)
      async let answer = client.poll(PollQuery(session: [], after: nil, wait: .seconds(50)))
      try await eventually("the poll is held") { test.handler.heldPolls == 1 }
      let before = proxy.accepted
      proxy.freeze()
      // The same poll goes on over a new connection.
      try await eventually("a new connection is made") { proxy.accepted > before }
      try await eventually("the poll is held again") { test.handler.heldPolls >= 1 }
      test.handler.publish(MessageEnvelope(cursor: MessageCursor(round: 0, attempt: 0, ordinal: 1), inline: [1]))
      #expect(try await answer.envelopes.count == 1)
      await client.close()
    }
  }

  @Test func `an upload over a connection that hangs goes on over a new one`() async throws {
    try await TestServer.run { test in
      let proxy = try Proxy(target: test.address)
      defer { proxy.stop() }
      var deadlines = ClientDeadlines.brisk
      deadlines.stall = .seconds(2)
      let handler = test.handler
      handler.set { $0.beforeWrite = { offset in if offset >= 8 << 20, proxy.accepted == 1 { proxy.freeze() } } }
      let client = try test.client(1, via: proxy.address, deadlines: deadlines)
      let bytes = pattern(32 << 20)
      #expect(try await client.upload(key(), payload: BytesPayload(bytes)) == .accepted)
      #expect(handler.stored(1, key())?.bytes == bytes)
      #expect(proxy.accepted >= 2)
      await client.close()
    }
  }

  @Test func `a coordinator that is not there yet is waited for`() async throws {
    let task = try TestTask()
    // A port that was free a moment ago.
    let reserved = try CoordinationServer(
      listen: HostPort(parsing: "127.0.0.1:0"), security: .mutualTLS(try task.serverTLS()), handler: FakeHandler())
    let running = Task { try await reserved.run() }
    let address = try await reserved.boundAddress
    running.cancel()
    try await running.value
    let client = try CoordinationClient(target: address, security: .mutualTLS(try task.clientTLS(1)), deadlines: .brisk)
    async let answer = client.report([1, 2])
    let server = try CoordinationServer(
      listen: address, security: .mutualTLS(try task.serverTLS()), handler: FakeHandler(), limits: .brisk)
    let serving = Task { try await server.run() }
    #expect(try await answer == [2, 1])
    await client.close()
    serving.cancel()
    try await serving.value
  }

  @Test func `nobody there is told as such, after the deadline`() async throws {
    let task = try TestTask()
    var deadlines = ClientDeadlines.brisk
    deadlines.unaryCall = .seconds(6)
    let client = try CoordinationClient(
      target: HostPort(parsing: "127.0.0.1:9"), security: .mutualTLS(try task.clientTLS(1)), deadlines: deadlines)
    let found = await failure { () async throws(TransportFailure) in try await client.report([1]) }
    // On a loaded machine the deadline may come before the last try has failed.
    #expect(found?.isTemporary == true, "found \(String(describing: found))")
    await client.close()
  }

  @Test func `a graceful shutdown answers polls, refuses newcomers and lets an upload end`() async throws {
    let handler = FakeHandler()
    let gate = Gate()
    handler.set { $0.beforeWrite = { _ in await gate.wait() } }
    let task = try TestTask()
    let server = try CoordinationServer(
      listen: HostPort(parsing: "127.0.0.1:0"), security: .mutualTLS(try task.serverTLS()), handler: handler, limits: .brisk)
    let running = Task { try await server.run() }
    let address = try await server.boundAddress
    let polling = try CoordinationClient(target: address, security: .mutualTLS(try task.clientTLS(1)), deadlines: .brisk)
    let uploading = try CoordinationClient(target: address, security: .mutualTLS(try task.clientTLS(2)), deadlines: .brisk)
    async let poll = polling.poll(PollQuery(session: [], after: nil, wait: .seconds(50)))
    async let upload = uploading.upload(key(), payload: BytesPayload(pattern(3_000_000)))
    try await eventually("the poll is held") { handler.heldPolls == 1 }
    try await eventually("the upload is open") { handler.stored(2, key()) != nil }
    server.beginGracefulShutdown()
    #expect(try await poll.state == .draining)
    gate.open()
    #expect(try await upload == .accepted)
    await polling.close()
    await uploading.close()
    try await running.value
  }

  @Test func `a shutdown does not wait longer than the drain time`() async throws {
    let handler = FakeHandler()
    // The sink takes for ever, until its task is cancelled.
    handler.set { $0.beforeWrite = { _ in try? await Task.sleep(for: .seconds(3600)) } }
    var limits = TransportLimits.brisk
    limits.drain = .milliseconds(200)
    let task = try TestTask()
    let server = try CoordinationServer(
      listen: HostPort(parsing: "127.0.0.1:0"), security: .mutualTLS(try task.serverTLS()), handler: handler, limits: limits)
    let running = Task { try await server.run() }
    let address = try await server.boundAddress
    var deadlines = ClientDeadlines.brisk
    deadlines.transfer = .seconds(5)
    let client = try CoordinationClient(target: address, security: .mutualTLS(try task.clientTLS(2)), deadlines: deadlines)
    async let upload = failure { () async throws(TransportFailure) in
      try await client.upload(key(), payload: BytesPayload(pattern(3_000_000)))
    }
    try await eventually("the upload is open") { handler.stored(2, key()) != nil }
    server.beginGracefulShutdown()
    try await running.value
    let ended = await upload
    #expect(ended?.isTemporary == true, "\(String(describing: ended))")
    await client.close()
  }

  // What gRPC had not yet taken when its own task was cancelled ended the process (swift-nio #3481).
  @Test func `a server that is cut off while calls come in ends all of them, and itself`() async throws {
    for round in 0..<20 {
      let handler = FakeHandler()
      let server = try CoordinationServer(
        listen: HostPort(parsing: "127.0.0.1:0"), security: .insecureLoopback, handler: handler, limits: .brisk)
      let running = Task { try await server.run() }
      let address = try await server.boundAddress
      try await withThrowingTaskGroup(of: Void.self) { group in
        for caller in 0..<4 {
          group.addTask {
            try await RawClient.with(address) { client in
              await withTaskGroup(of: Void.self) { calls in
                for _ in 0..<50 {
                  calls.addTask {
                    let metadata = RawClient.metadata(participant: "\(caller)")
                    while await client.call("Report", metadata: metadata, [[]]).error == nil {}
                  }
                }
              }
            }
          }
        }
        try await eventually("calls have come in") { handler.state.withLock { $0.peers.count } > round * 5 }
        running.cancel()
        try await running.value
        group.cancelAll()
        try? await group.waitForAll()
      }
    }
  }

  @Test func `a server that is cut off waits for nobody`() async throws {
    let handler = FakeHandler()
    var limits = TransportLimits.brisk
    limits.handshake = .seconds(3600)
    limits.longestPoll = .seconds(3600)
    let task = try TestTask()
    let server = try CoordinationServer(
      listen: HostPort(parsing: "127.0.0.1:0"), security: .mutualTLS(try task.serverTLS()), handler: handler, limits: limits)
    let running = Task { try await server.run() }
    let address = try await server.boundAddress
    let silent = try Stranger(from: 1, to: address)
    let client = try CoordinationClient(target: address, security: .mutualTLS(try task.clientTLS(1)), deadlines: .brisk)
    async let poll = failure { () async throws(TransportFailure) in
      try await client.poll(PollQuery(session: [], after: nil, wait: .seconds(3600)))
    }
    try await eventually("the poll is held") { handler.heldPolls == 1 }
    running.cancel()
    try await running.value
    #expect(silent.isHungUpOn())
    silent.hangUp()
    await client.close()
    #expect(await poll != nil)
  }

  @Test func `a server that is cut off before it listens ends as well, and leaves nobody waiting for its address`() async throws {
    for _ in 0..<50 {
      let server = try CoordinationServer(
        listen: HostPort(parsing: "127.0.0.1:0"), security: .insecureLoopback, handler: FakeHandler(), limits: .brisk)
      let running = Task { try await server.run() }
      running.cancel()
      _ = try? await server.boundAddress
      try await running.value
    }
  }

  @Test func `insecure loopback mode stays on this machine`() async throws {
    for address in ["0.0.0.0:0", "192.0.2.1:7443", "[::]:0", "localhost:0", "example.org:443"] {
      #expect(throws: ListenError.self) {
        try CoordinationServer(listen: HostPort(parsing: address), security: .insecureLoopback, handler: FakeHandler())
      }
      #expect(throws: TransportFailure.self) {
        try CoordinationClient(target: HostPort(parsing: address), security: .insecureLoopback(participant: 1))
      }
    }
    let server = try CoordinationServer(
      listen: HostPort(parsing: "127.0.0.1:0"), security: .insecureLoopback, handler: FakeHandler())
    let running = Task { try await server.run() }
    let client = try CoordinationClient(
      target: try await server.boundAddress, security: .insecureLoopback(participant: 5), deadlines: .brisk)
    #expect(try await client.report([1, 2]) == [2, 1])
    #expect(try await client.upload(key(), payload: BytesPayload(pattern(2_000_000))) == .accepted)
    await client.close()
    running.cancel()
    try await running.value
  }

  @Test func `an address that is taken is told`() async throws {
    try await TestServer.run { test in
      let second = try CoordinationServer(
        listen: test.address, security: .mutualTLS(try test.task.serverTLS()), handler: FakeHandler())
      await #expect(throws: ListenError.self) { try await second.run() }
    }
  }

  @Test func `a participant that calls too often is told when to come back, others are not concerned`() async throws {
    var limits = TransportLimits.brisk
    limits.callBurst = 5
    limits.callsPerSecond = 0.1
    try await TestServer.run(limits: limits) { test in
      let client = try test.client(1)
      for _ in 0..<5 { _ = try await client.report([1]) }
      let found = await failure { () async throws(TransportFailure) in try await client.report([1]) }
      guard case .refused(.rateLimited(let wait))? = found else {
        Issue.record("found \(String(describing: found))")
        return
      }
      #expect((Duration.seconds(1)...Duration.seconds(10)).contains(wait))
      let other = try test.client(2)
      _ = try await other.report([1])
      await client.close()
      await other.close()
    }
  }

  @Test func `of too many open calls the oldest is ended`() async throws {
    var limits = TransportLimits.brisk
    limits.callsPerParticipant = 2
    // Not the limit on uploads, but that on calls.
    limits.uploadsPerParticipant = 10
    let handler = FakeHandler()
    let gate = Gate()
    handler.set { $0.beforeWrite = { _ in await gate.wait() } }
    try await TestServer.run(handler: handler, limits: limits) { test in
      let client = try test.client(1)
      var uploads: [Task<TransportFailure?, Never>] = []
      for round in UInt32(0)..<3 {
        uploads.append(
          Task {
            await failure { () async throws(TransportFailure) in try await client.upload(key(round), payload: BytesPayload([1])) }
          })
        try await eventually("upload \(round) is open") { handler.stored(1, key(round)) != nil }
      }
      // None of them can end now: beyond twice the limit nothing is begun.
      for round in UInt32(3)..<5 {
        uploads.append(
          Task {
            await failure { () async throws(TransportFailure) in try await client.upload(key(round), payload: BytesPayload([1])) }
          })
        try await eventually("upload \(round) is there or refused") {
          handler.stored(1, key(round)) != nil || test.refusals["too-many-calls"] > 0
        }
      }
      try await eventually("the fifth is refused") { test.refusals["too-many-calls"] > 0 }
      #expect(handler.stored(1, key(4)) == nil)
      gate.open()
      var outcomes: [TransportFailure?] = []
      for upload in uploads { outcomes.append(await upload.value) }
      #expect(outcomes.filter { $0 == nil }.count <= 3)
      #expect(outcomes[0] == .refused(.tooManyCalls(limit: 2)) && outcomes[4] == .refused(.tooManyCalls(limit: 2)))
      #expect(outcomes.contains(.refused(.tooManyCalls(limit: 2))))
      await client.close()
    }
  }
}
