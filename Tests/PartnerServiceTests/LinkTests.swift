import CryptoPrimitives
import DifferentialPrivacy
import FederatedLearning
import Foundation
import PartnerService
import PeerIdentity
import SecureAggregation
import Storage
import Synchronization
import Testing

/// One budget of people whom several homes hold: linked ledgers are added, or nothing is charged.
@Suite struct LinkTests {
  static let cap = try? PrivacyBudget(epsilon: 9, delta: 1e-6)

  /// Homes with data and ledgers of their own, which nothing was charged to.
  final class Homes: Sendable {
    let world: World
    let ledgers: [PrivacyLedger]
    let plan: TrainingPlan
    let event: ChargedEvent

    init(_ count: Int = 2) async throws {
      world = try await World(partners: max(4, count), PlanSetting(noise: .central))
      for index in 0..<count {
        try await world.fetch(index)
        try world.importData(index)
      }
      plan = try Joining.review(home: world.homes[0], store: try world.store(0)).plan
      var ledgers: [PrivacyLedger] = []
      for index in 0..<count {
        var random = SystemRandomSource()
        ledgers.append(
          try PrivacyLedger.create(
            at: world.homes[index].ledger(of: .standard), kind: .partner, holder: "p", dataset: "data", created: 1,
            key: SigningKey(random: &random)))
      }
      self.ledgers = ledgers
      event = .accounted(try #require(plan.releases[0].event(plan.privacy)))
    }

    @discardableResult
    func link(_ from: Int, _ to: Int) throws -> Linking.Result {
      try Linking.link(nil, of: world.homes[from], store: try world.store(from), to: world.homes[to].path)
    }

    /// Of a home's own ledger; without the ledger open, as a review has it.
    func group(
      _ index: Int, patience: Duration = .seconds(300), waiting: @escaping @Sendable () -> Void = {},
      synchronize: @escaping @Sendable (String) throws -> Void = { _ in }
    ) throws -> LedgerGroup {
      LedgerGroup(
        .standard, home: world.homes[index], store: try world.store(index), ledger: ledgers[index], patience: patience,
        waiting: waiting, synchronize: synchronize)
    }

    /// Each home has a plan of its own.
    func hash(_ index: Int) -> Digest { SHA256.hash([UInt8(index)]) }

    /// Charges as the engine does, within a cap of ε; whether it was allowed.
    func charge(_ index: Int, round: Int, cap epsilon: Double, _ elsewhere: ChargedElsewhere, of planHash: Digest? = nil) -> Bool
    {
      let plans = Dictionary(uniqueKeysWithValues: ledgers.indices.map { (hash($0), plan) })
      guard let budget = try? PrivacyBudget(epsilon: epsilon, delta: 1e-6) else { return false }
      let session = SessionID(bytes: [UInt8](repeating: UInt8(index + 1), count: 16))
      let request = session.map {
        ChargeRequest(
          attempt: LedgerAttempt(session: $0, round: round, attempt: 0), release: 0, name: "sum", plan: planHash ?? hash(index),
          binding: hash(index), event: event, sampler: "everyone", participants: 3, survivors: nil, delta: 1e-6, time: 1)
      }
      guard let request else { return false }
      do {
        try ledgers[index].charge(request, cap: SpendingCap(budget, plans: plans), elsewhere: elsewhere.ledgers)
        return true
      } catch { return false }
    }

    @discardableResult
    func charge(_ index: Int, round: Int = 0, cap: Double = 1000) throws -> Bool {
      var isCharged = false
      _ = try group(index).holding { elsewhere in
        isCharged = charge(index, round: round, cap: cap, elsewhere)
        return nil
      }
      return isCharged
    }

    func file(_ index: Int, _ kind: String = "ledger") -> String {
      world.homes[index].ledger(of: .standard).replacing(".ledger", with: ".\(kind)")
    }
  }

  /// δ of one Gaussian at ε, from the definition (Balle, Wang 2018).
  private static func delta(_ epsilon: Double, _ mu: Double) -> Double {
    func phi(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }
    return phi(mu / 2 - epsilon / mu) - exp(epsilon) * phi(-mu / 2 - epsilon / mu)
  }

  private static func state(_ home: PartnerHome) throws -> LedgerState? {
    FileManager.default.contents(atPath: home.ledger(of: .standard)).flatMap { LedgerVerifier().verify(Array($0)).state }
  }

  /// What the first partner has said no to.
  private static func refusals(_ world: World) async -> [PartnerRefusal] {
    await world.coordinator.received.compactMap { participant, message in
      if participant == 1, case .refusal(let refusal) = message { refusal.reason } else { nil }
    }
  }

  // MARK: - Two tasks

  @Test("a home refuses by itself what another home of the same people has spent, and the sum stays within the cap")
  func twoTasks() async throws {
    for (epsilon, isSecondCharged) in [(9.0, false), (20, true)] {
      let cap = try PrivacyBudget(epsilon: epsilon, delta: 1e-6)
      let worlds = [
        try await World.joined(PlanSetting(noise: .central), cap: cap),
        try await World.joined(PlanSetting(noise: .central), cap: cap),
      ]
      let homes = worlds.map { $0.homes[0] }
      try Linking.link(nil, of: homes[0], store: try worlds[0].store(0), to: homes[1].path)
      for world in worlds { _ = try await world.run() }
      // Everybody else trained in both tasks.
      for world in worlds { #expect(await world.coordinator.releases.count == 1) }
      let states = try homes.map { try #require(try Self.state($0)) }
      #expect(states.map(\.charges.count) == [1, isSecondCharged ? 1 : 0])
      #expect(await Self.refusals(worlds[1]) == (isSecondCharged ? [] : [.budgetExhausted]))
      // The sum of both, computed apart: 1/z² adds up.
      let squares = try states.flatMap(\.charges).map { standing in
        guard case .accounted(.gaussian(let release)) = standing.charge.event else { throw CancellationError() }
        return Double(release.deltaSquared) / Double(release.sigmaSquared - 4)
      }
      #expect(Self.delta(epsilon, squares.reduce(0, +).squareRoot()) <= 1e-6)
      #expect((Self.delta(epsilon, (2 * squares[0]).squareRoot()) <= 1e-6) == isSecondCharged)
    }
  }

  @Test func `review, accept, listing and status count what linked homes have spent, and say where`() async throws {
    let cap = try PrivacyBudget(epsilon: 9, delta: 1e-6)
    let first = try await World.joined(PlanSetting(noise: .central), cap: cap)
    _ = try await first.run()
    let second = try await World(PlanSetting(noise: .central))
    try await second.fetch(0)
    try second.importData(0, cap: cap)
    let (home, store) = (second.homes[0], try second.store(0))
    let before = try Joining.review(home: home, store: store)
    #expect(before.dataSets[0].isWithinCap && before.dataSets[0].linked == [])
    #expect(before.text.contains("unless it is linked (tacit-client data link)"))
    try Linking.link(nil, of: home, store: store, to: first.homes[0].path)
    let review = try Joining.review(home: home, store: store)
    let path = first.homes[0].ledger(of: .standard)
    #expect(review.dataSets[0].spent == 0 && review.dataSets[0].linked.map(\.ledger) == [path])
    #expect(review.dataSets[0].linked[0].epsilonSpent.map { $0 > 7 } == true)
    #expect(!review.dataSets[0].isWithinCap && review.dataSets[0].spentAfterPlan > before.dataSets[0].spentAfterPlan)
    #expect(review.text.contains("linked with \(path), which has spent ε ≤ "))
    #expect { try second.accept(0) } throws: {
      ($0 as? PartnerError)?.kind == .usage && "\($0)".contains("not one release of this plan fits")
    }
    let status = try PartnerStatus(home: home, store: store, now: Date()).text
    #expect(status.contains("linked with \(path), which has spent ε ≤ "))
    // The other side says it too.
    let other = try PartnerStatus(home: first.homes[0], store: try first.store(0), now: Date()).text
    #expect(other.contains("linked with \(home.ledger(of: .standard)), which has spent ε ≤ 0"))
    #expect(try LedgerOfPlan(home: first.homes[0], store: try first.store(0)).linked.count == 1)
    // A plan is no person's to accept while a linked ledger cannot be counted.
    try FileManager.default.removeItem(atPath: path)
    #expect { try second.accept(0) } throws: { "\($0)".contains(path) && "\($0)".contains("is missing") }
    #expect(try PartnerStatus(home: home, store: store, now: Date()).text.contains("of which nothing can be said"))
  }

  @Test func `a damaged ledger of another home stops the charge, names itself, and stops nothing for good`() async throws {
    let cap = try PrivacyBudget(epsilon: 40, delta: 1e-6)
    let homes = try await Homes()
    let world = try await World.joined(PlanSetting(noise: .central), cap: cap)
    try homes.charge(0)
    try Linking.link(nil, of: world.homes[0], store: try world.store(0), to: homes.world.homes[0].path)
    let path = homes.file(0)
    let whole = try #require(FileManager.default.contents(atPath: path))
    var bytes = whole
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    _ = try await world.run()
    #expect(await world.coordinator.releases.count == 1)
    #expect(try Self.state(world.homes[0])?.charges.count == 0)
    #expect(await Self.refusals(world) == [.ledgerUnavailable])
    let status = try PartnerStatus(home: world.homes[0], store: try world.store(0), now: Date()).text
    #expect(status.contains(path) && status.contains("does not verify"))
    try whole.write(to: URL(fileURLWithPath: path))
    try await world.coordinator.publish(PlanSetting(noise: .central))
    for index in world.homes.indices { try await world.fetch(index) }
    let hash = try await world.coordinator.planHash()
    // The plan that the other home was charged under is nobody's here.
    #expect { try world.accept(0, plan: hash) } throws: {
      "\($0)".contains("or one that is linked with it, was charged under the plan")
    }
  }

  // MARK: - The group

  /// What happened, in order.
  final class Log: Sendable {
    private let entries = Mutex<[String]>([])
    var words: [String] { entries.withLock { $0 } }

    /// What comes again and again is noted once.
    func note(_ word: String) { entries.withLock { if $0.last != word { $0.append(word) } } }
  }

  @Test("of two homes that charge at once, the second waits, sees the first one's charge, and refuses")
  func atOnce() async throws {
    let homes = try await Homes()
    try homes.link(0, 1)
    #expect(try Self.race(homes) == ["waits", "first charged", "in", "refused"])
    #expect(homes.ledgers.map(\.state.charges.count) == [1, 0])
  }

  /// Two homes charge under a cap that pays for one of them; the second begins when the first has judged and not yet charged.
  private static func race(_ homes: Homes) throws -> [String] {
    let log = Log()
    let first = try homes.group(0)
    let second = try homes.group(1, waiting: { log.note("waits") })
    let done = DispatchSemaphore(value: 0)
    _ = try first.holding { elsewhere in
      Thread.detachNewThread {
        _ = try? second.holding { elsewhere in
          log.note("in")
          log.note(homes.charge(1, round: 0, cap: 9, elsewhere) ? "charged" : "refused")
          return nil
        }
        done.signal()
      }
      let end = ContinuousClock.now + .seconds(300)
      while log.words.isEmpty, ContinuousClock.now < end { usleep(1000) }
      if homes.charge(0, round: 0, cap: 9, elsewhere) { log.note("first charged") }
      return nil
    }
    done.wait()
    // It may have looked again before the lock was given back.
    var words = log.words
    if let again = words.lastIndex(of: "waits"), again > 0 { words.remove(at: again) }
    return words
  }

  @Test func `a lock that is not given free ends in a refusal that passes`() async throws {
    let homes = try await Homes(3)
    try homes.link(0, 1)
    try homes.link(1, 2)
    for index in 0..<3 {
      let file = open(homes.file(index, "lock"), O_RDWR | O_CREAT, 0o600)
      #expect(flock(file, LOCK_EX) == 0)
      #expect { try homes.group(0, patience: .zero).holding { _ in .paused } } throws: {
        ($0 as? PartnerError)?.kind == .superseded && "\($0)".contains(homes.file(index))
      }
      close(file)
      #expect(try homes.group(0, patience: .zero).holding { _ in .paused } == .paused)
    }
    // A home without links takes its own, so that nobody links it in the middle of a charge.
    let alone = try await Homes()
    let file = open(alone.file(0, "lock"), O_RDWR | O_CREAT, 0o600)
    #expect(flock(file, LOCK_EX) == 0)
    #expect(throws: PartnerError.self) { try alone.group(0, patience: .zero).holding { _ in nil } }
    #expect(throws: PartnerError.self) {
      try Linking.link(
        nil, of: alone.world.homes[1], store: try alone.world.store(1), to: alone.world.homes[0].path, patience: .zero)
    }
    close(file)
  }

  @Test func `links lead on: three homes are one group, whichever of them charges`() async throws {
    let homes = try await Homes(3)
    try homes.link(1, 0)
    #expect(try homes.link(1, 2).group == (0..<3).map { homes.file($0) }.sorted())
    for index in 0..<3 {
      #expect(try homes.charge(index, round: index))
      for other in 0..<3 {
        _ = try homes.group(other).holding { elsewhere in
          #expect(elsewhere.ledgers.count == 2)
          let sum = elsewhere.ledgers.reduce(homes.ledgers[other].state.charges.count) { $0 + $1.charges.count }
          #expect(sum == index + 1)
          return nil
        }
      }
    }
    // A fourth does not fit into this cap.
    #expect(try !homes.charge(0, round: 9, cap: 15))
  }

  @Test func `a home between two others that forgets one of them is missed by the other, and nobody goes on without it`()
    async throws
  {
    let homes = try await Homes(3)
    try homes.link(0, 1)
    let before = try Data(contentsOf: URL(fileURLWithPath: homes.file(1, "links")))
    try homes.link(1, 2)
    #expect(try homes.charge(2) && homes.charge(0))
    // Its links come back from before the second one; its ledger has not moved since.
    try before.write(to: URL(fileURLWithPath: homes.file(1, "links")))
    for index in 0...2 {
      #expect { try homes.charge(index, round: 1) } throws: { ($0 as? PartnerError)?.kind == .missing }
    }
    #expect { try homes.charge(0, round: 1) } throws: { "\($0)".contains("was counted together with") }
    try homes.link(1, 2)
    #expect(try homes.charge(0, round: 1))
  }

  @Test func `no plan without noise is joined or charged with people whom another home counts`() async throws {
    let world = try await World(PlanSetting())
    for index in 0...1 {
      try await world.fetch(index)
      // Without a cap of its own nothing else would stop it.
      try world.importData(index, cap: nil)
    }
    try Linking.link(nil, of: world.homes[0], store: try world.store(0), to: world.homes[1].path)
    for index in 0...1 {
      #expect { try world.accept(index) } throws: {
        ($0 as? PartnerError)?.kind == .usage && "\($0)".contains("is linked with")
      }
    }
    // Linked after it was joined, it is not charged.
    let homes = try await Homes()
    try homes.charge(1)
    let elsewhere = homes.ledgers[1].state
    #expect(!homes.ledgers[0].allows(.unprotected, of: homes.hash(0), cap: nil, elsewhere: [elsewhere]))
    #expect(homes.ledgers[0].allows(.unprotected, of: homes.hash(0), cap: nil))
    #expect(homes.ledgers[0].allows(homes.event, of: homes.hash(0), cap: nil, elsewhere: [elsewhere]))
  }

  @Test func `a link stands at both sides, once, private, and a second time changes nothing`() async throws {
    let homes = try await Homes()
    #expect(try homes.link(0, 1).isNew)
    let before = (0..<2).map { FileManager.default.contents(atPath: homes.file($0, "links")) }
    for index in 0..<2 {
      let text = String(decoding: try #require(before[index]), as: UTF8.self)
      #expect(text.contains(homes.file(1 - index)))
      let permissions = try FileManager.default.attributesOfItem(atPath: homes.file(index, "links"))[.posixPermissions]
      #expect((permissions as? NSNumber)?.intValue == 0o600)
    }
    #expect(try !homes.link(0, 1).isNew && !homes.link(1, 0).isNew)
    #expect((0..<2).map { FileManager.default.contents(atPath: homes.file($0, "links")) } == before)
  }

  @Test func `what cannot be linked is refused in a sentence, and nothing is written`() async throws {
    let homes = try await Homes()
    let (home, store) = (homes.world.homes[0], try homes.world.store(0))
    func refusal(_ path: String, ledger: String? = nil, to other: String? = nil) throws -> String {
      do {
        _ = try Linking.link(
          try ledger.map { try DataSetName($0) }, of: home, store: store, to: path, try other.map { try DataSetName($0) })
        return "linked"
      } catch { return "\(error)" }
    }
    let manager = FileManager.default
    let empty = homes.world.scratch.file("empty")
    try manager.createDirectory(atPath: empty, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let alias = homes.world.scratch.file("alias")
    try manager.createSymbolicLink(atPath: alias, withDestinationPath: home.path)
    let other = homes.world.homes[1].path
    #expect(try refusal(homes.world.scratch.file("nowhere")).contains("there is no home at"))
    #expect(try refusal(empty).contains("is no partner's home"))
    #expect(try manager.contentsOfDirectory(atPath: empty) == [])
    #expect(try refusal(home.path).contains("is this home itself"))
    #expect(try refusal(alias).contains("is this home itself"))
    #expect(try refusal(other, ledger: "no").contains("has no ledger and no data set 'no' (ledgers: data)"))
    #expect(try refusal(other, to: "no").contains("\(other) has no ledger and no data set 'no'"))
    #expect(try refusal(homes.world.homes[2].path).contains("there are: none: import data first"))
    try manager.setAttributes([.posixPermissions: 0o750], ofItemAtPath: other)
    #expect(try refusal(other).contains("others can look into the home \(other)"))
    try manager.setAttributes([.posixPermissions: 0o700], ofItemAtPath: other)
    for index in 0..<2 { #expect(!manager.fileExists(atPath: homes.file(index, "links"))) }
    #expect(try refusal(other, ledger: "data", to: "data") == "linked")
  }

  enum Attack: String, CaseIterable {
    case removed, cut, replaced, flipped, otherKind, unlinked, linksRemoved, linksDamaged, homeOpen, homeGone, ownLinksRemoved,
      ownCut
  }

  @Test("a linked ledger that cannot be counted stops the charge, and names itself", arguments: Attack.allCases)
  func attacked(by attack: Attack) async throws {
    let homes = try await Homes(3)
    try homes.link(0, 1)
    for round in 0..<2 { try homes.charge(1, round: round) }
    for round in 0..<2 { try homes.charge(0, round: round) }
    let manager = FileManager.default
    let (path, links, other) = (homes.file(1), homes.file(1, "links"), homes.world.homes[1].path)
    let whole = Array(try #require(manager.contents(atPath: path)))
    let line = try #require(whole.dropLast().lastIndex(of: UInt8(ascii: "\n")))
    func write(_ bytes: [UInt8], _ path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
    var named = path
    switch attack {
    case .removed: try manager.removeItem(atPath: path)
    case .cut: try write(Array(whole[...line]), path)
    case .replaced: try write(Array(try #require(manager.contents(atPath: homes.file(2)))), path)
    case .flipped:
      var bytes = whole
      bytes[line - 200] ^= 1
      try write(bytes, path)
    case .otherKind:
      var random = SystemRandomSource()
      try write(
        try PrivacyLedger.headerLine(
          kind: .coordinator, holder: "c", dataset: "d", created: 1, key: SigningKey(random: &random)), path)
    case .unlinked:
      let text = String(decoding: try #require(manager.contents(atPath: links)), as: UTF8.self)
      try write(Array(text.replacing("\"\(homes.file(0))\"\n", with: "").utf8), links)
      named = links
    case .linksRemoved:
      try manager.removeItem(atPath: links)
      named = links
    case .linksDamaged:
      try write(Array("{}".utf8), links)
      named = links
    case .homeOpen: try manager.setAttributes([.posixPermissions: 0o755], ofItemAtPath: other)
    case .homeGone: try manager.moveItem(atPath: other, toPath: other + "-away")
    case .ownLinksRemoved:
      named = homes.file(0, "links")
      try manager.removeItem(atPath: named)
    case .ownCut:
      // The other home has not charged since; it is told by this one's own file, and by its own memory.
      named = homes.file(0)
      let bytes = Array(try #require(manager.contents(atPath: named)))
      try write(Array(bytes[...(try #require(bytes.dropLast().lastIndex(of: UInt8(ascii: "\n"))))]), named)
    }
    // As a process that starts now sees it; its own ledger is the one that lies there.
    let own = LedgerGroup(.standard, home: homes.world.homes[0], store: try homes.world.store(0))
    var isAsked = false
    #expect {
      _ = try own.holding { _ in
        isAsked = true
        return nil
      }
    } throws: { ($0 as? PartnerError) != nil && "\($0)".contains(named) }
    #expect(!isAsked)
    // And the other home, where it is there.
    if attack == .ownLinksRemoved || attack == .ownCut {
      #expect { try homes.group(1).holding { _ in nil } } throws: { "\($0)".contains(named) }
    }
  }

  @Test func `a ledger that was begun after the link is missed too, by homes that have never seen it`() async throws {
    let homes = try await Homes()
    // As data that were imported and never charged: no file yet.
    let path = homes.file(1)
    let begun = try #require(FileManager.default.contents(atPath: path))
    try FileManager.default.removeItem(atPath: path)
    try homes.link(0, 1)
    _ = try homes.group(0).holding { elsewhere in
      #expect(elsewhere.ledgers.isEmpty)
      return nil
    }
    try begun.write(to: URL(fileURLWithPath: path))
    // It charges nothing before the memory of both says that it is there.
    _ = try homes.group(1).holding { _ in
      for index in 0..<2 {
        let text = FileManager.default.contents(atPath: homes.file(index, "links")).map { String(decoding: $0, as: UTF8.self) }
        #expect(text?.contains("\"\(path)\" : {") == true)
      }
      return nil
    }
    try FileManager.default.removeItem(atPath: path)
    #expect { try homes.group(0).holding { _ in nil } } throws: {
      ($0 as? PartnerError)?.kind == .rolledBack && "\($0)".contains(path) && "\($0)".contains("is missing")
    }
  }

  @Test func `a home that was restored from a backup, links and all, is missed by the other and by itself`() async throws {
    let homes = try await Homes()
    try homes.link(0, 1)
    let files = [homes.file(1), homes.file(1, "links")]
    let backup = files.map { FileManager.default.contents(atPath: $0) }
    try homes.charge(1)
    for (file, content) in zip(files, backup) { try content?.write(to: URL(fileURLWithPath: file)) }
    for index in 0..<2 {
      // As the next process opens it.
      let group = LedgerGroup(.standard, home: homes.world.homes[index], store: try homes.world.store(index))
      #expect { try group.holding { _ in nil } } throws: {
        ($0 as? PartnerError)?.kind == .rolledBack && "\($0)".contains(homes.file(1))
      }
    }
  }

  @Test("a link that was interrupted charges nothing on the side that has it, and is mended by linking again")
  func interrupted() async throws {
    let homes = try await Homes()
    try homes.link(0, 1)
    try FileManager.default.removeItem(atPath: homes.file(1, "links"))
    #expect { try homes.group(0).holding { _ in nil } } throws: { "\($0)".contains("tacit-client data link") }
    // The home that lost the file knows that there was one.
    #expect { try homes.group(1).holding { _ in nil } } throws: { "\($0)".contains("was linked with others") }
    #expect(try homes.link(1, 0).isNew)
    for index in 0..<2 { #expect(try homes.charge(index)) }
  }

  // MARK: - Files and names

  @Test func `plans of a linked home that cannot be read stop the charge, and say why`() async throws {
    let homes = try await Homes()
    try homes.link(0, 1)
    let folder = homes.world.homes[1].path + "/ledgers/plans"
    try Data("no folder".utf8).write(to: URL(fileURLWithPath: folder))
    #expect { try homes.charge(0) } throws: { "\($0)".contains("\(folder), where the plans lie") }
    #expect(homes.ledgers[0].state.charges.isEmpty)
    // One's own, for reviews and runs.
    #expect { try Joining.review(home: homes.world.homes[1], store: try homes.world.store(1)) } throws: {
      "\($0)".contains("\(folder), where the plans lie")
    }
    // A plan among them that cannot be read: here it is a folder.
    try FileManager.default.removeItem(atPath: folder)
    try FileManager.default.createDirectory(atPath: folder + "/lost.json", withIntermediateDirectories: true)
    #expect { try homes.charge(0) } throws: { "\($0)".contains("\(folder)/lost.json") }
    try FileManager.default.removeItem(atPath: folder)
    #expect(try homes.charge(0))
  }

  @Test func `a charge waits for whoever makes a link, and does not stumble over half of it`() async throws {
    let homes = try await Homes()
    try homes.link(0, 1)
    let links = try Data(contentsOf: URL(fileURLWithPath: homes.file(1, "links")))
    // As `data link` is in the middle: it holds both locks, and one side stands.
    let files = (0..<2).map { open(homes.file($0, "lock"), O_RDWR | O_CREAT, 0o600) }
    for file in files { #expect(flock(file, LOCK_EX) == 0) }
    try FileManager.default.removeItem(atPath: homes.file(1, "links"))
    let isWaiting = Mutex(false)
    let path = homes.file(1, "links")
    let group = try homes.group(
      0,
      waiting: {
        guard
          !isWaiting.withLock({ waits in
            defer { waits = true }
            return waits
          })
        else { return }
        try? links.write(to: URL(fileURLWithPath: path))
        for file in files { close(file) }
      })
    #expect(try group.holding { $0.ledgers.count == 1 ? .paused : nil } == .paused)
    #expect(isWaiting.withLock { $0 })
  }

  @Test func `what a disk has lost when it was made durable was never seen, and stops nobody`() async throws {
    let homes = try await Homes()
    try homes.link(0, 1)
    let path = homes.file(1)
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    // A record that was written and not synced; the sync finds the disk at fault, and the record is gone.
    #expect(homes.charge(1, round: 0, cap: 1000, .nothing))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count > whole.count)
    let failing = try homes.group(
      0,
      synchronize: { synced in
        guard synced == path else { return }
        try whole.write(to: URL(fileURLWithPath: path))
      })
    _ = try failing.holding { elsewhere in
      #expect(elsewhere.ledgers.map(\.charges.count) == [0])
      return nil
    }
    _ = try LedgerGroup(.standard, home: homes.world.homes[0], store: try homes.world.store(0)).holding { elsewhere in
      #expect(elsewhere.ledgers.map(\.charges.count) == [0])
      return nil
    }
  }

  @Test
  func `a home that was moved and left its old name behind is one home: nobody waits for himself, and nothing is forgotten`()
    async throws
  {
    let homes = try await Homes()
    try homes.link(0, 1)
    #expect(try homes.charge(0) && homes.charge(1))
    let old = homes.world.homes[0].path
    let moved = old + "-moved"
    try FileManager.default.moveItem(atPath: old, toPath: moved)
    try FileManager.default.createSymbolicLink(atPath: old, withDestinationPath: moved)
    for (home, store, charges) in [
      (try PartnerHome(at: moved), try PartnerStore(PartnerHome(at: moved)), 1),
      (homes.world.homes[1], try homes.world.store(1), 1),
    ] {
      let group = LedgerGroup(.standard, home: home, store: store, patience: .zero)
      _ = try group.holding { elsewhere in
        #expect(elsewhere.ledgers.map(\.charges.count) == [charges])
        return nil
      }
    }
    // What was seen under the old name is missed under the new one.
    let ledger = moved + "/ledgers/data.ledger"
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: ledger)))
    try Data(bytes[...(try #require(bytes.dropLast().lastIndex(of: UInt8(ascii: "\n"))))]).write(to: URL(fileURLWithPath: ledger))
    #expect { try homes.group(1).holding { _ in nil } } throws: {
      ($0 as? PartnerError)?.kind == .rolledBack && "\($0)".contains(ledger)
    }
  }

  @Test func `one lock with two names is taken once`() async throws {
    let homes = try await Homes()
    try homes.link(0, 1)
    try? FileManager.default.removeItem(atPath: homes.file(1, "lock"))
    _ = try homes.group(0, patience: .zero).holding { _ in nil }
    try FileManager.default.removeItem(atPath: homes.file(1, "lock"))
    try FileManager.default.linkItem(atPath: homes.file(0, "lock"), toPath: homes.file(1, "lock"))
    #expect(try homes.group(0, patience: .zero).holding { _ in .paused } == .paused)
  }

  @Test func `ledgers that one plan was charged to are not linked: nothing could be charged to either`() async throws {
    let homes = try await Homes(3)
    for index in 0..<2 { #expect(homes.charge(index, round: 0, cap: 1000, .nothing, of: homes.hash(0))) }
    #expect { try homes.link(0, 1) } throws: {
      ($0 as? PartnerError)?.kind == .usage
        && "\($0)".contains("were both charged under the plan \(homes.hash(0).hex.prefix(16))")
    }
    for index in 0..<2 { #expect(!FileManager.default.fileExists(atPath: homes.file(index, "links"))) }
    // Nor by way of a third.
    try homes.link(2, 0)
    #expect(throws: PartnerError.self) { try homes.link(2, 1) }
    #expect(try homes.charge(2))
  }

  @Test func `of a linked ledger that has grown only the new records are verified`() async throws {
    let homes = try await Homes()
    try homes.link(0, 1)
    let group = try homes.group(0)
    for round in 0..<4 {
      try homes.charge(1, round: round)
      _ = try group.holding { elsewhere in
        #expect(elsewhere.ledgers.map(\.charges.count) == [round + 1])
        return nil
      }
      #expect(group.verifiedRecords == round + 2)
    }
    // What was verified before is not taken on trust when it is other bytes.
    let whole = try Data(contentsOf: URL(fileURLWithPath: homes.file(1)))
    for position in [whole.count / 2, whole.count - 300] {
      try homes.charge(1, round: 4 + position)
      var bytes = try Data(contentsOf: URL(fileURLWithPath: homes.file(1)))
      let good = bytes
      bytes[position] ^= 1
      try bytes.write(to: URL(fileURLWithPath: homes.file(1)))
      #expect { try group.holding { _ in nil } } throws: { "\($0)".contains("does not verify") }
      try good.write(to: URL(fileURLWithPath: homes.file(1)))
      _ = try group.holding { _ in nil }
    }
  }
}
