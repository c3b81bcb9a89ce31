import CryptoPrimitives
import DifferentialPrivacy
import FederatedLearning
import Foundation
import PartnerService
import PeerIdentity
import Recommender
import SecureAggregation
import Testing
import Transport

/// Enrolling, reading a plan, saying yes, resting and leaving.
@Suite struct JoiningTests {
  @Test func `a home enrols once`() async throws {
    let world = try await World(partners: 4)
    let token = try await world.coordinator.token("again")
    let coordinator = world.coordinator
    await #expect {
      try await Enrolling.enrol(
        token: token, home: world.homes[0].path, passphrase: .none, now: Date(), call: { try await coordinator.enrol($0, $1) })
    } throws: { ($0 as? PartnerError)?.kind == .usage && "\($0)".contains("enrolled already") }
  }

  enum Lie: CaseIterable, Sendable { case otherAuthority, otherKey, otherParticipant, rosterWithoutMe, otherCoordinatorKey }

  @Test(arguments: Lie.allCases)
  func `an answer that is not what the token promises is refused, and nothing is pinned`(_ lie: Lie) async throws {
    let scratch = try Scratch()
    let coordinator = try FakeCoordinator()
    let other = try FakeCoordinator()
    let home = scratch.file("home")
    await #expect {
      try await Enrolling.enrol(
        token: try await coordinator.token("p1"), home: home, passphrase: .none, now: Date(),
        call: { token, application in
          var grant = try await coordinator.enrol(token, application)
          switch lie {
          case .otherAuthority: grant = try await other.enrol(token, application)
          case .otherKey:
            let request = try CertificateRequest.create(key: .generate(), name: token.name)
            grant.certificatePEM = try coordinator.authority.issueClient(
              request: request, participant: 1, name: token.name, lifetime: .seconds(3600), now: Date()
            ).pem
          case .otherParticipant: grant.participant = 2
          case .rosterWithoutMe:
            grant.roster = try SignedRoster.sign(
              taskID: coordinator.authority.taskID, entries: [], issued: 1, version: 9, key: coordinator.key
            ).encoded()
          case .otherCoordinatorKey: grant.coordinatorKey = other.key.verificationKey.bytes
          }
          return grant
        })
    } throws: { $0 is PartnerError || $0 is PeerIdentityError }
    #expect(try PartnerStore(PartnerHome(at: home)).enrolment() == nil)
  }

  @Test func `others must not look into a home`() async throws {
    let world = try await World(partners: 4)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: world.homes[0].path)
    #expect { try PartnerHome(at: world.homes[0].path) } throws: { ($0 as? PartnerError)?.kind == .permission }
  }

  @Test(arguments: [NoiseMode.none, .central, .distributed])
  func `the review says in plain words what is joined`(_ noise: NoiseMode) async throws {
    let world = try await World(partners: 4, PlanSetting(noise: noise))
    try await world.fetch(0)
    try world.importData(0)
    let review = try Joining.review(home: world.homes[0], store: try world.store(0))
    let text = review.text
    #expect(review.objections == [])
    for word in [
      "WHAT IS NOT PROTECTED", "WHAT CANNOT BE UNDONE", "no time is fixed", "a user's vector says which items", "127.0.0.1:7443",
      ShortFingerprint(of: review.hash).text, "participant 1", "one user with all of the user's interactions", "add-remove",
      "minimum survivors 3", "round",
      "never your own sum", "roster fingerprint", review.roster.fingerprint.text, "p4", review.hash.hex, "your own cap",
      "ε = 10.0 at δ = 1e-06",
    ] { #expect(text.contains(word), "\(word)") }
    for entry in review.plan.roster {
      let key = try #require(VerificationKey(hex: entry.verificationKey))
      #expect(text.contains(ShortFingerprint(of: SHA256.hash(key.bytes)).text))
    }
    switch noise {
    case .none: #expect(text.contains("ε is infinite") && text.contains("No noise is added"))
    case .central:
      // Φ(Φ⁻¹(0.01) + μ) with the μ of (8, 1e-6), computed apart from this program.
      #expect(abs(review.attackRate - 0.21336412) < 1e-6)
      #expect(
        text.contains("at most a factor of e^ε = 2981, but for a chance of δ") && text.contains("at most 21.4 % of the users"))
      #expect(text.contains("ε ≤ 8.0 at δ = 1e-06") && text.contains("the coordinator draws the noise and is trusted"))
    case .distributed:
      #expect(text.contains("ε ≤ 8.0 at δ = 1e-06") && text.contains("the coordinator, and 1 partner that work with it"))
    }
    let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(review.document)) as? [String: Any]
    #expect(json?["planHash"] as? String == review.hash.hex)
    #expect(json?["minimumSurvivors"] as? Int == 3)
  }

  @Test(arguments: [false, true])
  func `the review says who can open what, and how many must lie`(isDrawn: Bool) async throws {
    let setting = PlanSetting(configure: { draft in
      guard isDrawn else { return }
      draft.aggregation = AggregationPolicy(
        isSecure: true, threshold: 4, minimumSurvivors: 7, colluders: 1, suite: 1, maximumAttempts: 3,
        graph: DrawnGraphPolicy(holders: 5, maskDraws: 5))
    })
    let world = try await World(partners: isDrawn ? 8 : 4, setting)
    try await world.fetch(0)
    let review = try Joining.review(home: world.homes[0], store: try world.store(0))
    let text = review.text
    let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(review.document)) as? [String: Any]
    #expect(text.contains("WHO CAN OPEN WHAT"))
    if isDrawn {
      let bits = try #require(review.plan.opening?.securityBits)
      for words in [
        "you draw 5 of the other 7 partners by your own coins", "4 of them must help to take one mask off",
        "4 of your 5 have signed the list that you signed, of at least 7", "unless 3 of your 5 lie together",
        "when 1 of the 8 partners do", "at most 2^-\(bits) in an attempt", "a sum of 7 hides you among 6",
      ] { #expect(text.contains(words), "\(words)\n\(text)") }
      #expect(bits >= 40 && json?["holders"] as? Int == 5 && json?["holdersAreDrawn"] as? Bool == true)
      #expect(json?["liarsNeeded"] as? Int == 3 && json?["securityBits"] as? Int == bits)
    } else {
      for words in [
        "every one of the 4 partners, you among them, holds a share", "3 must help to take one mask off",
        "unless 2 of the 4 partners lie together", "the plan reckons with 1", "a sum of 3 hides you among 2",
      ] { #expect(text.contains(words), "\(words)\n\(text)") }
      #expect(json?["holders"] as? Int == 4 && json?["liarsNeeded"] as? Int == 2 && json?["securityBits"] == nil)
    }
  }

  @Test func `a plan whose signature is not the pinned coordinator's is not shown`() async throws {
    let world = try await World(partners: 4)
    await world.coordinator.tamper(
      1,
      .init(document: { name, bytes in
        guard name == "plan-signature" else { return bytes }
        var random = SystemRandomSource()
        return SigningKey(random: &random).sign(bytes).bytes
      }))
    await #expect { try await world.fetch(0) } throws: { ($0 as? PartnerError)?.kind == .untrusted }
    #expect(try world.store(0).plans().isEmpty)
  }

  @Test func `a catalogue that is not the plan's and a roster that went back are refused`() async throws {
    let world = try await World(partners: 4)
    let old = try await world.coordinator.rosterOfVersion(1)
    await world.coordinator.tamper(1, .init(document: { name, bytes in name == "roster" ? old : bytes }))
    await #expect { try await world.fetch(0) } throws: { "\($0)".contains("older one") }
    await world.coordinator.tamper(
      2,
      .init(document: { name, bytes in
        guard name == "catalogue" else { return bytes }
        return Array(String(decoding: bytes, as: UTF8.self).replacingOccurrences(of: "item-3", with: "item-x").utf8)
      }))
    await #expect { try await world.fetch(1) } throws: { ($0 as? PartnerError)?.kind == .untrusted }
  }

  @Test func `item features that are not the plan's are refused, and nothing of them is kept`() async throws {
    let world = try await World(partners: 4, try PlanSetting.network())
    await world.coordinator.tamper(
      1,
      .init(document: { name, bytes in
        // One bit of the last number.
        name == "catalogue" ? bytes.dropLast() + [(bytes.last ?? 0) ^ 1] : bytes
      }))
    await #expect { try await world.fetch(0) } throws: {
      ($0 as? PartnerError)?.kind == .untrusted && "\($0)".contains("item features")
    }
    await world.coordinator.tamper(
      2,
      .init(document: { name, bytes in
        guard name == "catalogue", let plain = try? CatalogueDocument.decode(bytes) else { return bytes }
        return CatalogueDocument.encode(plain.catalogue)
      }))
    await #expect { try await world.fetch(1) } throws: {
      ($0 as? PartnerError)?.kind == .untrusted && "\($0)".contains("are missing")
    }
    #expect(try world.store(0).plans().isEmpty && world.store(1).plans().isEmpty)
    try await world.fetch(2)
    #expect(try world.store(2).plans().count == 1)
  }

  @Test func `two plans under one session are a lie`() async throws {
    let world = try await World(partners: 4)
    try await world.fetch(0)
    let session = try #require(await world.coordinator.planFile.flatMap { SessionID(hex: $0.plan.session) })
    try await world.coordinator.publish(PlanSetting(noise: .central, configure: { $0.session = session }))
    await #expect { try await world.fetch(0) } throws: { "\($0)".contains("a session has one plan") }
  }

  @Test func `a plan that gives a partner another's name than the roster read on the phone cannot be accepted`() async throws {
    let world = try await World(
      partners: 4,
      PlanSetting(configure: { draft in
        let name = draft.roster[1].name
        draft.roster[1].name = draft.roster[2].name
        draft.roster[2].name = name
      }))
    try await world.fetch(0)
    let review = try Joining.review(home: world.homes[0], store: try world.store(0))
    #expect(review.objections.filter { $0.contains("calls participant") }.count == 2)
  }

  @Test(arguments: [
    "Bank\u{1B}[2J", "Bank\nguarantee ε ≤ 0.1", "Bank\u{202E}knaB", "Bank\u{2028}x", "Bank\u{9B}31m", "Bank\rX",
  ])
  func `a plan whose names could redraw its own review is no plan`(_ name: String) async throws {
    await #expect(throws: PlanError.self) {
      _ = try await World(partners: 4, PlanSetting(configure: { $0.roster[1].name = name }))
    }
    await #expect(throws: PlanError.self) { _ = try await World(partners: 4, PlanSetting(configure: { $0.task = name })) }
  }

  @Test func `nothing is accepted without data, or without a cap of the partner's own`() async throws {
    let world = try await World(partners: 4, PlanSetting(noise: .central))
    try await world.fetch(0)
    #expect { try world.accept(0) } throws: { ($0 as? PartnerError)?.kind == .missing }
    try world.importData(0, cap: nil)
    #expect { try world.accept(0) } throws: { ($0 as? PartnerError)?.kind == .usage && "\($0)".contains("--cap") }
    try DataImporting.set(cap: PrivacyBudget(epsilon: 4, delta: 1e-6), of: .standard, in: try world.store(0))
    try world.accept(0)
    let consent = try #require(try world.store(0).newestAcceptedPlan()?.consent)
    let statement = try #require(PartnerStatement(decoding: consent))
    #expect(statement.kind == .consent)
    let enrolment = try #require(try world.store(0).enrolment())
    #expect(statement.isSigned(by: enrolment.identity))
  }

  @Test func `a plan whose δ allows to publish somebody whole is named before it is joined`() async throws {
    for (delta, isLarge) in [(0.02, true), (0.0125, true), (0.0124, false)] {
      let world = try await World(partners: 4, PlanSetting(noise: .central, configure: { $0.privacy.delta = delta }))
      try await world.fetch(0)
      let review = try Joining.review(home: world.homes[0], store: try world.store(0))
      #expect(review.warnings.contains { $0.contains("publish some user whole") } == isLarge, "δ = \(delta), N = 80")
    }
  }

  @Test func `a plan without noise is beyond any cap of the partner's own`() async throws {
    let world = try await World(partners: 4)
    try await world.fetch(0)
    try world.importData(0)
    #expect { try world.accept(0) } throws: { "\($0)".contains("ε is infinite") }
  }

  @Test func `the own cap stops a plan that would spend more`() async throws {
    let world = try await World.joined(
      PlanSetting(noise: .central), cap: try PrivacyBudget(epsilon: 0.5, delta: 1e-6))
    await world.coordinator.start()
    let host = try world.host(0, once: false)
    let running = Task { try await host.run() }
    #expect(await World.eventually { await host.counts["refused: \(PartnerRefusal.budgetExhausted)", default: 0] > 0 })
    let review = try Joining.review(home: world.homes[0], store: try world.store(0))
    #expect(review.warnings.contains { $0.contains("above your own cap") })
    let status = try PartnerStatus(home: world.homes[0], store: try world.store(0), now: Date())
    #expect(status.text.contains("refused by this home: it would overspend your cap of ε = 0.5") && status.isRunAlive)
    func set(_ epsilon: Double, delta: Double = 1e-6) throws -> PartnerStatement? {
      try Joining.set(
        cap: PrivacyBudget(epsilon: epsilon, delta: delta), of: .standard, home: world.homes[0], store: try world.store(0),
        passphrase: .none, time: 1002)
    }
    // A smaller cap states nothing. A larger one states that the partner takes part again, because the coordinator asks nobody again
    // who refused for a cap; once.
    #expect(try set(0.4) == nil && set(0.45) == nil && set(0.45, delta: 1e-5) == nil)
    // What counts is the cap that refused, and not the one that stands.
    try DataImporting.set(cap: PrivacyBudget(epsilon: 20, delta: 1e-6), of: .standard, in: try world.store(0))
    #expect(try set(20)?.kind == .resume)
    #expect(try set(21) == nil)
    #expect(await World.eventually { await world.coordinator.statements.contains { $0.participant == 1 && $0.kind == .resume } })
    // No cap is the first one while nothing was charged under it, whatever was refused.
    #expect(try world.store(0).dataSet(.standard)?.ledger.firstCap == nil)
    // It holds from the next attempt on, without a restart.
    await world.coordinator.expire()
    #expect(
      await World.eventually {
        await world.coordinator.received.contains { sent in
          if case .aggregation(.keyAdvertisement) = sent.message { sent.participant == 1 } else { false }
        }
      })
    await host.stop()
    _ = try? await running.value
  }

  @Test func `a plan that does not fit the cap is judged with that cap, and joined only knowingly`() async throws {
    let world = try await World(partners: 4, PlanSetting(noise: .central))
    try await world.fetch(0)
    try world.importData(0, cap: nil)
    let (home, store) = (world.homes[0], try world.store(0))
    let cap = try PrivacyBudget(epsilon: 3, delta: 1e-6)
    #expect(try !Joining.review(home: home, store: store).warnings.contains { $0.contains("your own cap") })
    let review = try Joining.review(home: home, store: store, cap: cap)
    #expect(review.warnings.contains { $0.contains("above your own cap of 3.0") } && review.text.contains("MIND"))
    func accept(inPart: Bool) throws {
      try Joining.accept(
        review, dataSet: nil, cap: cap, inPart: inPart, home: home, store: store, passphrase: .none, time: 1001)
    }
    #expect { try accept(inPart: false) } throws: { "\($0)".contains("above your cap of ε = 3.0") && "\($0)".contains("--part") }
    // A refusal sets nothing.
    #expect(try store.dataSet(.standard)?.cap == nil && store.newestAcceptedPlan() == nil)
    try accept(inPart: true)
    #expect(try store.dataSet(.standard)?.cap == cap)
  }

  @Test func `a plan that is over cannot be joined, whoever looks at it`() async throws {
    let world = try await World(partners: 4)
    for index in 0..<3 { try await world.join(index, cap: nil) }
    try await world.fetch(3)
    try world.importData(3, cap: nil)
    await world.coordinator.start()
    async let others = world.finish([0, 1, 2])
    #expect(await world.driveToEnd())
    _ = try await others
    // Partner 4 has never accepted it; it hears of the end all the same.
    let host = try world.host(3, once: false)
    let running = Task { try await host.run() }
    #expect(try await World.eventually { try world.store(3).plans().first?.end != nil })
    await host.stop()
    _ = try? await running.value
    for index in [0, 3] {
      let review = try Joining.review(home: world.homes[index], store: try world.store(index))
      #expect(review.text.contains("OVER") && review.end != nil)
      #expect { try world.accept(index) } throws: { "\($0)".contains("plan 'test task' is over (") }
      let status = try PartnerStatus(home: world.homes[index], store: try world.store(index), now: Date())
      #expect(status.needs.contains { $0.hasPrefix("a new plan") })
    }
  }

  @Test func `what a person decides is told while a poll waits`() async throws {
    let world = try await World.joined()
    await world.coordinator.setLongestPoll(.seconds(600))
    let host = try world.host(0, once: false, pollWait: .seconds(600))
    let running = Task { try await host.run() }
    #expect(await World.eventually { await world.coordinator.statements.contains { $0.kind == .consent } })
    try Joining.state(.pause, home: world.homes[0], store: try world.store(0), passphrase: .none, time: 1002)
    #expect(await World.eventually { await world.coordinator.statements.contains { $0.kind == .pause } })
    // Each statement went once.
    #expect(await world.coordinator.statements.map(\.kind) == [.consent, .pause])
    running.cancel()
    _ = try? await running.value
  }

  @Test func `removed data are gone, and their users come back to their own ledger`() async throws {
    let world = try await World(partners: 4, PlanSetting(noise: .central))
    try await world.join(0)
    let (home, store) = (world.homes[0], try world.store(0))
    #expect { try DataImporting.remove(.standard, from: store, time: 1002) } throws: { "\($0)".contains("is not over") }
    try world.importData(0, file: try World.table(world.scratch.file("other.csv"), partner: 7), name: DataSetName("other"))
    try DataImporting.remove(DataSetName("other"), from: store, time: 1002)
    #expect(try store.dataSet(DataSetName("other"))?.isRemoved == true)
    for name in try FileManager.default.contentsOfDirectory(atPath: home.path) where name.hasPrefix("partner.sqlite") {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: home.path + "/" + name))
      #expect(bytes.range(of: Data("u7-7".utf8)) == nil, "\(name)")
    }
    #expect { try DataImporting.remove(DataSetName("other"), from: store, time: 1003) } throws: {
      ($0 as? PartnerError)?.kind == .missing
    }
    let again = try world.importData(
      0, file: try World.table(world.scratch.file("again.csv"), partner: 7), name: DataSetName("again"))
    #expect(again.dataSet.ledger.name.text == "other")
  }

  @Test func `a plan is over when the coordinator works on another, and goes on when it comes back`() async throws {
    let world = try await World.joined()
    let (store, first) = (try world.store(0), try #require(await world.coordinator.planFile))
    let signature = world.coordinator.key.sign(PlanSignature.message(first.bytes)).bytes
    let (old, session) = (SHA256.hash(first.bytes), try #require(SessionID(hex: first.plan.session)).bytes)
    // This home was away when it ended, and meets the next one.
    try await world.coordinator.publish(PlanSetting())
    try await world.fetch(0)
    let new = try await world.coordinator.planHash()
    #expect(try store.plan(old)?.end == "replaced by plan \(new.hex.prefix(16))…" && store.plan(new)?.end == nil)
    // A coordinator that was restored from a backup works on the older one again.
    await world.coordinator.tamper(
      1,
      .init(document: { name, bytes in name == "plan" ? first.bytes : name == "plan-signature" ? signature : bytes }))
    try await world.fetch(0)
    #expect(try store.plan(old)?.end == nil && store.plan(new)?.end == "replaced by plan \(old.hex.prefix(16))…")
    // A daemon hears it from a poll.
    func poll(_ answered: @escaping @Sendable (PollAnswer) -> PollAnswer, until condition: () throws -> Bool) async throws {
      await world.coordinator.tamper(1, .init(poll: answered))
      let host = try world.host(0, once: false)
      let running = Task { try await host.run() }
      #expect(try await World.eventually(condition))
      await host.stop()
      _ = try? await running.value
    }
    try await poll({ $0 }, until: { try store.plan(new)?.end == nil && store.plan(old)?.end != nil })
    // Its data may go then, and it does not come back without them.
    try DataImporting.remove(.standard, from: store, time: 1002)
    let polls = Counter()
    try await poll(
      {
        var answer = $0
        (answer.session, answer.planHash) = (session, old)
        _ = polls.next()
        return answer
      }, until: { polls.next() > 20 })
    #expect(try store.plan(old)?.end != nil)
  }

  @Test func `a plan whose end the coordinator words as if it gave way to another stays over`() async throws {
    let world = try await World.joined()
    let store = try world.store(0)
    let plan = try await world.coordinator.planHash()
    func poll(_ state: TaskState, until condition: () throws -> Bool) async throws {
      let polls = Counter()
      await world.coordinator.tamper(
        1,
        .init(poll: {
          var answer = $0
          (answer.state, answer.envelopes) = (state, [])
          _ = polls.next()
          return answer
        }))
      let host = try world.host(0, once: false)
      let running = Task { try await host.run() }
      #expect(try await World.eventually { try polls.value > 3 && condition() })
      await host.stop()
      _ = try? await running.value
    }
    try await poll(.finished(reason: "replaced by a better one"), until: { try store.plan(plan)?.end != nil })
    try await poll(.waiting(until: nil), until: { true })
    #expect(try store.plan(plan)?.end == "replaced by a better one")
  }

  @Test func `only the partner's own rows are imported`() async throws {
    let world = try await World(partners: 4)
    try await world.fetch(0)
    let path = world.scratch.file("mixed.csv")
    try "user,item,time,partner\na,item-1,1,north\na,item-2,2,north\nb,item-3,1,south\n".write(
      toFile: path, atomically: true, encoding: .utf8)
    #expect { try world.importData(0, file: path) } throws: { "\($0)".contains("only your own rows") }
    let result = try world.importData(0, file: path, only: .init(column: "partner", value: "north"), holdsOut: false)
    #expect(result.dataSet.users == 1 && result.usersOfOthers == 1)
    #expect { try world.importData(0, file: path, only: .init(column: "partner", value: "north")) } throws: {
      "\($0)".contains("imported once")
    }
  }

  @Test func `a paused partner answers nothing and says so, and goes on when it is resumed`() async throws {
    let world = try await World.joined(.factorization)
    let store = try world.store(0)
    try Joining.state(.pause, home: world.homes[0], store: store, passphrase: .none, time: 1002)
    await world.coordinator.start()
    let host = try world.host(0)
    async let others = world.finish([1, 2, 3])
    async let ending = host.run()
    #expect(await World.eventually { await host.counts["refused: \(PartnerRefusal.paused)", default: 0] > 0 })
    try Joining.state(.resume, home: world.homes[0], store: store, passphrase: .none, time: 1003)
    #expect(await world.driveToEnd())
    _ = try await (ending, others)
    #expect(await World.eventually { await world.coordinator.statements.count { $0.participant == 1 } >= 2 })
    #expect(await world.coordinator.statements.filter { $0.participant == 1 }.map(\.kind).prefix(2) == [.consent, .pause])
  }

  /// How the coordinator is when a home is purged.
  enum Reach: CaseIterable, Sendable { case there, away, lockedOut }

  @Test(arguments: Reach.allCases)
  func `purging tells the coordinator first, or says what to do when it cannot`(_ reach: Reach) async throws {
    let world = try await World.joined()
    let (home, store) = (world.homes[0], try world.store(0))
    let line = FakeLine(coordinator: world.coordinator, participant: 1)
    // Keys that do not open any more are no reason to keep the data.
    if reach == .lockedOut { try FileManager.default.removeItem(atPath: home.identityKey) }
    let sentence = try await Purging.run(home: home, store: store, passphrase: .none, time: 7) {
      guard reach == .there else { throw TransportFailure.unreachable("nobody is there") }
      _ = try await line.hello(ClientHello(software: "test", ledgers: []))
      for statement in try store.unsentStatements() {
        _ = try await line.report(statement.bytes)
        try store.mark(statement: statement.number, isTaken: true)
      }
    }
    #expect(!FileManager.default.fileExists(atPath: home.transportKey))
    #expect(try store.isPurged)
    let isTold = await world.coordinator.statements.contains { $0.participant == 1 && $0.kind == .leave }
    #expect(isTold == (reach == .there))
    if reach == .there {
      #expect(sentence == nil)
    } else {
      #expect(sentence?.contains("ask its people to revoke participant 1 ('p1')") == true)
    }
  }

  @Test func `nothing is purged, and nobody has left, while another process speaks for the home`() async throws {
    let world = try await World.joined()
    let host = try world.host(0)
    await #expect {
      try await Purging.run(home: world.homes[0], store: try world.store(0), passphrase: .none, time: 7) {}
    } throws: { ($0 as? PartnerError)?.kind == .superseded }
    #expect(try !world.store(0).isPurged)
    #expect(try !world.store(0).hasLeft)
    withExtendedLifetime(host) {}
  }

  @Test func `who leaves is told as left, and purging leaves the ledger alone`() async throws {
    let world = try await World.joined()
    _ = try await world.run()
    let (home, store) = (world.homes[0], try world.store(0))
    let ledger = try Data(contentsOf: URL(fileURLWithPath: home.ledger(of: .standard)))
    try Joining.state(.leave, home: home, store: store, passphrase: .none, time: 1004)
    #expect(try await world.host(0, once: false).run() == .left)
    #expect(await world.coordinator.statements.contains { $0.participant == 1 && $0.kind == .leave })
    #expect { try Joining.state(.pause, home: home, store: store, passphrase: .none, time: 1005) } throws: {
      "\($0)".contains("has left")
    }
    try Joining.purge(home: home, store: store)
    #expect(
      !FileManager.default.fileExists(atPath: home.identityKey) && !FileManager.default.fileExists(atPath: home.transportKey))
    #expect(try Data(contentsOf: URL(fileURLWithPath: home.ledger(of: .standard))) == ledger)
    // Not a user's name is left in the database or its log.
    for name in try FileManager.default.contentsOfDirectory(atPath: home.path) where name.hasPrefix("partner.sqlite") {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: home.path + "/" + name))
      #expect(bytes.range(of: Data("u0-7".utf8)) == nil, "\(name)")
    }
    #expect(throws: PartnerError.self) { try world.host(0) }
  }
}
