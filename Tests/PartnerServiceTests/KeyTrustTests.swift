import CryptoPrimitives
import Foundation
import PartnerService
import PeerIdentity
import Testing
import Transport

/// A coordinator's new signing key: trusted when the old one vouches for it and a person was told its fingerprint, and not else.
@Suite struct KeyTrustTests {
  private static func fingerprint(_ key: SigningKey) -> ShortFingerprint {
    ShortFingerprint(of: SHA256.hash(key.verificationKey.bytes))
  }

  /// A home that has accepted a plan of the first key, and what its coordinator shows after a rotation.
  private struct Rotation {
    let world: World
    let store: PartnerStore
    let enrolment: Enrolment
    let new: SigningKey
    let roster: [UInt8]
    let succession: KeySuccession

    init() async throws {
      world = try await World(partners: 3)
      try await world.join(0, cap: nil)
      store = try world.store(0)
      enrolment = try Joining.enrolment(of: store, world.homes[0])
      var random = SystemRandomSource()
      new = SigningKey(random: &random)
      succession = KeySuccession(
        taskID: world.coordinator.authority.taskID, old: world.coordinator.key, new: new, issued: 3000)
      roster = try await Self.roster(world, by: new, versionAfter: 1)
    }

    static func roster(_ world: World, by key: SigningKey, versionAfter step: UInt64) async throws -> [UInt8] {
      let roster = try SignedRoster(decoding: try await world.coordinator.roster())
      return try SignedRoster.sign(
        taskID: roster.taskID, entries: roster.entries, issued: 3000, version: roster.version + step, key: key
      ).encoded()
    }

    func accept(_ document: [UInt8]? = nil, roster: [UInt8]? = nil, told key: SigningKey? = nil) throws {
      _ = try KeyTrust.accept(
        document ?? succession.encoded, roster: roster ?? self.roster, fingerprint: KeyTrustTests.fingerprint(key ?? new),
        into: store, enrolment: enrolment, time: 3001)
    }

    /// Nothing but a refusal has happened.
    func expectRefused(_ words: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) throws {
      let error = #expect(throws: PartnerError.self, sourceLocation: sourceLocation) { try body() }
      #expect(
        error?.kind == .untrusted && error?.description.contains(words) == true, "\(error.debugDescription)",
        sourceLocation: sourceLocation)
      #expect(try Joining.enrolment(of: store, world.homes[0]) == enrolment, sourceLocation: sourceLocation)
    }
  }

  @Test func `the key whose fingerprint was told is pinned, and what the earlier key signed stays verifiable`() async throws {
    let rotation = try await Rotation()
    let (store, home) = (rotation.store, rotation.world.homes[0])
    try rotation.accept()
    let renewed = try Joining.enrolment(of: try PartnerStore(home), home)
    #expect(renewed.coordinatorKey == rotation.new.verificationKey)
    #expect(renewed.earlierKeys == [rotation.world.coordinator.key.verificationKey])
    let checks = try HomeVerification(home: home, store: store).checks
    #expect(!checks.contains { $0.verdict == .failed }, "\(checks)")
    #expect(checks.contains { $0.subject.hasPrefix("plan ") && $0.verdict == .ok })
    // But nobody joins a plan of the earlier key any more.
    let error = #expect(throws: PartnerError.self) { try Joining.review(home: home, store: store) }
    #expect(error?.kind == .untrusted && error?.description.contains("earlier key") == true)
  }

  /// What the coordinator says of the earlier key's last plan after a rotation.
  @Test(arguments: [.finished(reason: "a new key"), .draining] as [TaskState])
  func `the last plan of the earlier key ends no daemon, neither of who had joined it nor of who came later`(_ state: TaskState)
    async throws
  {
    let rotation = try await Rotation()
    try rotation.accept()
    let (world, store) = (rotation.world, rotation.store)
    let (coordinator, new) = (world.coordinator, rotation.new)
    // Somebody enrols when the new key signs: of the earlier one this home knows nothing.
    let late = world.scratch.file("late")
    let enrolled = try await Enrolling.enrol(
      token: try await coordinator.token("late"), home: late, passphrase: .none, now: Date(),
      call: {
        var grant = try await coordinator.enrol($0, $1)
        let roster = try SignedRoster(decoding: grant.roster)
        grant.coordinatorKey = new.verificationKey.bytes
        grant.roster = try SignedRoster.sign(
          taskID: roster.taskID, entries: roster.entries, issued: 3000, version: roster.version, key: new
        ).encoded()
        return grant
      })
    let plan = try await coordinator.planHash()
    for (participant, home) in [(UInt32(1), world.homes[0]), (enrolled.enrolment.participant, try PartnerHome(at: late))] {
      let polls = Counter()
      await coordinator.tamper(
        participant,
        .init(poll: {
          var answer = $0
          (answer.state, answer.envelopes) = (state, [])
          _ = polls.next()
          return answer
        }))
      let host = try world.host(0, home: home, once: false)
      let running = Task { try await host.run() }
      #expect(await World.eventually { polls.value > 3 })
      await host.stop()
      #expect(try await running.value == .stopped, "participant \(participant)")
    }
    if case .finished(let reason) = state {
      #expect(try store.plan(plan)?.end == reason)
      // Who asked for one plan is told that it is over.
      let once = try world.host(0, once: true)
      #expect(try await once.run() == .finished(reason: reason, isComplete: false))
    }
    #expect(try PartnerStore(PartnerHome(at: late)).plans().isEmpty)
    // A person who asks is told to wait, and not that the coordinator lies.
    await coordinator.tamper(1, .init(document: { name, bytes in name == "roster" ? rotation.roster : bytes }))
    let line = FakeLine(coordinator: coordinator, participant: 1)
    _ = try await line.hello(ClientHello(software: "test", ledgers: []))
    let renewed = try Joining.enrolment(of: store, world.homes[0])
    for (end, kind) in [("a new key", PartnerError.Kind.missing), (nil, .untrusted)] {
      let error = await #expect(throws: PartnerError.self) {
        try await Documents.fetch(from: line, into: store, enrolment: renewed, time: 3002, end: end)
      }
      #expect(error?.kind == kind && error?.description.contains("wait for a new plan") == true)
    }
  }

  @Test func `another fingerprint than the new key's is refused, and the right one is not told`() async throws {
    let rotation = try await Rotation()
    var random = SystemRandomSource()
    let other = SigningKey(random: &random)
    try rotation.expectRefused("not the one whose fingerprint you gave") { try rotation.accept(told: other) }
    let error = #expect(throws: PartnerError.self) { try rotation.accept(told: other) }
    #expect(error?.description.contains(Self.fingerprint(rotation.new).text) == false)
  }

  @Test func `a thief of the old key gets no further than the fingerprint, a stranger not even there`() async throws {
    let rotation = try await Rotation()
    let (task, old) = (rotation.world.coordinator.authority.taskID, rotation.world.coordinator.key)
    var random = SystemRandomSource()
    let thief = SigningKey(random: &random)
    // With the stolen key: a sound succession, to a key whose fingerprint nobody was told.
    let stolen = KeySuccession(taskID: task, old: old, new: thief, issued: 3000)
    let roster = try await Rotation.roster(rotation.world, by: thief, versionAfter: 1)
    try rotation.expectRefused("fingerprint you gave") { try rotation.accept(stolen.encoded, roster: roster) }
    // Without it, but with the fingerprint of his own key told: the old key has not signed.
    let foreign = KeySuccession(taskID: task, old: thief, new: rotation.new, issued: 3000)
    try rotation.expectRefused("no succession") { try rotation.accept(foreign.encoded) }
    var forged = rotation.succession.encoded
    forged[forged.count - 2 * Signature.byteCount] ^= 1
    try rotation.expectRefused("does not hold") { try rotation.accept(forged) }
    var unproven = rotation.succession.encoded
    unproven[unproven.count - 1] ^= 1
    try rotation.expectRefused("does not hold") { try rotation.accept(unproven) }
  }

  @Test func `successions of other tasks, broken chains, and rosters that are not the new key's or go back are refused`()
    async throws
  {
    let rotation = try await Rotation()
    let (task, old) = (rotation.world.coordinator.authority.taskID, rotation.world.coordinator.key)
    let other = KeySuccession(taskID: String(repeating: "0", count: 32), old: old, new: rotation.new, issued: 3000)
    try rotation.expectRefused("does not hold") { try rotation.accept(other.encoded) }
    var random = SystemRandomSource()
    let (third, stranger) = (SigningKey(random: &random), SigningKey(random: &random))
    let gap = rotation.succession.encoded + KeySuccession(taskID: task, old: stranger, new: third, issued: 3001).encoded
    try rotation.expectRefused("does not hold") { try rotation.accept(gap, told: third) }
    try rotation.expectRefused("cannot be read") { try rotation.accept(Array(rotation.succession.encoded.dropLast())) }
    try rotation.expectRefused("no succession") { try rotation.accept([]) }
    let ofOld = try await Rotation.roster(rotation.world, by: old, versionAfter: 1)
    try rotation.expectRefused("roster is not signed") { try rotation.accept(roster: ofOld) }
    let sameVersion = try await Rotation.roster(rotation.world, by: rotation.new, versionAfter: 0)
    try rotation.expectRefused("has seen version") { try rotation.accept(roster: sameVersion) }
  }

  @Test func `a home that slept through two rotations follows the chain`() async throws {
    let rotation = try await Rotation()
    var random = SystemRandomSource()
    let third = SigningKey(random: &random)
    let chain =
      rotation.succession.encoded
      + KeySuccession(taskID: rotation.succession.taskID, old: rotation.new, new: third, issued: 3001).encoded
    let roster = try await Rotation.roster(rotation.world, by: third, versionAfter: 2)
    try rotation.accept(chain, roster: roster, told: third)
    let renewed = try Joining.enrolment(of: rotation.store, rotation.world.homes[0])
    #expect(renewed.coordinatorKey == third.verificationKey && renewed.earlierKeys.count == 2)
  }
}
