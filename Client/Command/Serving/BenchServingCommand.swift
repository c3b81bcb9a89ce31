internal import ArgumentParser
internal import CommandSupport
internal import DataImport
internal import Foundation
internal import Logging
internal import PartnerService
internal import PartnerServing
internal import PeerIdentity
internal import Recommender
internal import ServiceLifecycle
internal import Serving

/// `tacit-client bench-serving`: the server of `serve` over real HTTP on loopback, with a real home's database behind it, asked by
/// threads of this process.
struct BenchServingCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-serving", abstract: "Measure the server of `serve`: answers per second, their times, CPU.",
    discussion:
      "Trains on the data without noise, puts them into a home of its own in the temporary folder, and asks for lists of users drawn at random, at a fixed rate. Times run from the moment at which a request was due. For one core: taskset -c 0 tacit-client bench-serving …"
  )

  @Argument(help: "Data, as `data import` reads them.") var path: String
  @Option(help: "als, mf, covariance, item-knn, …") var algorithm = "als"
  @Option(help: "Requests per second.") var rate = 1000.0
  @Option(help: "Seconds that are measured.") var seconds = 15.0
  @Option(help: "Seconds before them, in which users are read and solved for the first time.") var warmUp = 2.0
  @Option(help: "Connections that are kept open for lists.") var connections = 16
  @Option(help: "Events that are posted per second beside the lists, on connections of their own; each is synced to the disk.")
  var events = 10.0
  @Option(help: "Diversity of the lists, 0 to 1; 1 is none.") var lambda = 1.0
  @Flag(help: "Let another model take the place of the first halfway.") var swap = false
  @Option(help: "text or json.") var format: OutputFormat = .text

  func validate() throws {
    guard rate > 0, rate <= 1e6, seconds > 0, seconds <= 3600, (0...3600).contains(warmUp), (1...1000).contains(connections),
      events >= 0,
      events <= 1e5, (0...1).contains(lambda)
    else { throw ValidationError("a number is out of range: rate, seconds and connections are positive, lambda is from 0 to 1.") }
  }

  func run() async throws { try await ClientFailures.report { try await execute() } }

  private struct Figures: Encodable {
    let algorithm: String
    let items: Int
    let users: Int
    let requests: Int
    let failures: Int
    let requestsPerSecond: Double
    let p50Milliseconds: Double
    let p99Milliseconds: Double
    let p999Milliseconds: Double
    let maxMilliseconds: Double
    /// CPU seconds of everything but the asking threads, per second.
    let serverCPU: Double
    let askersCPU: Double
    let solvedBefore: Double
    let eventsPerSecond: Double
    let eventP50Milliseconds: Double
    let eventP99Milliseconds: Double
  }

  private func execute() async throws {
    let data = try DatasetImporter.load(path: path, options: ImportOptions()).dataset
    let values = try AlgorithmRegistry.resolve(
      algorithm, [:], setting: .init(itemCount: data.itemCount, usersOverNoise: nil, rounds: nil))
    let trained = try AlgorithmRegistry.make(algorithm, values, itemCount: data.itemCount)
    Console.error("training \(algorithm) on \(data.userCount) users and \(data.itemCount) items")
    let model = CentralTraining.run(trained, on: data.train, seed: 1)
    func engine() throws -> RecommendationEngine {
      try RecommendationEngine(
        model: .init(algorithm: algorithm, version: model.version, plan: "bench"), scorer: trained.scorer(model: model),
        popularity: (model.tensors["popularity"] ?? model.tensors["counts"])?.values, catalogue: data.catalogue)
    }
    let folder = FileManager.default.temporaryDirectory.path + "/tacit-bench-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try PartnerStore(try PartnerHome.create(at: folder))
    try store.record(catalogue: CatalogueDocument.encode(data.catalogue), hash: "bench")
    try store.record(
      LocalData(
        userIDs: data.userIDs, train: data.train, heldOut: [[Int32]](repeating: [], count: data.userCount), negatives: nil),
      named: .standard, catalogue: "bench", cap: nil, time: PartnerHome.now)
    let events = HomeEvents(store: store, dataSet: .standard, itemCount: data.itemCount)
    let models = ServedModels(engine: try engine(), store: events)
    let address = try HostPort(parsing: "127.0.0.1:0")
    let quiet = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
    let (ports, continuation) = AsyncStream.makeStream(of: UInt16.self)
    let server = RecommendationServer(
      listen: address, models: models, access: try AccessRule(listen: address, token: nil), logger: quiet
    ) { continuation.yield($0) }
    let group = ServiceGroup(services: [server], logger: quiet)
    let running = Task { try await group.run() }
    guard let port = await ports.first(where: { _ in true }) else { return }
    _ = await lists(port, data, seconds: warmUp, from: 1 << 40)
    let before = (LoadGenerator.processCPU(), models.cacheStatistics)
    let halfway =
      swap
      ? Task.detached(priority: .low) { [seconds] in
        try await Task.sleep(for: .seconds(seconds / 2))
        models.swap(to: try engine(), store: events)
      } : nil
    async let posting = posts(port, data)
    let outcome = await lists(port, data, seconds: seconds, from: 0)
    let posted = await posting
    try await halfway?.value
    let cpu = LoadGenerator.processCPU() - before.0 - outcome.ownCPU - posted.ownCPU
    let cache = models.cacheStatistics
    let (hits, misses) = (cache.hits - before.1.hits, cache.misses - before.1.misses)
    await group.triggerGracefulShutdown()
    try await running.value
    report(
      Figures(
        algorithm: algorithm, items: data.itemCount, users: data.userCount, requests: outcome.latencies.count,
        failures: outcome.failures + posted.failures, requestsPerSecond: Double(outcome.latencies.count) / outcome.elapsed,
        p50Milliseconds: outcome.quantile(0.5) * 1000, p99Milliseconds: outcome.quantile(0.99) * 1000,
        p999Milliseconds: outcome.quantile(0.999) * 1000, maxMilliseconds: outcome.quantile(1) * 1000,
        serverCPU: cpu / outcome.elapsed, askersCPU: (outcome.ownCPU + posted.ownCPU) / outcome.elapsed,
        solvedBefore: Double(hits) / Double(max(1, hits + misses)),
        eventsPerSecond: Double(posted.latencies.count) / max(posted.elapsed, 1e-9),
        eventP50Milliseconds: posted.quantile(0.5) * 1000, eventP99Milliseconds: posted.quantile(0.99) * 1000))
    let failures = outcome.failures + posted.failures
    guard failures == 0 else { throw CommandFailure(.unavailable, "\(failures) requests were not answered with 200") }
  }

  private func lists(_ port: UInt16, _ data: Dataset, seconds: Double, from first: Int) async -> LoadGenerator.Outcome {
    let (users, lambda) = (data.userIDs, lambda)
    return await run(
      LoadGenerator(port: port, connections: connections, rate: rate, seconds: seconds) { number in
        // Drawn, and the same in every run.
        let user = users[Int(stableHash("\(first + number)") % UInt64(users.count))]
        let name = user.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? user
        return Array("GET /v1/recommendations?user=\(name)&lambda=\(lambda) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".utf8)
      })
  }

  private func posts(_ port: UInt16, _ data: Dataset) async -> LoadGenerator.Outcome {
    let (users, items) = (data.userIDs, data.catalogue.itemIDs)
    guard events > 0 else { return LoadGenerator.Outcome() }
    return await run(
      LoadGenerator(port: port, connections: 4, rate: events, seconds: seconds) { number in
        let coin = stableHash("event \(number)")
        let (user, item) = (users[Int(coin % UInt64(users.count))], items[Int((coin >> 20) % UInt64(items.count))])
        let body = "{\"events\":[{\"user\":\"\(user)\",\"item\":\"\(item)\",\"kind\":\"browse\"}]}"
        return Array(
          "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            .utf8)
      })
  }

  private func run(_ generator: LoadGenerator) async -> LoadGenerator.Outcome {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: generator.run()) }
    }
  }

  private func report(_ figures: Figures) {
    if format == .json { return (try? Console.outputJSON(figures)) ?? () }
    Console.output(
      String(
        format:
          "%@, %ld items, %ld users: %ld requests at %.0f/s (%ld failed), %.0f %% of lists from what was solved before\n  p50 %.2f ms   p99 %.2f ms   p99.9 %.2f ms   max %.2f ms\n  server %.2f CPU s/s, askers %.2f CPU s/s\n  beside them %.1f events/s, each on disk before its answer: p50 %.2f ms   p99 %.2f ms",
        figures.algorithm, figures.items, figures.users, figures.requests, figures.requestsPerSecond, figures.failures,
        100 * figures.solvedBefore, figures.p50Milliseconds, figures.p99Milliseconds, figures.p999Milliseconds,
        figures.maxMilliseconds, figures.serverCPU, figures.askersCPU, figures.eventsPerSecond, figures.eventP50Milliseconds,
        figures.eventP99Milliseconds))
  }
}
