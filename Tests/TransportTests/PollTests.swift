import CryptoPrimitives
import Foundation
import Synchronization
import Testing
import Transport

/// Long polls: they bring what is there, wake at once, and end with whoever may not have them any more.
@Suite struct PollTests {
  private let session = [UInt8](repeating: 9, count: 16)

  private func envelope(_ ordinal: UInt32, _ bytes: [UInt8]) -> MessageEnvelope {
    MessageEnvelope(cursor: MessageCursor(round: 1, attempt: 2, ordinal: ordinal), inline: bytes)
  }

  @Test func `a poll brings what comes after its cursor`() async throws {
    try await TestServer.run { test in
      let large = pattern(3_000_000)
      test.handler.set { $0.documents["message/1/2/3"] = BytesDocument(large) }
      let third = MessageEnvelope(
        cursor: MessageCursor(round: 1, attempt: 2, ordinal: 3), size: 3_000_000, sha256: SHA256.hash(large),
        content: .document("message/1/2/3"))
      for one in [envelope(1, [1]), envelope(2, [2, 2]), third] { test.handler.publish(one) }
      let client = try test.client(1)
      let all = try await client.poll(PollQuery(session: session, after: nil, wait: .zero))
      #expect(all.envelopes == [envelope(1, [1]), envelope(2, [2, 2]), third])
      #expect(all.session == session)
      #expect(all.planHash == SHA256.hash([1]))
      #expect(all.newestRelease == 4)
      #expect(all.state == .running)
      let rest = try await client.poll(PollQuery(session: session, after: all.envelopes[1].cursor, wait: .seconds(5)))
      #expect(rest.envelopes == [third])
      #expect(try await client.message(all.envelopes[1], limit: 2) == [2, 2])
      #expect(try await client.message(third, limit: 3_000_000) == large)
      let tooLarge = await failure { () async throws(TransportFailure) in try await client.message(third, limit: 2_999_999) }
      #expect(tooLarge == .badAnswer("a message of 3000000 bytes, at most 2999999 are expected"))
      test.handler.set { $0.documents["message/1/2/3"] = BytesDocument(pattern(3_000_000, seed: 2)) }
      #expect(
        await failure { () async throws(TransportFailure) in try await client.message(third, limit: 3_000_000) }
          == .badAnswer("a message with another digest than its envelope's"))
      await client.close()
    }
  }

  @Test func `a poll without news ends after its wait`() async throws {
    try await TestServer.run { test in
      let client = try test.client(1)
      let answer = try await client.poll(PollQuery(session: [], after: nil, wait: .milliseconds(50)))
      #expect(answer.envelopes.isEmpty)
      #expect(answer.state == .waiting(until: 1_800_000_000))
      await client.close()
    }
  }

  @Test func `a held poll wakes when a message appears`() async throws {
    try await TestServer.run { test in
      let client = try test.client(1)
      let begin = ContinuousClock.now
      async let answer = client.poll(PollQuery(session: session, after: nil, wait: .seconds(50)))
      try await eventually("the poll is held") { test.handler.heldPolls == 1 }
      test.handler.publish(envelope(1, [7]))
      #expect(try await answer.envelopes == [envelope(1, [7])])
      #expect(ContinuousClock.now - begin < .seconds(45))
      await client.close()
    }
  }

  @Test func `whoever is revoked is cut off from a held poll and refused from then on`() async throws {
    var limits = TransportLimits.brisk
    limits.reauthorization = .seconds(3600)
    try await TestServer.run(limits: limits) { test in
      let client = try test.client(1)
      let other = try test.client(2)
      async let poll = failure { () async throws(TransportFailure) in
        try await client.poll(PollQuery(session: session, after: nil, wait: .seconds(50)))
      }
      async let others = other.poll(PollQuery(session: session, after: nil, wait: .seconds(50)))
      try await eventually("the polls are held") { test.handler.heldPolls == 2 }
      test.handler.set { $0.refused[1] = .revoked }
      await test.server.reauthorize()
      #expect(await poll == .refused(.revoked))
      #expect(await failure { () async throws(TransportFailure) in try await client.report([1]) } == .refused(.revoked))
      test.handler.publish(envelope(1, [7]))
      #expect(try await others.envelopes.count == 1)
      #expect(test.refusals.all == ["revoked": 2])
      await client.close()
      await other.close()
    }
  }

  @Test func `running calls are authorised again without anybody asking`() async throws {
    try await TestServer.run { test in
      let client = try test.client(1)
      async let poll = failure { () async throws(TransportFailure) in
        try await client.poll(PollQuery(session: session, after: nil, wait: .seconds(50)))
      }
      try await eventually("the poll is held") { test.handler.heldPolls == 1 }
      test.handler.set { $0.refused[1] = .revoked }
      #expect(await poll == .refused(.revoked))
      await client.close()
    }
  }

  @Test func `a poll is held no longer than the server allows, and a process has one at a time`() async throws {
    var limits = TransportLimits.brisk
    limits.longestPoll = .seconds(1)
    try await TestServer.run(limits: limits) { test in
      let client = try test.client(1)
      let answer = try await client.poll(PollQuery(session: session, after: nil, wait: .seconds(3000)))
      #expect(answer.envelopes.isEmpty)
      await client.close()
    }
    try await TestServer.run { test in
      let client = try test.client(1)
      async let first = failure { () async throws(TransportFailure) in
        try await client.poll(PollQuery(session: session, after: nil, wait: .seconds(50)))
      }
      try await eventually("the poll is held") { test.handler.heldPolls == 1 }
      async let second = failure { () async throws(TransportFailure) in
        try await client.poll(PollQuery(session: session, after: nil, wait: .seconds(50)))
      }
      #expect(await first == .refused(.tooManyCalls(limit: TransportLimits().callsPerParticipant)))
      test.handler.publish(envelope(1, [1]))
      #expect(await second == nil)
      await client.close()
    }
  }

  @Test(arguments: ["again", "back", "size"]) func `a coordinator that repeats, turns back or lies about a size is not believed`(
    lie: String
  ) async throws {
    try await TestServer.run { test in
      let second = MessageCursor(round: 1, attempt: 2, ordinal: 2)
      switch lie {
      case "again": for _ in 0..<2 { test.handler.publish(envelope(2, [1])) }
      case "back": for ordinal in [UInt32(2), 1] { test.handler.publish(envelope(ordinal, [1])) }
      default:
        test.handler.publish(MessageEnvelope(cursor: second, size: 9, sha256: SHA256.hash([1]), content: .inline([1])))
      }
      let client = try test.client(1)
      let found = await failure { () async throws(TransportFailure) in
        try await client.poll(PollQuery(session: session, after: nil, wait: .zero))
      }
      #expect(found == .badAnswer(lie == "size" ? "field envelopes.inline" : "field envelopes.cursor"))
      await client.close()
    }
  }

  @Test func `a newer process of the same partner supersedes the older one`() async throws {
    try await TestServer.run { test in
      let old = try test.client(1)
      _ = try await old.hello(ClientHello(software: "", ledgers: []))
      async let poll = failure { () async throws(TransportFailure) in
        try await old.poll(PollQuery(session: session, after: nil, wait: .seconds(50)))
      }
      try await eventually("the poll is held") { test.handler.heldPolls == 1 }
      let new = try test.client(1)
      _ = try await new.hello(ClientHello(software: "", ledgers: []))
      #expect(await poll == .refused(.superseded))
      #expect(await failure { () async throws(TransportFailure) in try await old.report([1]) } == .refused(.superseded))
      #expect(try await new.report([1, 2]) == [2, 1])
      await old.close()
      await new.close()
    }
  }

  @Test func `a caller that goes away leaves nothing behind`() async throws {
    try await TestServer.run { test in
      let proxy = try Proxy(target: test.address)
      defer { proxy.stop() }
      let client = try test.client(1, via: proxy.address)
      let poll = Task {
        await failure { () async throws(TransportFailure) in
          try await client.poll(PollQuery(session: session, after: nil, wait: .seconds(50)))
        }
      }
      try await eventually("the poll is held") { test.handler.heldPolls == 1 }
      poll.cancel()
      #expect(await poll.value == .cancelled)
      try await eventually("the cancelled poll is gone") { test.handler.heldPolls == 0 }
      await client.close()
      #expect(test.refusals.all.isEmpty)
    }
  }
}
