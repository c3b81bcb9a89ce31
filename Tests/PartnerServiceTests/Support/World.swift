import CryptoPrimitives
import DataImport
import DifferentialPrivacy
import FederatedLearning
import Foundation
import Logging
import PartnerService
import PeerIdentity
import Recommender
import Synchronization
import Transport

/// What a test's plan trains, and how privately.
struct PlanSetting: Sendable {
  var name = "popularity"
  var parameters: [String: Double] = [:]
  var noise = NoiseMode.none
  var epsilon = 8.0
  var itemCount = 20
  /// What the plan says of the items.
  var features: ItemFeatures?
  var configure: @Sendable (inout PlanDraft) -> Void = { _ in }

  /// Two releases after the counts, small and fast.
  static var factorization: PlanSetting {
    let parameters = try? AlgorithmRegistry.resolve(
      "mf", ["dimension": 4, "rounds": 2], setting: .init(itemCount: 20, usersOverNoise: nil, rounds: nil))
    return PlanSetting(name: "mf", parameters: parameters ?? [:])
  }

  /// A small network that learns from the items' titles.
  static func network() throws -> PlanSetting {
    var setting = PlanSetting(name: "ncf")
    setting.features = try ItemFeatures.text(of: setting.catalogue, dimension: 8)
    setting.parameters = try AlgorithmRegistry.resolve(
      "ncf",
      [
        "dimension": 4, "rounds": 2, "hidden": 4, "tower": 4, "tower-inputs": 2, "window": 4, "negatives": 4,
        "feature-dimension": 8,
      ], setting: .init(itemCount: 20, usersOverNoise: nil, rounds: nil))
    return setting
  }

  func algorithm() throws -> any FederatedAlgorithm {
    try AlgorithmRegistry.make(name, parameters, itemCount: itemCount, features: features)
  }

  var catalogue: Catalogue {
    Catalogue(
      itemIDs: (0..<itemCount).map { "item-\($0)" }, attributes: ["title": (0..<itemCount).map { "The item \($0)" }])
  }
}

/// A folder of its own for one test, removed when the value goes away.
final class Scratch: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/tacit-partner-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }
}

/// A coordinator in memory with enrolled partners in real homes.
final class World: Sendable {
  let scratch: Scratch
  let coordinator: FakeCoordinator
  let homes: [PartnerHome]

  static let cap = try? PrivacyBudget(epsilon: 10, delta: 1e-6)

  /// Enrols partners and publishes a plan; nobody has accepted anything yet.
  init(partners: Int = 4, _ setting: PlanSetting = PlanSetting()) async throws {
    scratch = try Scratch()
    let coordinator = try FakeCoordinator()
    self.coordinator = coordinator
    var homes: [PartnerHome] = []
    for index in 1...partners {
      let path = scratch.file("home-\(index)")
      try await Enrolling.enrol(
        token: try await coordinator.token("p\(index)"), home: path, passphrase: .none, now: Date(),
        call: { try await coordinator.enrol($0, $1) })
      homes.append(try PartnerHome(at: path))
    }
    self.homes = homes
    try await coordinator.publish(setting)
  }

  /// The same with the plan fetched, data imported and the plan accepted by everybody.
  static func joined(
    partners: Int = 4, _ setting: PlanSetting = PlanSetting(), cap: PrivacyBudget? = World.cap, holdsOut: Bool = true
  ) async throws -> World {
    let world = try await World(partners: partners, setting)
    // An exact sum is beyond any cap.
    let cap = setting.noise == .none ? nil : cap
    for index in 0..<partners { try await world.join(index, cap: cap, holdsOut: holdsOut) }
    return world
  }

  func join(_ index: Int, cap: PrivacyBudget? = World.cap, holdsOut: Bool = true) async throws {
    try await fetch(index)
    try importData(index, cap: cap, holdsOut: holdsOut)
    try accept(index)
  }

  func store(_ index: Int) throws -> PartnerStore { try PartnerStore(homes[index]) }

  func fetch(_ index: Int) async throws {
    let store = try store(index)
    let enrolment = try Joining.enrolment(of: store, homes[index])
    let line = FakeLine(coordinator: coordinator, participant: enrolment.participant)
    _ = try await line.hello(ClientHello(software: "test", ledgers: []))
    try await Documents.fetch(from: line, into: store, enrolment: enrolment, time: 1000)
  }

  @discardableResult
  func importData(
    _ index: Int, file: String? = nil, name: DataSetName = .standard, only: DataImporting.Selection? = nil,
    told: ToldUsers = .nothing, cap: PrivacyBudget? = World.cap, holdsOut: Bool = true
  ) throws -> DataImporting.Result {
    let store = try store(index)
    guard let plan = try store.plans().first else { preconditionFailure("the plan was fetched") }
    return try DataImporting.run(
      path: try file ?? Self.table(scratch.file("events-\(index).csv"), partner: index), options: ImportOptions(),
      catalogue: try PlanFile(bytes: plan.bytes).plan.catalogue, only: only, holdsOut: holdsOut, name: name, told: told,
      cap: cap, into: store, time: 1000)
  }

  /// - Parameters:
  ///   - plan: the newest when `nil`.
  ///   - data: the only one that fits when `nil`.
  ///   - inPart: whether a plan that does not fit the cap is joined as far as the cap goes.
  func accept(_ index: Int, plan: Digest? = nil, data: DataSetName? = nil, inPart: Bool = true) throws {
    let store = try store(index)
    try Joining.accept(
      try Joining.review(plan, home: homes[index], store: store), dataSet: data, cap: nil, inPart: inPart, home: homes[index],
      store: store,
      passphrase: .none, time: 1001)
  }

  /// Enrols a home again with a token of its name.
  ///
  /// - Parameter lie: changes what the coordinator grants.
  @discardableResult
  func renew(
    _ token: String, home index: Int = 0, now: Date = Date(),
    lying lie: @escaping @Sendable (inout EnrolmentGrant, EnrolmentToken, EnrolmentApplication) throws -> Void = { _, _, _ in }
  ) async throws -> Enrolling.Outcome {
    let coordinator = coordinator
    return try await Enrolling.enrol(
      token: token, home: homes[index].path, passphrase: .none, now: now,
      call: { token, application in
        var grant = try await coordinator.enrol(token, application)
        try lie(&grant, token, application)
        return grant
      })
  }

  /// The database of a home is gone; its keys and what lies in `ledgers/` stay.
  func loseDatabase(_ index: Int) throws {
    let path = homes[index].path
    for name in try FileManager.default.contentsOfDirectory(atPath: path) where name.hasPrefix("partner.sqlite") {
      try FileManager.default.removeItem(atPath: "\(path)/\(name)")
    }
  }

  /// A shop of 20 users: each walks around a circle of items, from a place that depends on the partner.
  static func table(_ path: String, partner: Int) throws -> String {
    var text = "user,item,time\n"
    for user in 0..<20 {
      for step in 0..<5 {
        let item = (user * 3 + partner * 2 + step * (1 + user % 2)) % 20
        text += "u\(partner)-\(user),item-\(item),\(1000 + step)\n"
      }
    }
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  func host(
    _ index: Int, home: PartnerHome? = nil, once: Bool = true, pollWait: Duration = .milliseconds(200),
    uploadPatience: Duration = .seconds(60),
    clock: @escaping @Sendable () -> Date = { Date() }
  ) throws -> PartnerHost {
    var options = PartnerHost.Options()
    options.once = once
    options.idlePause = .milliseconds(20)
    options.firstPause = .milliseconds(5)
    options.longestPause = .milliseconds(50)
    options.pollWait = pollWait
    options.uploadPatience = uploadPatience
    let coordinator = coordinator
    return try PartnerHost(
      home: home ?? homes[index], passphrase: .none, options: options,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      clock: clock
    ) { enrolment, _ in CoordinatorLine(FakeLine(coordinator: coordinator, participant: enrolment.participant)) }
  }

  /// Runs all hosts (or some) until each has ended.
  func run(_ indices: [Int]? = nil) async throws -> [Int: Result<PartnerEnding, any Error>] {
    await coordinator.start()
    return try await finish(indices ?? Array(homes.indices))
  }

  func finish(_ indices: [Int]) async throws -> [Int: Result<PartnerEnding, any Error>] {
    let hosts = try indices.map { ($0, try host($0)) }
    let running = hosts.map { index, host in (index, Task { try await host.run() }) }
    var endings: [Int: Result<PartnerEnding, any Error>] = [:]
    for (index, task) in running { endings[index] = await task.result }
    return endings
  }

  /// Ends stages in which nothing has happened for a while, until the run is over.
  ///
  /// - Returns: whether it was over within ten minutes, which only bounds a test that fails.
  func driveToEnd() async -> Bool {
    var (seen, since) = (-1, ContinuousClock.now)
    let deadline = ContinuousClock.now + .seconds(600)
    while ContinuousClock.now < deadline {
      if await coordinator.end != nil { return true }
      let count = await coordinator.received.count
      if count != seen {
        (seen, since) = (count, .now)
      } else if ContinuousClock.now - since > .seconds(2) {
        await coordinator.expire()
        since = .now
      }
      try? await Task.sleep(for: .milliseconds(20))
    }
    return false
  }

  /// Waits until a condition holds.
  ///
  /// - Returns: whether it did within five minutes, which only bounds a test that fails.
  static func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
    let deadline = ContinuousClock.now + .seconds(300)
    while ContinuousClock.now < deadline {
      if try await condition() { return true }
      try? await Task.sleep(for: .milliseconds(5))
    }
    return false
  }
}

/// Counts calls of closures that must not have state of their own.
final class Counter: Sendable {
  private let count = Mutex(0)

  /// How often `next` was called.
  var value: Int { count.withLock { $0 } }

  /// 0, 1, 2, …
  func next() -> Int {
    count.withLock { value in
      defer { value += 1 }
      return value
    }
  }
}
