import CryptoPrimitives
import Foundation
import PeerIdentity
import Synchronization
import Testing
import Transport

/// The listener for strangers, and a client that knows nothing of it but a fingerprint.
@Suite struct EnrolmentTests {
  final class Handler: EnrolmentHandler {
    let seen = Mutex<[EnrolmentApplication]>([])
    let refusal: TransportRefusal?
    /// Hashes of the secrets of invitations that stand.
    let invited = Mutex<Set<Digest>>([])
    /// How long it takes to answer.
    let delay: Duration
    private let answering = Atomic<Bool>(false)
    var isAnswering: Bool { answering.load(ordering: .acquiring) }
    init(refusal: TransportRefusal? = nil, delay: Duration = .zero) {
      self.refusal = refusal
      self.delay = delay
    }

    func isInvited(_ secretHash: Digest) -> Bool { invited.withLock { $0.contains(secretHash) } }

    func enrol(_ application: EnrolmentApplication, address: String) async throws(TransportRefusal) -> EnrolmentGrant {
      answering.store(true, ordering: .releasing)
      if delay > .zero { try? await Task.sleep(for: delay) }
      seen.withLock { $0.append(application) }
      if let refusal { throw refusal }
      return EnrolmentTests.grant
    }
  }

  static let grant = EnrolmentGrant(
    participant: 3, certificatePEM: "c", authorityPEM: "a", coordinatorKey: [UInt8](repeating: 2, count: 32), roster: [1, 2, 3])

  private let application = EnrolmentApplication(
    software: "tests", secret: SecretBytes(copying: [UInt8](repeating: 1, count: 32)), certificateRequest: [4, 5],
    verificationKey: [UInt8](repeating: 6, count: 32), proof: [UInt8](repeating: 7, count: 64))

  private func run(
    _ tls: ServerTLS?, handler: Handler = Handler(), limits: EnrolmentLimits = EnrolmentLimits(),
    _ body: (HostPort, Handler, Counter) async throws -> Void
  ) async throws {
    let refusals = Counter()
    let server = try EnrolmentServer(
      listen: HostPort(parsing: "127.0.0.1:0"), tls: tls, handler: handler, limits: limits, onRefusal: { refusals.add($0) })
    let running = Task { try await server.run() }
    let outcome: Result<Void, any Error>
    do {
      try await body(try await server.boundAddress, handler, refusals)
      outcome = .success(())
    } catch {
      outcome = .failure(error)
    }
    running.cancel()
    try await running.value
    try outcome.get()
  }

  @Test func `a listener that is cut off waits for no enrolment`() async throws {
    var limits = EnrolmentLimits()
    limits.call = .seconds(3600)
    let handler = Handler(delay: .seconds(3600))
    let server = try EnrolmentServer(listen: HostPort(parsing: "127.0.0.1:0"), tls: nil, handler: handler, limits: limits)
    let running = Task { try await server.run() }
    let address = try await server.boundAddress
    let caller = Task { await enrol(address, nil) }
    try await eventually("the enrolment is being answered") { handler.isAnswering }
    running.cancel()
    try await running.value
    caller.cancel()
    _ = await caller.value
  }

  private func enrol(
    _ address: HostPort, _ fingerprint: Digest?, _ application: EnrolmentApplication? = nil
  ) async -> Result<EnrolmentGrant, TransportFailure> {
    do throws(TransportFailure) {
      return .success(
        try await EnrolmentClient.enrol(
          target: address, authority: fingerprint, application: application ?? self.application, deadline: .seconds(20)))
    } catch {
      return .failure(error)
    }
  }

  @Test func `a partner that knows the fingerprint enrols`() async throws {
    let task = try TestTask()
    try await run(try task.serverTLS()) { address, handler, refusals in
      #expect(await enrol(address, task.authority.fingerprint) == .success(Self.grant))
      let seen = try #require(handler.seen.withLock { $0.first })
      #expect(seen.secret.isEqual(to: application.secret))
      #expect(seen.certificateRequest == application.certificateRequest)
      #expect(seen.verificationKey == application.verificationKey)
      #expect(seen.proof == application.proof)
      #expect(seen.software == "tests")
      #expect(refusals.all.isEmpty)
    }
  }

  /// Servers that a stranger could put in the way; none may hear the token's secret.
  @Test(arguments: [
    "another authority", "its own leaf under the true authority", "an expired leaf", "another host's leaf", "a partner's leaf",
  ])
  func `a man in the middle learns nothing`(kind: String) async throws {
    let task = try TestTask()
    let other = try TestTask()
    let tls: ServerTLS
    switch kind {
    case "another authority": tls = try other.serverTLS()
    case "its own leaf under the true authority":
      let (leaf, key) = try other.serverCertificate()
      tls = try ServerTLS(certificatePEM: leaf.pem, privateKeyPEM: key.pem, authorityPEM: task.authority.certificatePEM)
    case "an expired leaf": tls = try task.serverTLS(issued: Date() - 10 * 86_400, days: 2)
    case "another host's leaf": tls = try task.serverTLS(hosts: ["192.0.2.7"])
    default:
      let (leaf, key) = try task.clientCertificate(1)
      tls = try ServerTLS(certificatePEM: leaf.pem, privateKeyPEM: key.pem, authorityPEM: task.authority.certificatePEM)
    }
    try await run(tls) { address, handler, _ in
      let found = await enrol(address, task.authority.fingerprint)
      guard case .failure(.notTrusted) = found else {
        Issue.record("found \(found)")
        return
      }
      #expect(handler.seen.withLock { $0.isEmpty })
    }
  }

  @Test(arguments: [TransportRefusal.invitationUnknown, .invitationExpired, .invitationUsed, .badSignature(field: "proof")])
  func `the handler's refusal arrives`(refusal: TransportRefusal) async throws {
    let task = try TestTask()
    try await run(try task.serverTLS(), handler: Handler(refusal: refusal)) { address, _, refusals in
      #expect(await enrol(address, task.authority.fingerprint) == .failure(.refused(refusal)))
      // On a loaded machine the client may have asked twice.
      #expect(Array(refusals.all.keys) == [refusal.reason])
    }
  }

  @Test func `who guesses tokens is slowed down`() async throws {
    var limits = EnrolmentLimits()
    limits.burstPerAddress = 3
    limits.perSecondPerAddress = 0.001
    let task = try TestTask()
    try await run(try task.serverTLS(), handler: Handler(refusal: .invitationUnknown), limits: limits) {
      address, handler, refusals in
      for _ in 0..<3 { #expect(await enrol(address, task.authority.fingerprint) == .failure(.refused(.invitationUnknown))) }
      for _ in 0..<3 {
        guard case .failure(.refused(.rateLimited)) = await enrol(address, task.authority.fingerprint) else {
          Issue.record("a further guess was let through")
          return
        }
      }
      #expect(handler.seen.withLock { $0.count } == 3)
      #expect(refusals.all == ["invitation-unknown": 3, "rate-limited": 3])
    }
  }

  @Test func `all strangers together are slowed down as well`() async throws {
    var limits = EnrolmentLimits()
    limits.burst = 2
    limits.perSecond = 0.01
    let task = try TestTask()
    try await run(try task.serverTLS(), limits: limits) { address, _, refusals in
      for _ in 0..<3 { _ = await enrol(address, task.authority.fingerprint) }
      #expect(Array(refusals.all.keys) == ["rate-limited"])
    }
  }

  @Test func `whoever holds an invitation enrols while strangers have used up every try, even behind its own address`()
    async throws
  {
    var limits = EnrolmentLimits()
    (limits.burstPerAddress, limits.perSecondPerAddress) = (2, 0.0001)
    (limits.burst, limits.perSecond) = (2, 0.0001)
    (limits.burstPerInvitation, limits.perSecondPerInvitation) = (2, 0.0001)
    let task = try TestTask()
    try await run(try task.serverTLS(), limits: limits) { address, handler, refusals in
      var stranger = application
      stranger.secret = SecretBytes(copying: [UInt8](repeating: 9, count: 32))
      for _ in 0..<4 { _ = await enrol(address, task.authority.fingerprint, stranger) }
      #expect(refusals.all == ["rate-limited": 2])
      handler.invited.withLock { _ = $0.insert(EnrolmentToken.secretHash(application.secret)) }
      for _ in 0..<2 { #expect(await enrol(address, task.authority.fingerprint) == .success(Self.grant)) }
      // A token that got around is no way to flood either, and takes nothing from other invitations.
      guard case .failure(.refused(.rateLimited)) = await enrol(address, task.authority.fingerprint) else {
        Issue.record("one invitation was tried without limit")
        return
      }
      var other = application
      other.secret = SecretBytes(copying: [UInt8](repeating: 10, count: 32))
      handler.invited.withLock { _ = $0.insert(EnrolmentToken.secretHash(other.secret)) }
      #expect(await enrol(address, task.authority.fingerprint, other) == .success(Self.grant))
    }
  }

  @Test func `strangers who hold all connections from a few addresses make room for another address, not for themselves`()
    async throws
  {
    var limits = EnrolmentLimits()
    (limits.connections, limits.connectionsPerAddress) = (6, 6)
    // Without TLS a connection has nothing to finish.
    try await run(nil, limits: limits) { address, _, refusals in
      let origins: [UInt32] = [2, 2, 2, 3, 3, 3]
      var strangers = try origins.map { try Stranger(from: $0, to: address) }
      defer { for stranger in strangers { stranger.hangUp() } }
      // All six stand once a seventh of theirs is turned away; it takes no room from the other strangers.
      try await eventually("every connection is taken") {
        // The listener may have met a seventh before one of the six.
        for (index, origin) in origins.enumerated() where strangers[index].isHungUpOn() {
          strangers[index].hangUp()
          strangers[index] = try Stranger(from: origin, to: address)
        }
        let seventh = try Stranger(from: 2, to: address)
        defer { seventh.hangUp() }
        return seventh.isHungUpOn() && strangers.allSatisfy { !$0.isHungUpOn() }
      }
      #expect(await enrol(address, nil) == .success(Self.grant))
      #expect(strangers.filter { $0.isHungUpOn() }.count <= 2)
      #expect(refusals["connection-limit"] >= 2)
    }
  }

  @Test func `whoever is invited enrols while connections that say nothing come from everywhere`() async throws {
    var limits = EnrolmentLimits()
    (limits.handshakes, limits.handshakesPerAddress) = (4, 3)
    limits.handshake = .seconds(3600)
    let task = try TestTask()
    try await run(try task.serverTLS(), limits: limits) { address, _, refusals in
      let strangers = try (2..<12).map { try Stranger(from: $0, to: address) }
      defer { for stranger in strangers { stranger.hangUp() } }
      try await eventually("the oldest have made room") { refusals["connection-limit"] == 6 }
      #expect(await enrol(address, task.authority.fingerprint) == .success(Self.grant))
      // No choice of addresses keeps anybody out: this one is after all of theirs, and theirs fill the room again.
      let more = try (12..<14).map { try Stranger(from: $0, to: address) }
      defer { for stranger in more { stranger.hangUp() } }
      try await eventually("the room is full again") { refusals["connection-limit"] == 8 }
      let proxy = try Proxy(target: address, from: 99)
      defer { proxy.stop() }
      #expect(await enrol(proxy.address, task.authority.fingerprint) == .success(Self.grant))
    }
  }

  @Test func `strangers with one connection each from everywhere keep nobody out who has none`() async throws {
    var limits = EnrolmentLimits()
    (limits.connections, limits.connectionsPerAddress) = (6, 6)
    // Without TLS a connection has nothing to finish.
    try await run(nil, limits: limits) { address, _, refusals in
      let strangers = try (2..<9).map { try Stranger(from: $0, to: address) }
      defer { for stranger in strangers { stranger.hangUp() } }
      try await eventually("every connection is taken") { refusals["connection-limit"] >= 1 }
      #expect(await enrol(address, nil) == .success(Self.grant))
    }
  }

  @Test func `another version is refused, and nothing takes longer than it may`() async throws {
    var limits = EnrolmentLimits()
    limits.call = .milliseconds(500)
    try await run(nil, handler: Handler(delay: .seconds(3600)), limits: limits) { address, handler, _ in
      var later = application
      later.versions = VersionRange(2, 3)
      #expect(
        await enrol(address, nil, later)
          == .failure(.refused(.unsupportedVersion(found: VersionRange(2, 3), supported: .ours))))
      #expect(handler.seen.withLock { $0.isEmpty })
      #expect(await enrol(address, nil) == .failure(.refused(.deadlineExceeded)))
    }
  }

  @Test func `however many callers there are, no more of them are remembered than there is room for`() throws {
    let buckets = TokenBuckets<Int>(burst: 1, perSecond: 0.1, capacity: 2)
    let start = ContinuousClock.now
    try buckets.take(1, now: start)
    try buckets.take(2, now: start)
    #expect(throws: TransportRefusal.rateLimited(retryAfter: .seconds(10))) { try buckets.take(3, now: start) }
    // Whoever was quiet for long enough is forgotten, and makes room.
    try buckets.take(3, now: start + .seconds(11))
    #expect(throws: TransportRefusal.rateLimited(retryAfter: .seconds(10))) { try buckets.take(3, now: start + .seconds(11)) }
  }

  @Test func `callers are counted by address, those with IPv6 by the network of one customer`() {
    #expect(CallerOrigin.of("ipv4:192.0.2.1:443") == CallerOrigin.of("ipv4:192.0.2.1:9"))
    #expect(CallerOrigin.of("ipv4:192.0.2.1:443") != CallerOrigin.of("ipv4:192.0.2.2:443"))
    #expect(CallerOrigin.of("ipv6:[2001:db8::1]:443") == CallerOrigin.of("ipv6:[2001:db8::ffff:2]:9"))
    #expect(CallerOrigin.of("ipv6:[2001:db8::1]:443") != CallerOrigin.of("ipv6:[2001:db8:0:1::1]:443"))
    #expect(CallerOrigin.of(address: "2001:db8::1") == CallerOrigin.of("ipv6:[2001:db8::1]:443"))
  }

  @Test func `malformed applications are refused`() async throws {
    try await run(nil) { address, handler, refusals in
      var limits = 0
      for (change, field) in [
        ({ (a: inout EnrolmentApplication) in a.proof = [1] }, "proof"), ({ $0.verificationKey = [] }, "verification_key"),
        ({ $0.certificateRequest = [] }, "certificate_request"),
        ({ $0.secret = SecretBytes(copying: [1]) }, "secret"),
      ] {
        var application = self.application
        change(&application)
        #expect(await enrol(address, nil, application) == .failure(.refused(.malformed(field: field))))
        limits += 1
      }
      #expect(handler.seen.withLock { $0.isEmpty })
      #expect(refusals["malformed"] >= limits)
    }
  }

  @Test func `without TLS nothing but this machine is dialled`() async throws {
    let found = await enrol(try HostPort(parsing: "192.0.2.1:7444"), nil)
    guard case .failure(.local) = found else {
      Issue.record("found \(found)")
      return
    }
  }
}
