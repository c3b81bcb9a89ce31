import CryptoPrimitives
import GRPCCore
import Synchronization
import Testing
import Transport

/// What a foreign or hostile client may send: each is refused with a reason that is counted.
@Suite struct MalformedCallTests {
  @Test func `calls without identity, version or instance are refused`() async throws {
    try await withPlainServer { client, _, refusals, _ in
      let report = [Proto.bytes(1, [1])]
      #expect(await client.call("Report", metadata: RawClient.metadata(participant: nil), report).reason == "unidentified")
      #expect(await client.call("Report", metadata: RawClient.metadata(participant: "-1"), report).reason == "unidentified")
      #expect(
        await client.call("Report", metadata: RawClient.metadata(participant: "4294967296"), report).reason == "unidentified")
      #expect(await client.call("Report", metadata: RawClient.metadata(instance: nil), report).detail == "tacit-instance-bin")
      #expect(await client.call("Report", metadata: RawClient.metadata(instance: [1]), report).detail == "tacit-instance-bin")
      #expect(await client.call("Report", metadata: RawClient.metadata(version: nil), report).detail == "tacit-protocol")
      #expect(await client.call("Report", metadata: RawClient.metadata(version: "one"), report).detail == "tacit-protocol")
      let answer = await client.call("Report", metadata: RawClient.metadata(version: "2"), report)
      #expect(answer.reason == "unsupported-version")
      #expect(answer.detail == "2 2 1 1")
      #expect(answer.error?.code == .failedPrecondition)
      #expect(refusals.all == ["unidentified": 3, "malformed": 4, "unsupported-version": 1])
    }
  }

  struct Bad: Sendable {
    let method: String
    let messages: [[UInt8]]
  }

  static let bad: [Bad] = {
    let versions = Proto.varint(1, 1) + Proto.varint(2, 1)
    let zeros = [UInt8](repeating: 0, count: 32)
    let report = Proto.bytes(1, [1])
    var bad: [Bad] = []
    func add(_ method: String, _ messages: [UInt8]...) { bad.append(Bad(method: method, messages: messages)) }
    add("Report")
    add("Report", [1, 2, 3])
    add("Report", [])
    add("Report", report, report)
    add("Report", Proto.bytes(1, [UInt8](repeating: 0, count: 16_385)))
    add("Poll", Proto.bytes(1, [1, 2, 3]))
    add("Hello", [])
    add("Hello", Proto.varint(1, 3) + Proto.varint(2, 2))
    add("Hello", versions + Proto.bytes(3, [UInt8](repeating: 65, count: 129)))
    add("Hello", versions + Proto.bytes(4, Proto.bytes(1, [65])))
    func ledger(_ name: String) -> [UInt8] { Proto.bytes(4, Proto.bytes(1, Array(name.utf8)) + Proto.bytes(3, zeros)) }
    add("Hello", versions + (0..<65).flatMap { ledger("data-\($0)") })
    add("Hello", versions + ledger("data") + ledger("data"))
    add("Download", [])
    add("Download", Proto.bytes(1, Array("plan\n".utf8)))
    add("Download", Proto.bytes(1, [65]) + Proto.varint(2, 4))
    add("UploadStatus", Proto.uploadKey(session: 15))
    add("UploadStatus", Proto.uploadKey(kind: 0))
    add("Upload")
    add("Upload", Proto.chunk(0, [1]))
    add("Upload", Proto.uploadHeader(size: 0, sha256: zeros))
    add("Upload", Proto.uploadHeader(size: 1, sha256: []))
    add("Upload", Proto.uploadHeader(size: 1 << 63, sha256: zeros))
    add("RenewCertificate", [])
    return bad
  }()

  @Test(arguments: bad) func `a message that breaks the rules is malformed`(bad: Bad) async throws {
    try await withPlainServer { client, handler, refusals, _ in
      let answer = await client.call(bad.method, bad.messages)
      #expect(answer.reason == "malformed")
      #expect(answer.error?.code == .invalidArgument)
      #expect(refusals.all == ["malformed": 1])
      #expect(handler.state.withLock { $0.uploads.isEmpty && $0.hellos.isEmpty })
    }
  }

  @Test func `a method that nobody knows is refused and counted`() async throws {
    try await withPlainServer { client, _, refusals, _ in
      #expect(await client.call("Train", [[]]).reason == "unknown-method")
      #expect(await client.call("Enrol", service: "tacit.v1.Enrolment", [[]]).reason == "unknown-method")
      #expect(refusals.all == ["unknown-method": 2])
    }
  }

  @Test func `a message above all limits ends its call and nothing else`() async throws {
    try await withPlainServer { client, _, refusals, _ in
      let answer = await client.call("Report", [Proto.bytes(1, [UInt8](repeating: 1, count: 5 << 20))])
      #expect(answer.error != nil)
      try await eventually("it is counted") { refusals["malformed"] == 1 }
      // Not one of them is held whole in memory: gRPC ends the stream before this program's own limit on chunks sees it.
      let header = Proto.uploadHeader(size: 3 << 20, sha256: SHA256.hash([1]).bytes)
      let chunk = await client.call("Upload", [header, Proto.chunk(0, [UInt8](repeating: 1, count: 3 << 20))])
      #expect(chunk.error != nil)
      try await eventually("it is counted as well") { refusals["malformed"] == 2 }
      #expect(refusals.all == ["malformed": 2])
      #expect(await client.call("Report", [Proto.bytes(1, [1, 2])]).messages == [Proto.bytes(1, [2, 1])])
    }
  }

  @Test func `thousands of malformed calls are each refused and the server goes on`() async throws {
    try await withPlainServer { client, _, refusals, _ in
      var generator = SplitMix(state: 3)
      for _ in 0..<2000 {
        let method = ["Hello", "Poll", "Download", "UploadStatus", "Upload", "RenewCertificate", "Report", "Nothing"][
          Int(generator.next() % 8)]
        let junk = (0..<Int(generator.next() % 64)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        // A field number that no message has makes sure that nothing of it is valid by chance.
        _ = await client.call(method, [[0x07] + junk])
      }
      #expect(refusals["malformed"] + refusals["unknown-method"] == 2000)
      #expect(await client.call("Report", [Proto.bytes(1, [1, 2])]).messages == [Proto.bytes(1, [2, 1])])
    }
  }
}

struct SplitMix {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
