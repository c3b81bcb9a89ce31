import CryptoPrimitives
import Foundation
import GRPCCore
import PeerIdentity
import Synchronization
import Testing
import Transport

/// Calls that go well, and refusals that arrive as they were meant.
@Suite struct CallTests {
  @Test func `a hello arrives as it was sent, and names the caller by its certificate`() async throws {
    try await TestServer.run { test in
      let client = try test.client(7)
      let notes = [
        LedgerNote(dataset: "shop", size: 12, head: SHA256.hash([1])), LedgerNote(dataset: "mail", size: 0, head: .zero),
      ]
      let answer = try await client.hello(ClientHello(software: "tests 1", ledgers: notes))
      #expect(answer.version == 1)
      #expect(answer.recordedLedgers == notes)
      #expect(answer.coordinatorLedger == LedgerNote(dataset: "", size: 3, head: SHA256.hash([3])))
      #expect(answer.clock == 1_700_000_000_000)
      let (hello, peer) = test.handler.state.withLock { ($0.hellos.first, $0.peers.first) }
      #expect(hello == ClientHello(software: "tests 1", ledgers: notes))
      #expect(peer?.participant == 7)
      #expect(peer?.instance == client.instance)
      #expect(peer?.address.hasPrefix("ipv4:127.0.0.1:") == true)
      await client.close()
    }
  }

  @Test func `the peer's certificate is described as it was issued`() async throws {
    let task = try TestTask()
    try await TestServer.run(task: task) { test in
      let (certificate, key) = try task.clientCertificate(3)
      let tls = try ClientTLS(
        certificatePEM: certificate.pem, privateKeyPEM: key.pem, authorityPEM: task.authority.certificatePEM)
      let client = try CoordinationClient(target: test.address, security: .mutualTLS(tls))
      _ = try await client.report([1])
      let peer = try #require(test.handler.state.withLock { $0.peers.first })
      #expect(peer.certificateFingerprint == certificate.fingerprint)
      #expect(peer.serial == certificate.serial)
      #expect(peer.notAfter == Int64(certificate.notAfter.timeIntervalSince1970))
      await client.close()
    }
  }

  @Test func `a report and a renewal bring the handler's answer`() async throws {
    try await TestServer.run { test in
      let client = try test.client(1)
      #expect(try await client.report([1, 2, 3]) == [3, 2, 1])
      #expect(try await client.renewCertificate([0, 0]).certificatePEM == "certificate for 2 bytes")
      await client.close()
    }
  }

  @Test(arguments: [
    TransportRefusal.unsupportedVersion(found: VersionRange(2, 3), supported: VersionRange(1, 1)), .unidentified,
    .certificateExpired,
    .wrongTask, .notEnrolled, .revoked, .superseded, .helloNeeded, .ledgerRolledBack(dataset: "Läden 100 %"),
    .rateLimited(retryAfter: .seconds(7)),
    .tooManyCalls(limit: 6), .tooLarge(limit: 1 << 40), .badChecksum, .badOffset(expected: 5_000_000_000), .conflict,
    .stageClosed(reason: "the round is over\n"), .unknownDocument(name: "release/9"), .badSignature(field: "statement"),
    .malformed(field: "header.key"), .unknownMethod, .invitationUnknown, .invitationExpired, .invitationUsed, .fault,
    .deadlineExceeded,
  ]) func `a refusal arrives with its reason and detail, and is counted`(refusal: TransportRefusal) async throws {
    try await TestServer.run { test in
      test.handler.set { $0.reportAnswer = .failure(refusal) }
      let client = try test.client(1)
      #expect(await failure { () async throws(TransportFailure) in try await client.report([1]) } == .refused(refusal))
      #expect(test.refusals.all == [refusal.reason: 1])
      await client.close()
    }
  }

  @Test(arguments: [TransportRefusal.unavailable(reason: "the disk is full"), .stalled])
  func `a refusal that may pass is tried again inside the deadline, and then told`(refusal: TransportRefusal) async throws {
    try await TestServer.run { test in
      test.handler.set { $0.reportAnswer = .failure(refusal) }
      var deadlines = ClientDeadlines.brisk
      deadlines.unaryCall = .seconds(15)
      let client = try test.client(1, deadlines: deadlines)
      #expect(await failure { () async throws(TransportFailure) in try await client.report([1]) } == .refused(refusal))
      #expect(test.refusals[refusal.reason] > 1)
      let patient = try test.client(1)
      async let answer = patient.report([1, 2])
      let before = test.refusals[refusal.reason]
      try await eventually("the second client was refused") { test.refusals[refusal.reason] > before }
      test.handler.set { $0.reportAnswer = nil }
      #expect(try await answer == [2, 1])
      await client.close()
      await patient.close()
    }
  }

  @Test func `a partner that speaks only later versions is told both ranges`() async throws {
    try await TestServer.run { test in
      let client = try test.client(1)
      let found = VersionRange(2, 4)
      let error = await failure { () async throws(TransportFailure) in
        try await client.hello(ClientHello(versions: found, software: "", ledgers: []))
      }
      #expect(error == .refused(.unsupportedVersion(found: found, supported: .ours)))
      #expect("\(try #require(error))".contains("2 to 4"))
      #expect("\(try #require(error))".contains("the coordinator's 1;"))
      #expect(try await client.hello(ClientHello(versions: VersionRange(1, 4), software: "", ledgers: [])).version == 1)
      await client.close()
    }
  }

  @Test func `one connection carries no more streams than allowed; the next call waits for one to end`() async throws {
    var limits = TransportLimits.brisk
    limits.streamsPerConnection = 2
    try await withPlainServer(limits: limits) { client, handler, _, _ in
      // A connection learns of the limit with the server's first answer.
      _ = await client.call("Report", [Proto.bytes(1, [1])])
      let gate = Gate()
      let held = (1...2).map { participant in
        Task {
          await client.call("Upload", metadata: RawClient.metadata(participant: "\(participant)")) { writer, _ in
            try await writer.write(Proto.uploadHeader(size: 1, sha256: SHA256.hash([1]).bytes))
            await gate.wait()
            try await writer.write(Proto.chunk(0, [1]))
          }
        }
      }
      try await eventually("both are open") { handler.stored(1, key()) != nil && handler.stored(2, key()) != nil }
      let isAnswered = Mutex(false)
      let third = Task {
        let answer = await client.call("Report", metadata: RawClient.metadata(participant: "3"), [Proto.bytes(1, [1, 2])])
        isAnswered.withLock { $0 = true }
        return answer
      }
      try await Task.sleep(for: .milliseconds(500))
      #expect(!isAnswered.withLock { $0 })
      gate.open()
      #expect(await third.value.messages == [Proto.bytes(1, [2, 1])])
      for call in held { #expect(await call.value.error == nil) }
    }
  }

  @Test func `every refusal has a machine name of its own`() {
    let names = [
      TransportRefusal.unsupportedVersion(found: .ours, supported: .ours), .unidentified, .certificateExpired, .wrongTask,
      .notEnrolled,
      .revoked, .superseded, .helloNeeded, .ledgerRolledBack(dataset: ""), .rateLimited(retryAfter: .seconds(1)),
      .tooManyCalls(limit: 1),
      .tooLarge(limit: 1), .badChecksum, .badOffset(expected: 0), .conflict, .stageClosed(reason: ""), .unknownDocument(name: ""),
      .badSignature(field: ""), .malformed(field: ""), .unknownMethod, .stalled, .deadlineExceeded, .invitationUnknown,
      .invitationExpired, .invitationUsed, .unavailable(reason: ""), .fault,
    ].map(\.reason)
    #expect(names.count == 27 && Set(names) == Set(RefusalReason.allCases.map(\.rawValue)))
  }
}
