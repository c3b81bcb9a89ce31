import CryptoPrimitives
import Foundation
import GRPCCore
import Synchronization
import Testing
import Transport

/// Uploads: whole, broken, repeated, damaged.
@Suite(.serialized) struct UploadTests {
  @Test(arguments: [1, 1 << 20, (1 << 20) + 1, 5_000_000]) func `an upload arrives whole`(count: Int) async throws {
    try await TestServer.run { test in
      let client = try test.client(4)
      let bytes = pattern(count)
      #expect(try await client.uploadState(key()) == .receiving(offset: 0))
      #expect(try await client.upload(key(), payload: BytesPayload(bytes)) == .accepted)
      #expect(test.handler.stored(4, key())?.bytes == bytes)
      #expect(try await client.uploadState(key()) == .accepted)
      await client.close()
    }
  }

  @Test func `the same upload twice is one upload, other bytes are a conflict`() async throws {
    try await TestServer.run { test in
      let client = try test.client(4)
      let bytes = pattern(2_000_000)
      for _ in 0..<3 { #expect(try await client.upload(key(), payload: BytesPayload(bytes)) == .accepted) }
      let stored = try #require(test.handler.stored(4, key()))
      #expect(stored.content.withLock { $0.finishes } == 1)
      let other = await failure { () async throws(TransportFailure) in
        try await client.upload(key(), payload: BytesPayload(pattern(2_000_000, seed: 2)))
      }
      #expect(other == .refused(.conflict))
      #expect(stored.bytes == bytes)
      // Another participant's key is another upload.
      let second = try test.client(5)
      #expect(try await second.upload(key(), payload: BytesPayload([1])) == .accepted)
      await client.close()
      await second.close()
    }
  }

  @Test(arguments: [UploadPhase.refused(reason: "the sum of the shares is wrong"), .superseded])
  func `the engine's verdict reaches the partner, again and again`(verdict: UploadPhase) async throws {
    let handler = FakeHandler()
    handler.set { $0.verdict = verdict }
    try await TestServer.run(handler: handler) { test in
      let client = try test.client(1)
      #expect(try await client.upload(key(), payload: BytesPayload([1, 2])) == verdict)
      #expect(try await client.upload(key(), payload: BytesPayload([1, 2])) == verdict)
      await client.close()
    }
  }

  @Test func `an upload that is cut at any place goes on where it stopped`() async throws {
    try await TestServer.run { test in
      let proxy = try Proxy(target: test.address)
      defer { proxy.stop() }
      var generator = SplitMix(state: 11)
      let client = try test.client(4, via: proxy.address)
      var resumed = 0
      for round in UInt32(0)..<12 {
        let bytes = pattern(6_000_000, seed: round)
        let connections = proxy.accepted
        proxy.cut(after: Int(generator.next() % 6_500_000))
        #expect(try await client.upload(key(round), payload: BytesPayload(bytes)) == .accepted)
        let stored = try #require(test.handler.stored(4, key(round)))
        #expect(stored.bytes == bytes)
        #expect(stored.content.withLock { $0.finishes } == 1)
        if proxy.accepted > connections, stored.content.withLock({ $0.suspensions }) > 0 { resumed += 1 }
      }
      #expect(resumed >= 4, "only \(resumed) of the uploads were cut")
      await client.close()
    }
  }

  @Test func `a resumed upload sends only what is missing`() async throws {
    try await TestServer.run { test in
      let proxy = try Proxy(target: test.address)
      defer { proxy.stop() }
      let bytes = pattern(60_000_000)
      let client = try test.client(4, via: proxy.address)
      proxy.cut(after: 50_000_000)
      #expect(try await client.upload(key(), payload: BytesPayload(bytes)) == .accepted)
      #expect(test.handler.stored(4, key())?.bytes == bytes)
      // What was on its way when the connection broke (at most the windows and buffers) is sent again, not more.
      #expect(proxy.relayed < 60_000_000 + 40_000_000)
      await client.close()
    }
  }

  @Test func `a damaged chunk is refused, what came before it is kept`() async throws {
    try await withPlainServer { client, handler, refusals, _ in
      let bytes = pattern(3000)
      let header = Proto.uploadHeader(size: 3000, sha256: SHA256.hash(bytes).bytes)
      let answer = await client.call(
        "Upload",
        [header, Proto.chunk(0, Array(bytes[..<1000])), Proto.chunk(1000, Array(bytes[1000..<2000]), checksum: 1)])
      #expect(answer.reason == "bad-checksum")
      #expect(answer.error?.code == .dataLoss)
      #expect(handler.stored(1, key())?.bytes == Array(bytes[..<1000]))
      #expect(refusals.all == ["bad-checksum": 1])
      let second = await client.call("Upload", [header, Proto.chunk(1000, Array(bytes[1000...]))])
      // receiving at 1000, then accepted
      #expect(second.messages == [Proto.bytes(1, Proto.varint(1, 1000)), Proto.bytes(2, [])])
      #expect(handler.stored(1, key())?.bytes == bytes)
    }
  }

  @Test func `bytes with another digest than announced are thrown away`() async throws {
    try await withPlainServer { client, handler, refusals, _ in
      let answer = await client.call(
        "Upload", [Proto.uploadHeader(size: 4, sha256: SHA256.hash([1, 2, 3, 4]).bytes), Proto.chunk(0, [1, 2, 3, 5])])
      #expect(answer.reason == "bad-checksum")
      let stored = try #require(handler.stored(1, key()))
      #expect(stored.bytes.isEmpty)
      #expect(stored.content.withLock { $0.finishes } == 0)
      #expect(refusals.all == ["bad-checksum": 1])
      let second = await client.call(
        "Upload", [Proto.uploadHeader(size: 4, sha256: SHA256.hash([1, 2, 3, 4]).bytes), Proto.chunk(0, [1, 2, 3, 4])])
      #expect(second.error == nil)
      #expect(stored.content.withLock { $0.finishes } == 1)
    }
  }

  @Test func `what was kept counts in the digest of a resumed upload`() async throws {
    try await withPlainServer { client, handler, _, _ in
      let header = Proto.uploadHeader(size: 4, sha256: SHA256.hash([1, 2, 3, 4]).bytes)
      // The partner goes away after two wrong bytes…
      _ = await client.call("Upload", [header, Proto.chunk(0, [9, 9])])
      #expect(handler.stored(1, key())?.bytes == [9, 9])
      // …and the rest alone does not make it right.
      let answer = await client.call("Upload", [header, Proto.chunk(2, [3, 4])])
      #expect(answer.reason == "bad-checksum")
      #expect(handler.stored(1, key())?.bytes == [])
    }
  }

  @Test func `a chunk at the wrong offset is refused with the right one`() async throws {
    try await withPlainServer { client, handler, _, _ in
      let header = Proto.uploadHeader(size: 4, sha256: SHA256.hash([1, 2, 3, 4]).bytes)
      for wrong: UInt64 in [1, 3, .max] {
        let answer = await client.call("Upload", [header, Proto.chunk(0, [1, 2]), Proto.chunk(wrong, [3, 4])])
        #expect(answer.reason == "bad-offset")
        #expect(answer.detail == (wrong == 1 ? "2" : answer.detail))
        #expect(answer.error?.code == .outOfRange)
      }
      #expect(handler.stored(1, key())?.bytes == [1, 2])
    }
  }

  @Test func `too many bytes are refused: of a chunk, above the announced size, above the handler's limit`() async throws {
    try await withPlainServer { client, handler, refusals, _ in
      let size: UInt64 = 3 << 20
      let header = Proto.uploadHeader(size: size, sha256: [UInt8](repeating: 1, count: 32))
      let large = await client.call("Upload", [header, Proto.chunk(0, [UInt8](repeating: 0, count: (1 << 20) + 1))])
      #expect(large.reason == "too-large")
      #expect(large.detail == "1048576")
      let short = Proto.uploadHeader(Proto.uploadKey(round: 1), size: 2, sha256: [UInt8](repeating: 1, count: 32))
      let above = await client.call("Upload", [short, Proto.chunk(0, [1]), Proto.chunk(1, [2, 3])])
      #expect(above.reason == "too-large")
      #expect(above.detail == "2")
      handler.set { $0.uploadLimit = 100 }
      let announced = Proto.uploadHeader(Proto.uploadKey(round: 2), size: 101, sha256: [UInt8](repeating: 1, count: 32))
      let refused = await client.call("Upload", [announced])
      #expect(refused.detail == "100")
      #expect(refusals.all == ["too-large": 3])
    }
  }

  @Test func `an upload that ends too early keeps what came and says so`() async throws {
    try await withPlainServer { client, handler, _, _ in
      let header = Proto.uploadHeader(size: 4, sha256: SHA256.hash([1, 2, 3, 4]).bytes)
      let answer = await client.call("Upload", [header, Proto.chunk(0, [1, 2])])
      #expect(answer.reason == "malformed")
      #expect(answer.detail == "size")
      #expect(handler.stored(1, key())?.content.withLock { $0.suspensions } == 1)
    }
  }

  @Test func `a partner that sends nothing is cut off and makes room`() async throws {
    var limits = TransportLimits.brisk
    limits.stall = .seconds(5)
    limits.paceWindow = .seconds(3600)
    limits.concurrentUploads = 1
    try await withPlainServer(limits: limits) { client, handler, refusals, _ in
      let header = Proto.uploadHeader(size: 4, sha256: SHA256.hash([1, 2, 3, 4]).bytes)
      // It announces and waits for ever; an honest one waits behind it for the only slot.
      async let silent = client.call("Upload") { writer, _ in
        try await writer.write(header)
        try await Task.sleep(for: .seconds(3600))
      }
      try await eventually("the slot is taken") { handler.stored(1, key()) != nil }
      let honest = await client.call(
        "Upload", metadata: RawClient.metadata(participant: "2")
      ) { writer, answers in
        try await writer.write(Proto.uploadHeader(size: 4, sha256: SHA256.hash([1, 2, 3, 4]).bytes))
        for await _ in answers { break }
        try await writer.write(Proto.chunk(0, [1, 2, 3, 4]))
      }
      // Waiting for the slot is no fault of the honest one's.
      #expect(honest.error == nil)
      #expect(handler.stored(2, key())?.bytes == [1, 2, 3, 4])
      #expect(await silent.reason == "stalled")
      #expect(refusals.all == ["stalled": 1])
    }
  }

  @Test func `an upload that takes longer than any may is ended, and an empty chunk is no progress`() async throws {
    var limits = TransportLimits.brisk
    (limits.stall, limits.paceWindow, limits.transfer) = (.seconds(3600), .seconds(3600), .seconds(1))
    try await withPlainServer(limits: limits) { client, _, refusals, _ in
      let header = Proto.uploadHeader(size: 4, sha256: SHA256.hash([1, 2, 3, 4]).bytes)
      let endless = await client.call("Upload") { writer, _ in
        try await writer.write(header)
        try await Task.sleep(for: .seconds(3600))
      }
      #expect(endless.reason == "deadline-exceeded")
      let empty = await client.call("Upload", [header, Proto.chunk(0, [])])
      #expect(empty.reason == "malformed" && empty.detail == "chunk.data")
      #expect(refusals.all == ["deadline-exceeded": 1, "malformed": 1])
    }
  }

  @Test func `a second call for the same upload takes over from the first`() async throws {
    try await withPlainServer { client, handler, refusals, _ in
      let bytes = pattern(4)
      let header = Proto.uploadHeader(size: 4, sha256: SHA256.hash(bytes).bytes)
      async let first = client.call("Upload") { writer, answers in
        try await writer.write(header)
        try await writer.write(Proto.chunk(0, Array(bytes[..<2])))
        try await Task.sleep(for: .seconds(3600))
      }
      try await eventually("two bytes are kept") { handler.stored(1, key())?.offset == 2 }
      let second = await client.call("Upload", [header, Proto.chunk(2, Array(bytes[2...]))])
      #expect(second.messages == [Proto.bytes(1, Proto.varint(1, 2)), Proto.bytes(2, [])])
      #expect(await first.reason == "superseded")
      #expect(handler.stored(1, key())?.bytes == bytes)
      #expect(refusals["superseded"] == 1)
    }
  }

  @Test func `a sink that is slow stops the partner: the server keeps no more than the window`() async throws {
    let handler = FakeHandler()
    let gate = Gate()
    handler.set { $0.beforeWrite = { offset in if offset == 0 { await gate.wait() } } }
    try await TestServer.run(handler: handler) { test in
      let proxy = try Proxy(target: test.address)
      defer { proxy.stop() }
      let client = try test.client(4, via: proxy.address)
      let bytes = pattern(64 << 20)
      async let phase = client.upload(key(), payload: BytesPayload(bytes))
      // The sink takes nothing; the relay's count settles at what the server was willing to receive.
      try await eventually("the partner has begun") { proxy.relayed > 1 << 20 }
      var last = -1
      try await eventually("the partner stopped") {
        let now = proxy.relayed
        defer { last = now }
        try await Task.sleep(for: .milliseconds(300))
        return now == last
      }
      // Window, ten chunks that the stream's reader holds, and socket buffers: far less than the upload.
      #expect(proxy.relayed < 24 << 20, "\(proxy.relayed) bytes were received although none was taken")
      gate.open()
      #expect(try await phase == .accepted)
      #expect(handler.stored(4, key())?.bytes == bytes)
      await client.close()
    }
  }

  @Test func `uploads beyond the limit wait for their turn`() async throws {
    var limits = TransportLimits.brisk
    limits.concurrentUploads = 2
    let handler = FakeHandler()
    let running = Mutex(0)
    let most = Mutex(0)
    handler.set {
      $0.beforeWrite = { _ in
        let now = running.withLock { value in
          value += 1
          return value
        }
        most.withLock { $0 = max($0, now) }
        await Task.yield()
        running.withLock { $0 -= 1 }
      }
    }
    try await TestServer.run(handler: handler, limits: limits) { test in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for participant in UInt32(0)..<10 {
          let client = try test.client(participant)
          group.addTask {
            let phase = try await client.upload(key(), payload: BytesPayload(pattern(3_000_000, seed: participant)))
            #expect(phase == .accepted)
            await client.close()
          }
        }
        try await group.waitForAll()
      }
      #expect((1...2).contains(most.withLock { $0 }))
    }
  }

  @Test func `a partner that keeps uploads open under many keys holds one turn, and the others get theirs`() async throws {
    var limits = TransportLimits.brisk
    limits.concurrentUploads = 2
    // Long enough that nothing but the limit per participant helps.
    limits.stall = .seconds(3600)
    try await withPlainServer(limits: limits) { client, handler, refusals, _ in
      let digest = SHA256.hash([1]).bytes
      try await withThrowingTaskGroup(of: RawClient.Answer.self) { group in
        for round in UInt64(0)..<4 {
          group.addTask {
            await client.call("Upload", metadata: RawClient.metadata(participant: "1")) { writer, _ in
              try await writer.write(Proto.uploadHeader(Proto.uploadKey(round: round), size: 1, sha256: digest))
              // Not one byte follows.
              try await Task.sleep(for: .seconds(3600))
            }
          }
        }
        try await eventually("three of four were ended") { refusals["too-many-calls"] >= 3 }
        let honest = Task {
          await client.call(
            "Upload", metadata: RawClient.metadata(participant: "2"),
            [Proto.uploadHeader(size: 1, sha256: digest), Proto.chunk(0, [1])])
        }
        try await eventually("the honest partner's bytes are there") { handler.stored(2, key())?.bytes == [1] }
        #expect(await honest.value.error == nil)
        group.cancelAll()
      }
    }
  }

  @Test func `a payload that cannot be read is this side's failure`() async throws {
    struct Broken: UploadPayload {
      struct Fault: Error {}
      let size: UInt64 = 10
      let sha256 = SHA256.hash([1])
      func read(at offset: UInt64, count: Int) throws -> [UInt8] { throw Fault() }
    }
    try await TestServer.run { test in
      let client = try test.client(1)
      let error = await failure { () async throws(TransportFailure) in try await client.upload(key(), payload: Broken()) }
      guard case .local? = error else {
        Issue.record("found \(String(describing: error))")
        return
      }
      await client.close()
    }
  }
}

/// Holds whoever waits until it is opened.
final class Gate: Sendable {
  private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

  func open() {
    let waiting = state.withLock { state in
      state.isOpen = true
      let waiting = state.waiting
      state.waiting = []
      return waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  func wait() async {
    await withCheckedContinuation { continuation in
      let isOpen = state.withLock { state in
        if !state.isOpen { state.waiting.append(continuation) }
        return state.isOpen
      }
      if isOpen { continuation.resume() }
    }
  }
}
