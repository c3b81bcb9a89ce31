import CryptoPrimitives
import GRPCCore
import Synchronization
import Testing
import Transport

/// Turns to upload are few: whoever holds one must use it, and only as long as it is of use.
@Suite(.serialized) struct UploadTurnTests {
  @Test func `a partner that sends too little in a window of waiting is too slow, whatever the server itself takes`() {
    let start = ContinuousClock.now
    var pace = UploadPace(window: .seconds(30), bytes: 1000)
    pace.wait(from: start)
    #expect(!pace.isTooSlow(at: start + .seconds(29)))
    #expect(pace.isTooSlow(at: start + .seconds(30)))
    // Drop by drop: single bytes do not start the window anew.
    for second in 1...29 {
      pace.receive(1, at: start + .seconds(second))
      pace.wait(from: start + .seconds(second))
    }
    #expect(!pace.isTooSlow(at: start + .seconds(29)))
    #expect(pace.isTooSlow(at: start + .seconds(31)))
    // Enough in time: the next window begins, and what came before does not count in it.
    pace.receive(5000, at: start + .seconds(30))
    pace.wait(from: start + .seconds(30))
    #expect(!pace.isTooSlow(at: start + .seconds(59)))
    #expect(pace.isTooSlow(at: start + .seconds(60)))
    // A disk that takes an hour is not the partner's fault.
    pace.receive(10, at: start + .seconds(31))
    #expect(!pace.isTooSlow(at: start + .seconds(3600)))
    pace.wait(from: start + .seconds(3600))
    #expect(!pace.isTooSlow(at: start + .seconds(3628)))
    #expect(pace.isTooSlow(at: start + .seconds(3629)))
  }

  @Test func `partners that drip bytes do not keep the turns: others get theirs, and what dripped in is kept`() async throws {
    var limits = TransportLimits.brisk
    limits.concurrentUploads = 2
    // Each drop counts as movement, so that nothing but the least rate helps.
    (limits.stall, limits.transfer) = (.seconds(3600), .seconds(3600))
    (limits.paceWindow, limits.paceBytes) = (.seconds(3), 1 << 20)
    try await withPlainServer(limits: limits) { client, handler, refusals, _ in
      let size = 1 << 16
      let header = Proto.uploadHeader(size: UInt64(size), sha256: SHA256.hash(pattern(size)).bytes)
      try await withThrowingTaskGroup(of: String?.self) { group in
        for participant in ["1", "2"] {
          group.addTask {
            await client.call("Upload", metadata: RawClient.metadata(participant: participant)) { writer, answers in
              try await writer.write(header)
              for await _ in answers { break }
              for (offset, byte) in pattern(size).enumerated() {
                try await writer.write(Proto.chunk(UInt64(offset), [byte]))
                try await Task.sleep(for: .milliseconds(20))
              }
            }.reason
          }
        }
        try await eventually("both turns are taken") {
          handler.stored(1, key())?.offset ?? 0 > 0 && handler.stored(2, key())?.offset ?? 0 > 0
        }
        let honest = await client.call(
          "Upload", metadata: RawClient.metadata(participant: "3"),
          [Proto.uploadHeader(size: 1, sha256: SHA256.hash([1]).bytes), Proto.chunk(0, [1])])
        #expect(honest.error == nil)
        #expect(handler.stored(3, key())?.bytes == [1])
        for try await reason in group { #expect(reason == "stalled") }
      }
      #expect(refusals["stalled"] == 2)
      // What came is kept for the next turn.
      let kept = try #require(handler.stored(1, key())).bytes
      #expect(!kept.isEmpty && kept == Array(pattern(size)[..<kept.count]))
      let rest = await client.call(
        "Upload", [header, Proto.chunk(UInt64(kept.count), Array(pattern(size)[kept.count...]))])
      #expect(rest.messages.last == Proto.bytes(2, []))
    }
  }

  @Test func `an upload whose attempt is over gives its turn back at once, with the answer that says so`() async throws {
    var limits = TransportLimits.brisk
    limits.concurrentUploads = 1
    (limits.stall, limits.transfer, limits.paceWindow) = (.seconds(3600), .seconds(3600), .seconds(3600))
    try await withPlainServer(limits: limits) { client, handler, refusals, _ in
      let header = Proto.uploadHeader(size: 4, sha256: SHA256.hash([1, 2, 3, 4]).bytes)
      async let late = client.call("Upload") { writer, _ in
        try await writer.write(header)
        try await writer.write(Proto.chunk(0, [1, 2]))
        try await Task.sleep(for: .seconds(3600))
      }
      try await eventually("the turn is taken") { handler.stored(1, key())?.offset == 2 }
      // Another one of the same attempt has no turn yet.
      async let waiting = client.call("Upload", metadata: RawClient.metadata(participant: "2")) { writer, _ in
        try await writer.write(header)
        try await Task.sleep(for: .seconds(3600))
      }
      handler.set { $0.settled[key()] = .superseded }
      let next = await client.call(
        "Upload", metadata: RawClient.metadata(participant: "3"),
        [
          Proto.uploadHeader(Proto.uploadKey(round: 1), size: 1, sha256: SHA256.hash([1]).bytes), Proto.chunk(0, [1]),
        ])
      #expect(next.error == nil)
      let (first, second) = await (late, waiting)
      #expect(first.error == nil && first.messages == [Proto.bytes(1, []), Proto.bytes(4, [])])
      // On a loaded machine it comes after the first one has given its turn back, and has that before it is told.
      #expect(second.error == nil && second.messages.last == Proto.bytes(4, []))
      #expect(refusals.all == [RefusalReason.attemptOver: 2])
      #expect(handler.stored(1, key())?.content.withLock { $0.suspensions } == 1)
    }
  }

  @Test func `an upload for another attempt is counted with its reason`() async throws {
    let handler = FakeHandler()
    handler.set { $0.verdict = .superseded }
    try await TestServer.run(handler: handler) { test in
      let client = try test.client(1)
      for _ in 0..<2 { #expect(try await client.upload(key(), payload: BytesPayload([1])) == .superseded) }
      #expect(test.refusals.all == [RefusalReason.attemptOver: 2])
      await client.close()
    }
  }
}
