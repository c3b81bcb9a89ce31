import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import PeerIdentity
import SecureAggregation
import Testing
import Transport

@Suite struct AccessTests {
  private func refusal(_ body: () async throws -> Void) async -> TransportRefusal? {
    do {
      try await body()
      return nil
    } catch { return error as? TransportRefusal }
  }

  private func apply(_ token: EnrolmentToken, _ desk: EnrolmentDesk, seed: UInt8, signedBy other: SigningKey? = nil) async throws
    -> EnrolmentGrant
  {
    let key = SigningKey(seed: SecretBytes(copying: [UInt8](repeating: seed, count: 32)))
    let request = try CertificateRequest.create(key: .generate(), name: token.name)
    return try await apply(token, desk, key: key, request: request, signedBy: other)
  }

  private func apply(
    _ token: EnrolmentToken, _ desk: EnrolmentDesk, key: SigningKey, request: CertificateRequest,
    signedBy other: SigningKey? = nil
  ) async throws -> EnrolmentGrant {
    try await desk.enrol(
      EnrolmentApplication(
        software: "test", secret: token.secret, certificateRequest: request.der, verificationKey: key.verificationKey.bytes,
        proof: (other ?? key).sign(
          EnrolmentProof.message(secret: token.secret, verificationKey: key.verificationKey, request: request.der)
        ).bytes),
      address: "test")
  }

  @Test func `a token enrols once; the very same application again gets the same answer`() async throws {
    let task = try await TestTask()
    let clock = task.clock
    let desk = EnrolmentDesk(state: task.state, logger: TestTask.logger, clock: { clock.now })
    let invitations = try Invitations(folder: task.state.folder)
    let text = try invitations.invite(
      try PartnerName("late"), expires: clock.now.addingTimeInterval(60), now: clock.now
    ).token
    let token = try EnrolmentToken(parsing: text, now: clock.now)
    let key = SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 77, count: 32)))
    let request = try CertificateRequest.create(key: .generate(), name: token.name)
    let grant = try await apply(token, desk, key: key, request: request)
    #expect(grant.participant == 5)
    #expect(try await apply(token, desk, key: key, request: request) == grant)
    #expect(await refusal { _ = try await apply(token, desk, seed: 78) } == .invitationUsed)
    #expect(try task.state.store.partners().count == 5)
    let roster = try SignedRoster(decoding: grant.roster)
    #expect(roster.isSigned(by: task.state.signingKey.verificationKey) && roster.entries.count == 5)
    // The database does not hold the secret.
    let secret = token.secret.withUnsafeBytes { Array($0) }
    for suffix in ["", "-wal"] {
      let bytes = FileManager.default.contents(atPath: task.state.folder.database + suffix) ?? Data()
      #expect(bytes.range(of: Data(secret)) == nil)
    }
  }

  @Test func `an invitation stands until it is over or withdrawn, also when it was used; nothing else is one`() async throws {
    let task = try await TestTask()
    let clock = task.clock
    let desk = EnrolmentDesk(state: task.state, logger: TestTask.logger, clock: { clock.now })
    let invitations = try Invitations(folder: task.state.folder)
    func invite(_ name: String, seconds: Double) throws -> EnrolmentToken {
      try EnrolmentToken(
        parsing: try invitations.invite(
          try PartnerName(name), expires: clock.now.addingTimeInterval(seconds), now: clock.now
        ).token,
        now: clock.now)
    }
    func stands(_ token: EnrolmentToken) async throws -> Bool {
      try await desk.isInvited(EnrolmentToken.secretHash(token.secret))
    }
    #expect(try await !desk.isInvited(SHA256.hash([1])))
    let (used, withdrawn, short) = (try invite("a", seconds: 100), try invite("b", seconds: 100), try invite("c", seconds: 50))
    for token in [used, withdrawn, short] { #expect(try await stands(token)) }
    _ = try await apply(used, desk, seed: 90)
    #expect(try await stands(used))
    _ = try invite("b", seconds: 100)
    #expect(try await !stands(withdrawn))
    clock.advance(51)
    #expect(try await !stands(short))
    #expect(try await stands(used))
    clock.advance(51)
    #expect(try await !stands(used))
  }

  @Test func `two at once with one token: one enrols`() async throws {
    let task = try await TestTask()
    let clock = task.clock
    let desk = EnrolmentDesk(state: task.state, logger: TestTask.logger, clock: { clock.now })
    let text = try Invitations(folder: task.state.folder).invite(
      try PartnerName("late"), expires: clock.now.addingTimeInterval(60), now: clock.now
    ).token
    let token = try EnrolmentToken(parsing: text, now: clock.now)
    var requests: [(SigningKey, CertificateRequest)] = []
    for seed in UInt8(100)..<110 {
      let key = SigningKey(seed: SecretBytes(copying: [UInt8](repeating: seed, count: 32)))
      requests.append((key, try CertificateRequest.create(key: .generate(), name: token.name)))
    }
    let granted = await withTaskGroup(of: Bool.self) { group in
      for (key, request) in requests {
        group.addTask { (try? await apply(token, desk, key: key, request: request)) != nil }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(granted == 1)
    #expect(try task.state.store.partners().count == 5)
  }

  @Test func `wrong, expired and withdrawn tokens and foreign proofs enrol nobody`() async throws {
    let task = try await TestTask()
    let clock = task.clock
    let desk = EnrolmentDesk(state: task.state, logger: TestTask.logger, clock: { clock.now })
    let invitations = try Invitations(folder: task.state.folder)
    func invite(_ name: String) throws -> EnrolmentToken {
      try EnrolmentToken(
        parsing: try invitations.invite(try PartnerName(name), expires: clock.now.addingTimeInterval(60), now: clock.now).token,
        now: clock.now)
    }
    var random = SystemRandomSource()
    let stranger = try EnrolmentToken(
      name: try PartnerName("stranger"), trainingAddress: try HostPort(parsing: "127.0.0.1:1"),
      enrolmentAddress: try HostPort(parsing: "127.0.0.1:2"), caFingerprint: task.state.authority.fingerprint,
      expires: clock.now.addingTimeInterval(60), random: &random)
    #expect(await refusal { _ = try await apply(stranger, desk, seed: 80) } == .invitationUnknown)
    let token = try invite("late")
    let other = SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 81, count: 32)))
    #expect(await refusal { _ = try await apply(token, desk, seed: 82, signedBy: other) } == .badSignature(field: "proof"))
    // An identity of a partner that is enrolled.
    #expect(await refusal { _ = try await apply(token, desk, seed: 1) } == .conflict)
    let again = try invite("late")
    #expect(await refusal { _ = try await apply(token, desk, seed: 83) } == .invitationUnknown)
    clock.advance(61)
    #expect(await refusal { _ = try await apply(again, desk, seed: 84) } == .invitationExpired)
    #expect(try task.state.store.partners().count == 4)
    // An invitation for the name of a partner that is there enrols nobody else.
    let renewal = try invite("partner-1")
    #expect(await refusal { _ = try await apply(renewal, desk, seed: 85) } == .conflict)
    #expect(try task.state.store.partners().count == 4)
  }

  @Test func `a partner that is revoked by another process is refused at its next call, and awaited no more`() async throws {
    let task = try await TestTask(partners: 5)
    let partner = task.partners[1]
    try await task.handler.authorize(partner.peer, isHello: false)
    // As the command does, on a connection of its own.
    let other = try CoordinatorStore(path: task.state.folder.database)
    #expect(try other.revoke(name: "partner-2", now: task.clock.now)?.participant == partner.participant)
    #expect(await refusal { try await task.handler.authorize(partner.peer, isHello: false) } == .revoked)
    #expect(await refusal { try await task.handler.authorize(partner.peer, isHello: true) } == .revoked)
    let request = try CertificateRequest.create(key: .generate(), name: try PartnerName("partner-2"))
    #expect(await refusal { _ = try await task.handler.renewCertificate(request.der, from: partner.peer) } == .revoked)
  }

  @Test func `unknown and expired certificates, and another participant's, open nothing`() async throws {
    let task = try await TestTask()
    var forged = task.partners[0].peer
    forged.participant = task.partners[1].participant
    #expect(await refusal { try await task.handler.authorize(forged, isHello: true) } == .notEnrolled)
    var unknown = task.partners[0].peer
    unknown.certificateFingerprint = SHA256.hash([1])
    #expect(await refusal { try await task.handler.authorize(unknown, isHello: true) } == .notEnrolled)
    task.clock.advance(25 * 3600)
    #expect(await refusal { try await task.handler.authorize(task.partners[0].peer, isHello: true) } == .certificateExpired)
  }

  @Test func `a renewed certificate opens the door, and the old one until its end`() async throws {
    let task = try await TestTask()
    let request = try CertificateRequest.create(key: .generate(), name: try PartnerName("partner-1"))
    let renewed = try await task.handler.renewCertificate(request.der, from: task.partners[0].peer)
    let certificate = try IssuedCertificate(pem: renewed.certificatePEM)
    var peer = task.partners[0].peer
    peer.certificateFingerprint = certificate.fingerprint
    try await task.handler.authorize(peer, isHello: false)
    try await task.handler.authorize(task.partners[0].peer, isHello: false)
  }

  @Test func `whoever renews again and again fills no disk, and keeps the certificate with which it asks`() async throws {
    let task = try await TestTask()
    let asking = task.partners[0].peer
    let request = try CertificateRequest.create(key: .generate(), name: try PartnerName("partner-1"))
    var peers: [Peer] = []
    for _ in 0..<40 {
      let renewed = try await task.handler.renewCertificate(request.der, from: asking)
      var peer = asking
      peer.certificateFingerprint = try IssuedCertificate(pem: renewed.certificatePEM).fingerprint
      peers.append(peer)
    }
    try await task.handler.authorize(asking, isHello: false)
    try await task.handler.authorize(try #require(peers.last), isHello: false)
    var open = 0
    for peer in peers where await refusal({ try await task.handler.authorize(peer, isHello: false) }) == nil { open += 1 }
    #expect(open == 16)
    // Others are not concerned.
    try await task.handler.authorize(task.partners[1].peer, isHello: false)
  }

  @Test func `whoever invents data sets at every hello fills no disk`() async throws {
    let task = try await TestTask()
    let peer = task.partners[0].peer
    func hello(_ names: [String]) async throws {
      _ = try await task.handler.hello(
        ClientHello(software: "test", ledgers: names.map { Transport.LedgerNote(dataset: $0, size: 1, head: SHA256.hash([1])) }),
        from: peer)
    }
    let known = try task.state.store.partnerLedgers(peer.participant).count
    try await hello((0..<50).map { "a\($0)" })
    #expect(await refusal { try await hello((0..<50).map { "b\($0)" }) } == .malformed(field: "ledgers"))
    #expect(try task.state.store.partnerLedgers(peer.participant).count == known + 50)
    try await hello(["a0"])
  }

  @Test func `the newest hello wins, also after a restart`() async throws {
    let task = try await TestTask()
    let old = task.partners[0].peer
    task.partners[0].peer.instance = .random()
    #expect(await refusal { try await task.handler.authorize(task.partners[0].peer, isHello: false) } == .superseded)
    try await task.partners[0].hello(through: task.handler)
    #expect(await refusal { try await task.handler.authorize(old, isHello: false) } == .superseded)
    try await task.restart()
    try await task.handler.authorize(task.partners[0].peer, isHello: false)
    #expect(await refusal { try await task.handler.authorize(old, isHello: false) } == .superseded)
  }

  @Test func `a ledger that is shorter than one shown before, or another of its length, is refused`() async throws {
    let task = try await TestTask(noise: "distributed")
    try await task.run()
    let partner = task.partners[0]
    let head = partner.ledger.head.head
    func hello(_ size: UInt64, _ digest: Digest) async -> TransportRefusal? {
      await refusal {
        _ = try await task.handler.hello(
          ClientHello(software: "test", ledgers: [Transport.LedgerNote(dataset: "data", size: size, head: digest)]),
          from: partner.peer)
      }
    }
    #expect(await hello(head.size, head.head) == nil)
    #expect(await hello(head.size - 1, SHA256.hash([1])) == .ledgerRolledBack(dataset: "data"))
    #expect(await hello(head.size, SHA256.hash([1])) == .ledgerRolledBack(dataset: "data"))
    // Under the name of another data set: no ledger is as long as the one in its key advertisement.
    let fresh = ClientHello(
      software: "test", ledgers: [Transport.LedgerNote(dataset: "fresh", size: 1, head: SHA256.hash([1]))])
    #expect(
      await refusal { _ = try await task.handler.hello(fresh, from: partner.peer) } == .ledgerRolledBack(dataset: "fresh"))
    let answer = try await task.handler.hello(
      ClientHello(software: "test", ledgers: [Transport.LedgerNote(dataset: "data", size: head.size, head: head.head)]),
      from: partner.peer)
    #expect(answer.recordedLedgers.contains { $0.dataset == "data" && $0.size == head.size && $0.head == head.head })
  }

  @Test func `statements count when their maker signed them, once, in order`() async throws {
    let task = try await TestTask()
    let partner = task.partners[0]
    let id = Hexadecimal.decode(task.state.authority.taskID) ?? []
    func statement(_ kind: PartnerStatement.Kind, _ number: UInt64, by key: SigningKey, task id: [UInt8]) -> [UInt8] {
      PartnerStatement(kind, task: id, participant: partner.participant, number: number, time: 1, key: key).encoded
    }
    #expect(
      await refusal {
        _ = try await task.handler.report(statement(.leave, 2, by: task.partners[1].key, task: id), from: partner.peer)
      } == .badSignature(field: "statement"))
    #expect(
      await refusal {
        _ = try await task.handler.report(statement(.pause, 2, by: partner.key, task: id), from: task.partners[1].peer)
      } == .malformed(field: "statement.participant"))
    let foreign = [UInt8](repeating: 9, count: 16)
    #expect(
      await refusal {
        _ = try await task.handler.report(statement(.pause, 2, by: partner.key, task: foreign), from: partner.peer)
      }
        == .wrongTask)
    for number in [0, 1001, UInt64.max] {
      let odd = statement(.pause, number, by: partner.key, task: id)
      #expect(
        await refusal { _ = try await task.handler.report(odd, from: partner.peer) } == .malformed(field: "statement.number"))
    }
    let pause = statement(.pause, 2, by: partner.key, task: id)
    let receipt = try await task.handler.report(pause, from: partner.peer)
    #expect(try await task.handler.report(pause, from: partner.peer) == receipt)
    _ = try await task.handler.report(statement(.resume, 3, by: partner.key, task: id), from: partner.peer)
    // Consent to a plan that nobody runs.
    let elsewhere = PartnerStatement(
      .consent, task: id, participant: partner.participant, number: 4, plan: SHA256.hash([9]), time: 1, key: partner.key)
    guard
      case .stageClosed? = await refusal({ _ = try await task.handler.report(elsewhere.encoded, from: partner.peer) })
    else {
      Issue.record("nobody can consent to a plan that is not there")
      return
    }
    // The pause again, by whoever recorded it: it is old.
    #expect(await refusal { _ = try await task.handler.report(pause, from: partner.peer) } == .conflict)
    let plan = SHA256.hash(task.plan.bytes)
    let standing = try #require(try task.state.store.standings(plan: plan)[partner.participant])
    #expect(standing.hasConsented && !standing.isPaused && !standing.hasLeft)
  }
}
