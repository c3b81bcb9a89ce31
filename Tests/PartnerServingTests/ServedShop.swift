import Foundation
import Logging
import PartnerServing
import PeerIdentity
import Recommender
import ServiceLifecycle
import Serving
import Synchronization
import Testing

/// A shop of 30 items, and models of it that differ by their version.
enum ServedShop {
  static let itemCount = 30
  static let catalogue = Catalogue(
    itemIDs: (0..<itemCount).map { "i\($0)" },
    attributes: ["title": (0..<itemCount).map { "Item \($0)" }, "kind": (0..<itemCount).map { "k\($0 % 3)" }])

  static let interactions = Interactions(
    itemCount: itemCount,
    histories: (0..<60).map { user in (0..<(3 + user % 5)).map { Int32((user * 7 + $0 * ($0 + 3)) % itemCount) } }
      .map { items in items.enumerated().filter { !items[..<$0.offset].contains($0.element) }.map(\.element) })

  static func engine(
    _ algorithm: String = "als", version: Int = 1, rules: ServingRules = ServingRules()
  ) throws -> RecommendationEngine {
    let wanted: [String: Double] =
      algorithm == "als"
      ? ["dimension": 4, "rounds": 2]
      : algorithm == "gru" ? ["dimension": 8, "hidden": 8, "window": 10, "negatives": 8, "dropout": 0, "rounds": 2] : [:]
    let algorithm = try AlgorithmRegistry.make(
      algorithm,
      AlgorithmRegistry.resolve(
        algorithm, wanted, setting: .init(itemCount: itemCount, usersOverNoise: nil, rounds: nil)), itemCount: itemCount)
    let model = CentralTraining.run(algorithm, on: interactions, seed: UInt64(version))
    return try RecommendationEngine(
      model: .init(algorithm: algorithm.name, version: version, plan: "plan"), scorer: algorithm.scorer(model: model),
      popularity: (model.tensors["popularity"] ?? model.tensors["counts"])?.values, catalogue: catalogue, rules: rules)
  }
}

/// Events in memory: those of `ServedShop`, called u0, u1, …
final class MemoryEvents: EventStore {
  let name: String
  private let state: Mutex<State>
  /// Called before a history is read; may wait.
  private let onRead: @Sendable () -> Void

  private struct State {
    var histories: [String: ServedHistory] = [:]
    var names: Set<String> = []
    var isFailing = false
    var reads = 0
  }

  init(name: String = "data", onRead: @escaping @Sendable () -> Void = {}) {
    self.name = name
    self.onRead = onRead
    var state = State()
    for user in 0..<ServedShop.interactions.userCount {
      state.histories["u\(user)"] = ServedHistory(items: Array(ServedShop.interactions.history(of: user)))
    }
    self.state = Mutex(state)
  }

  var reads: Int { state.withLock { $0.reads } }
  func setFailing(_ isFailing: Bool) { state.withLock { $0.isFailing = isFailing } }

  func history(of user: String) throws -> ServedHistory? {
    onRead()
    return try state.withLock { state in
      state.reads += 1
      guard !state.isFailing else { throw ServingFailure("the disk is gone") }
      return state.histories[user]
    }
  }

  func record(_ events: [ServedEvent], index: (String) -> Int32?, weights: EventWeights) throws -> IntakeReport {
    try state.withLock { state in
      guard !state.isFailing else { throw ServingFailure("the disk is full") }
      return IntakeReport(
        fates: events.map { event in
          if let name = event.name, !state.names.insert(name).inserted { return .repeated }
          guard let item = index(event.item) else { return .unknownItem }
          state.histories[event.user, default: ServedHistory()].append(item, event.kind)
          return event.user.hasPrefix("foreign") ? .served(item) : .trained(item)
        })
    }
  }
}

/// A server for the time of a test.
enum Served {
  static func serve<Value>(
    _ models: ServedModels, token: String? = nil, logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
    connectionsMax: Int = 240, _ body: (Asking, ServiceGroup) async throws -> Value
  ) async throws -> Value {
    let address = try HostPort(parsing: "127.0.0.1:0")
    let (ports, continuation) = AsyncStream.makeStream(of: UInt16.self)
    let server = RecommendationServer(
      listen: address, models: models, access: try AccessRule(listen: address, token: token), logger: logger,
      connectionsMax: connectionsMax
    ) { continuation.yield($0) }
    let group = ServiceGroup(services: [server], logger: logger)
    let running = Task { try await group.run() }
    let port = try #require(await ports.first { _ in true })
    let result: Result<Value, any Error>
    do { result = .success(try await body(Asking(port: port), group)) } catch { result = .failure(error) }
    await group.triggerGracefulShutdown()
    try await running.value
    return try result.get()
  }

  static func serve<Value>(_ models: ServedModels, token: String? = nil, _ body: (Asking) async throws -> Value) async throws
    -> Value
  {
    try await serve(models, token: token) { ask, _ in try await body(ask) }
  }
}
