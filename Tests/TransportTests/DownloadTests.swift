import CryptoPrimitives
import Foundation
import Synchronization
import Testing
import Transport

/// Downloads: whole, broken, resumed, changed meanwhile.
@Suite(.serialized) struct DownloadTests {
  @Test(arguments: [0, 1, 1 << 20, (1 << 20) + 1, 3_333_333]) func `a document arrives whole`(count: Int) async throws {
    try await TestServer.run { test in
      let bytes = pattern(count)
      test.handler.set { $0.documents["plan"] = BytesDocument(bytes) }
      let client = try test.client(1)
      #expect(try await client.download("plan", limit: 4_000_000) == bytes)
      await client.close()
    }
  }

  @Test func `64 MiB arrive as they were, both ways`() async throws {
    try await TestServer.run { test in
      let bytes = pattern(64 << 20)
      test.handler.set { $0.documents["release/1"] = BytesDocument(bytes) }
      let client = try test.client(1)
      #expect(SHA256.hash(try await client.download("release/1", limit: 1 << 30)) == SHA256.hash(bytes))
      #expect(try await client.upload(key(), payload: BytesPayload(bytes)) == .accepted)
      #expect(SHA256.hash(try #require(test.handler.stored(1, key())).bytes) == SHA256.hash(bytes))
      await client.close()
    }
  }

  @Test func `an unknown document and one that is too large are told`() async throws {
    try await TestServer.run { test in
      test.handler.set { $0.documents["plan"] = BytesDocument(pattern(1000)) }
      let client = try test.client(1)
      #expect(
        await failure { () async throws(TransportFailure) in try await client.download("nothing", limit: 1) }
          == .refused(.unknownDocument(name: "nothing")))
      #expect(
        await failure { () async throws(TransportFailure) in try await client.download("plan", limit: 999) }
          == .badAnswer("plan has 1000 bytes, at most 999 are expected"))
      await client.close()
    }
  }

  @Test func `a download that is cut goes on where it stopped`() async throws {
    try await TestServer.run { test in
      let proxy = try Proxy(target: test.address)
      defer { proxy.stop() }
      let document = CountingDocument(pattern(100_000_000))
      test.handler.set { $0.documents["release/1"] = document }
      let client = try test.client(1, via: proxy.address)
      document.onRead = { offset in if offset >= 80_000_000, proxy.accepted == 1 { proxy.cutNow() } }
      let bytes = try await client.download("release/1", limit: 1 << 30)
      #expect(SHA256.hash(bytes) == document.sha256)
      #expect(proxy.accepted >= 2)
      // Without resumption at least 180 MB.
      #expect(document.bytesRead < 160_000_000, "\(document.bytesRead) bytes were read for 100 MB")
      await client.close()
    }
  }

  @Test func `a document that changed between two tries is fetched anew`() async throws {
    try await TestServer.run { test in
      let proxy = try Proxy(target: test.address)
      defer { proxy.stop() }
      let first = CountingDocument(pattern(20_000_000))
      let second = BytesDocument(pattern(20_000_000, seed: 2))
      test.handler.set { $0.documents["release/1"] = first }
      let client = try test.client(1, via: proxy.address)
      first.onRead = { offset in
        guard offset >= 15_000_000 else { return }
        test.handler.set { $0.documents["release/1"] = second }
        proxy.cutNow()
      }
      #expect(SHA256.hash(try await client.download("release/1", limit: 1 << 30)) == second.sha256)
      await client.close()
    }
  }

  @Test func `a file appears whole or not at all, and a later process goes on with the part`() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("model").path
    try await TestServer.run { test in
      let document = CountingDocument(pattern(80_000_000))
      test.handler.set { $0.documents["release/1"] = document }
      let stopping = try test.client(1)
      let stop = Gate()
      document.onRead = { offset in if offset >= 60_000_000 { stop.open() } }
      let first = Task { () async -> TransportFailure? in
        await failure { () async throws(TransportFailure) in
          try await stopping.download("release/1", limit: 1 << 30, toFile: path)
        }
      }
      await stop.wait()
      first.cancel()
      let ended = await first.value
      await stopping.close()
      let client = try test.client(1)
      if ended != nil {
        #expect(ended == .cancelled)
        #expect(!FileManager.default.fileExists(atPath: path))
        document.onRead = nil
        let document = try await client.download("release/1", limit: 1 << 30, toFile: path)
        #expect(document.size == 80_000_000)
      }
      // Without resumption at least 140 MB, when the first process was stopped in time.
      #expect(document.bytesRead < 125_000_000, "\(document.bytesRead) bytes were read for 80 MB")
      let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
      #expect(SHA256.hash(bytes) == document.sha256)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["model"])
      await client.close()
    }
  }

  @Test(arguments: ["model.part", "model.part.sha256"])
  func `a link where a part would be is not followed: what it names stays as it is`(name: String) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let victim = folder.appendingPathComponent("victim")
    try Data([7, 7]).write(to: victim)
    try FileManager.default.createSymbolicLink(at: folder.appendingPathComponent(name), withDestinationURL: victim)
    try await TestServer.run { test in
      test.handler.set { $0.documents["release/1"] = BytesDocument(pattern(1000)) }
      let client = try test.client(1)
      let found = await failure { () async throws(TransportFailure) in
        try await client.download("release/1", limit: 1 << 20, toFile: folder.appendingPathComponent("model").path)
      }
      guard case .local? = found else {
        Issue.record("found \(String(describing: found))")
        return
      }
      await client.close()
    }
    #expect(try Data(contentsOf: victim) == Data([7, 7]))
  }

  @Test func `a part that was damaged on disk is noticed and fetched anew`() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("model").path
    let bytes = pattern(2_000_000)
    try Data(bytes[..<500_000].map { $0 ^ 1 }).write(to: URL(fileURLWithPath: path + ".part"))
    try SHA256.hash(bytes).hex.write(toFile: path + ".part.sha256", atomically: true, encoding: .utf8)
    try await TestServer.run { test in
      test.handler.set { $0.documents["release/1"] = BytesDocument(bytes) }
      let client = try test.client(1)
      _ = try await client.download("release/1", limit: 1 << 30, toFile: path)
      #expect(try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) == bytes)
      await client.close()
    }
  }

  @Test func `a file that cannot be written is this side's failure`() async throws {
    try await TestServer.run { test in
      test.handler.set { $0.documents["plan"] = BytesDocument([1]) }
      let client = try test.client(1)
      let found = await failure { () async throws(TransportFailure) in
        try await client.download("plan", limit: 10, toFile: "/nonexistent/folder/plan")
      }
      guard case .local? = found else {
        Issue.record("found \(String(describing: found))")
        return
      }
      await client.close()
    }
  }

  @Test func `a reader that does not read stops the server: it reads no more than the window of the document`() async throws {
    try await TestServer.run { test in
      let proxy = try Proxy(target: test.address)
      defer { proxy.stop() }
      let document = CountingDocument(pattern(64 << 20))
      test.handler.set { $0.documents["release/1"] = document }
      document.onRead = { offset in if offset >= 4 << 20 { proxy.freeze() } }
      let client = try test.client(1, via: proxy.address)
      let download = Task {
        await failure { () async throws(TransportFailure) in try await client.download("release/1", limit: 1 << 30) }
      }
      try await eventually("the download has begun") { document.bytesRead > 4 << 20 }
      var last = -1
      try await eventually("the server stopped reading") {
        let now = document.bytesRead
        defer { last = now }
        try await Task.sleep(for: .milliseconds(300))
        return now == last
      }
      // What is on its way (window, buffers, a busy machine's delays) is far less than the document.
      #expect(
        document.bytesRead < 40 << 20, "\(document.bytesRead) bytes were read, \(proxy.accepted) connections, nobody takes them")
      download.cancel()
      #expect(await download.value == .cancelled)
      await client.close()
    }
  }
}

/// A document that tells what is read of it.
final class CountingDocument: DocumentSource {
  private struct State {
    var read = 0
    var onRead: (@Sendable (UInt64) -> Void)?
  }
  private let bytes: [UInt8]
  let sha256: Digest
  var size: UInt64 { UInt64(bytes.count) }
  private let state = Mutex(State())

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    sha256 = SHA256.hash(bytes)
  }

  var bytesRead: Int { state.withLock { $0.read } }
  var onRead: (@Sendable (UInt64) -> Void)? {
    get { state.withLock { $0.onRead } }
    set { state.withLock { $0.onRead = newValue } }
  }

  func read(at offset: UInt64, count: Int) -> [UInt8] {
    let onRead = state.withLock { state in
      state.read += count
      return state.onRead
    }
    onRead?(offset)
    return Array(bytes[Int(offset)..<Int(offset) + count])
  }
}
