import FederatedLearning
import Foundation
import GRDB
import PartnerService
import Recommender
import Serving
import Synchronization
import TaskDatabase
import Testing

/// Events that come while serving: in the home, and in the rounds.
@Suite struct ServingHomeTests {
  @Test func `an event is in the data set and in the next list, and still there when the home is opened again`() async throws {
    let world = try await World.joined()
    let store = try world.store(0)
    let before = try #require(try store.servedHistory(of: "u0-3", in: .standard, itemCount: 20))
    let data = try store.localData(of: .standard, itemCount: 20)
    let row = try #require(data.userIDs.firstIndex(of: "u0-3"))
    let held = try #require(data.heldOut[row].first)
    let known = before.entries[1].item
    // What is held out to judge models on is the newest that a list knows of.
    #expect(before.entries.map(\.item) == Array(data.train.history(of: row)) + [held])
    let report = try record(
      [
        ServedEvent(user: "u0-3", item: "item-\(known)", kind: .buy), ServedEvent(user: "u0-3", item: "item-\(held)"),
        ServedEvent(user: "u0-3", item: "elsewhere"), ServedEvent(user: "fresh", item: "item-7", kind: .browse, name: "a"),
        ServedEvent(user: "fresh", item: "item-9", kind: .cart, name: "a"), ServedEvent(user: "fresh", item: "item-8"),
      ], store)
    #expect(
      report.fates == [.trained(known), .trained(held), .unknownItem, .trained(7), .repeated, .trained(8)])
    // Another process reads the same.
    let again = try world.store(0)
    let after = try #require(try again.servedHistory(of: "u0-3", in: .standard, itemCount: 20))
    var expected = before.entries.map(\.item).filter { $0 != known && $0 != held }
    expected += [known, held]
    #expect(after.entries.map(\.item) == expected)
    // What was held out was met twice now.
    #expect(Array(after.history().weights) == [1, 1, 1, 11, 2])
    #expect(Array(after.history(EventWeights(browse: 1, favourite: 1, cart: 1, buy: 4)).weights) == [1, 1, 1, 5, 2])
    #expect(try again.servedHistory(of: "fresh", in: .standard, itemCount: 20)?.entries.map(\.item) == [7, 8])
    #expect(try again.servedHistory(of: "nobody", in: .standard, itemCount: 20) == nil)

    let trained = try again.localData(of: .standard, itemCount: 20)
    #expect(Array(trained.train.history(of: row)) == expected && Array(trained.train.weights(of: row)) == [1, 1, 1, 11, 2])
    #expect(trained.userIDs == data.userIDs + ["fresh"] && Array(trained.train.history(of: 20)) == [7, 8])
    // What the user has met judges no model any more.
    #expect(trained.heldOut[row] == [] && trained.heldOut.count { $0.isEmpty } == 2)
    let counted = try #require(try again.dataSet(.standard))
    #expect(counted.users == 21 && counted.events == 100 + 2)
    #expect(try again.revision(of: .standard) == 1)
    // The name holds over batches and openings, and unknown items alone change no round's data.
    #expect(try record([ServedEvent(user: "fresh", item: "item-7", name: "a")], again).fates == [.repeated])
    #expect(try record([ServedEvent(user: "fresh", item: "elsewhere")], again).fates == [.unknownItem])
    #expect(try again.revision(of: .standard) == 1)
  }

  @Test func `as many histories are read at once as there is room for, those that came last first`() async throws {
    let world = try await World.joined()
    let store = try world.store(0)
    _ = try record(
      [ServedEvent(user: "u0-3", item: "item-7", kind: .buy), ServedEvent(user: "fresh", item: "item-8", kind: .cart)], store)
    let all = try store.servedHistories(in: .standard, itemCount: 20, numbersMax: 1 << 20)
    #expect(all.count == 21 && all[0].user == "fresh")
    for (user, history) in all { #expect(try store.servedHistory(of: user, in: .standard, itemCount: 20) == history) }
    let room = all[0].history.numbers + all[1].history.numbers
    #expect(try store.servedHistories(in: .standard, itemCount: 20, numbersMax: room).map(\.user) == all[..<2].map(\.user))
    #expect(try store.servedHistories(in: .standard, itemCount: 20, numbersMax: room - 1).map(\.user) == ["fresh"])
    #expect(try store.servedHistories(in: .standard, itemCount: 20, numbersMax: 0).isEmpty)
    #expect(throws: PartnerError.self) { try store.servedHistories(in: .standard, itemCount: 2, numbersMax: 1 << 20) }
  }

  @Test func `a home from before users had rows keeps all of them`() async throws {
    let world = try await World.joined()
    let data = try world.store(0).localData(of: .standard, itemCount: 20)
    // As the first version made it.
    let file = try DatabaseQueue(path: world.homes[0].path + "/partner.sqlite")
    try await file.writeWithoutTransaction { database in
      try database.execute(
        sql: """
          PRAGMA foreign_keys = OFF;
          CREATE TABLE old (
            dataSet TEXT NOT NULL REFERENCES dataSet ON DELETE CASCADE, position INTEGER NOT NULL, name TEXT NOT NULL,
            items BLOB NOT NULL, weights BLOB NOT NULL, heldOut BLOB NOT NULL, negatives BLOB NOT NULL,
            PRIMARY KEY (dataSet, position)
          ) WITHOUT ROWID;
          INSERT INTO old SELECT * FROM shardUser;
          DROP TABLE shardUser;
          ALTER TABLE old RENAME TO shardUser;
          CREATE INDEX shardUserByName ON shardUser (dataSet, name);
          DELETE FROM grdb_migrations WHERE identifier LIKE '10:%';
          """)
    }
    try file.close()
    let again = try world.store(0)
    let after = try again.localData(of: .standard, itemCount: 20)
    #expect(after.userIDs == data.userIDs && after.train == data.train && after.heldOut == data.heldOut)
    #expect(try record([ServedEvent(user: "u0-3", item: "item-7")], again).fates.count == 1)
    let kinds = try await DatabaseQueue(path: world.homes[0].path + "/partner.sqlite").read {
      try String.fetchAll($0, sql: "SELECT sql FROM sqlite_master WHERE tbl_name = 'shardUser' AND sql IS NOT NULL")
    }
    #expect(kinds.count == 2 && kinds.allSatisfy { !$0.contains("WITHOUT ROWID") })
  }

  @Test func `a round trains on what came before it, and an earlier round does not`() async throws {
    let world = try await World.joined(.factorization, holdsOut: false)
    let stores = try (0..<4).map { try world.store($0) }
    let old = try stores.map { try $0.localData(of: .standard, itemCount: 20).train }
    let batch = (0..<10).flatMap { user in
      (0..<6).map { ServedEvent(user: "fresh-\(user)", item: "item-\((user + $0 * $0) % 20)", kind: .buy) }
    }
    let home = stores[0]
    let hasCome = Mutex(false)
    await world.coordinator.tamper(
      1,
      .init(message: { message in
        // Just before the second round opens at this partner, whose process has run since the first.
        if case .roundStart(let start) = message, start.round == 1, hasCome.withLock({ !$0 }) {
          hasCome.withLock { $0 = true }
          _ = try? home.record(batch, in: .standard, index: Self.index, weights: EventWeights(), time: 1)
        }
        return message
      }))
    let endings = try await world.run()
    for (_, ending) in endings { #expect(throws: Never.self) { try ending.get() } }
    #expect(hasCome.withLock { $0 })
    let new = try stores.map { try $0.localData(of: .standard, itemCount: 20).train }
    #expect(new[0].userCount == old[0].userCount + 10 && new[1] == old[1])
    let model = try #require(await world.coordinator.model)
    let plan = try #require(await world.coordinator.planFile).plan
    let algorithm = try PlanSetting.factorization.algorithm()
    #expect(model == follow(plan, algorithm) { $0 == 0 ? old : new }, "the first round old, the later ones new")
    #expect(model != follow(plan, algorithm) { _ in old } && model != follow(plan, algorithm) { _ in new })
  }

  @Test func `newcomers never make a partner bring more users than a plan without noise allows`() async throws {
    let world = try await World.joined(.factorization, holdsOut: false)
    let stores = try (0..<4).map { try world.store($0) }
    let batch = (0..<90).map { ServedEvent(user: "fresh-\($0)", item: "item-\($0 % 20)") }
    _ = try record(batch, stores[0])
    for (_, ending) in try await world.run() { #expect(throws: Never.self) { try ending.get() } }
    #expect(await world.coordinator.releases.map(\.survivors.count) == [4, 4, 4])
    let plan = try #require(await world.coordinator.planFile).plan
    #expect(plan.roster.allSatisfy { $0.maximumUsers == 100 })
    var shards = try stores.map { try $0.localData(of: .standard, itemCount: 20).train }
    #expect(shards[0].userCount == 110)
    shards[0] = shards[0].selecting(users: Array(0..<100))
    let model = try #require(await world.coordinator.model)
    let expected = shards
    #expect(model == follow(plan, try PlanSetting.factorization.algorithm()) { _ in expected })
  }

  @Test func `people whom another ledger counts are served, and not trained on under this one`() async throws {
    let world = try await World.joined()
    let store = try world.store(0)
    let other = try DataSetName("other")
    try world.importData(0, file: try World.table(world.scratch.file("other.csv"), partner: 9), name: other)
    #expect(try store.dataSet(other)?.ledger.name == other)
    func fate(_ user: String, _ name: DataSetName = .standard) throws -> IntakeReport.Fate? {
      try record([ServedEvent(user: user, item: "item-5")], store, name).fates.first
    }
    #expect(try fate("u9-3") == .served(5) && fate("u9-3", other) == .trained(5) && fate("u0-3") == .trained(5))
    #expect(try store.servedHistory(of: "u9-3", in: .standard, itemCount: 20)?.entries.map(\.item) == [5])
    #expect(try store.localData(of: .standard, itemCount: 20).userIDs.contains("u9-3") == false)
    // Removing the data forgets the people, not what was promised to them.
    try DataImporting.remove(other, from: store, time: 5)
    #expect(try fate("u9-4") == .served(5) && fate("newcomer") == .trained(5))
    #expect { try fate("u9-4", other) } throws: { ($0 as? PartnerError)?.kind == .missing }
  }

  @Test func `in a home whose database was lost nobody new is trained on`() async throws {
    let world = try await World.joined()
    _ = try await world.run()
    try world.loseDatabase(0)
    let fresh = world.homes[0]
    _ = try await world.renew(try await world.coordinator.token("p1"))
    try await world.fetch(0)
    try world.importData(0, told: .countedBy(.standard))
    let store = try PartnerStore(fresh)
    #expect(try record([ServedEvent(user: "unheard-of", item: "item-5")], store).fates == [.served(5)])
    #expect(try record([ServedEvent(user: "u0-3", item: "item-5")], store).fates == [.trained(5)])
  }

  @Test func `a batch of which one event cannot be written leaves nothing behind`() async throws {
    let world = try await World.joined()
    let store = try world.store(0)
    let before = try store.localData(of: .standard, itemCount: 20)
    let queue = try DatabaseQueue(path: world.homes[0].database)
    try await queue.write {
      try $0.execute(
        sql: "CREATE TRIGGER refuse BEFORE INSERT ON servedEvent WHEN NEW.item = 'item-13' BEGIN SELECT RAISE(ABORT, 'no'); END")
    }
    let batch = [5, 6, 13, 7].map { ServedEvent(user: "fresh", item: "item-\($0)", name: "name-\($0)") }
    #expect(throws: TaskDatabaseError.self) { try record(batch, store) }
    #expect(try store.localData(of: .standard, itemCount: 20).train == before.train && store.revision(of: .standard) == 0)
    #expect(try store.servedHistory(of: "fresh", in: .standard, itemCount: 20) == nil)
    try await queue.write { try $0.execute(sql: "DROP TRIGGER refuse") }
    #expect(try record(batch, store).fates == [.trained(5), .trained(6), .trained(13), .trained(7)])
  }

  @Test func `removed and purged data take their events with them`() async throws {
    let world = try await World.joined()
    let store = try world.store(0)
    _ = try record([ServedEvent(user: "u0-3", item: "secret-item-77")], store)
    #expect(try bytes(world).contains("secret-item-77"))
    try Joining.purge(home: world.homes[0], store: store)
    #expect(try !bytes(world).contains("secret-item-77"))
    #expect { try record([ServedEvent(user: "u0-3", item: "item-1")], store) } throws: { ($0 as? PartnerError)?.kind == .missing }
  }

  @Test func `the newest verified model is served, with the plan's catalogue and the items' file`() async throws {
    let world = try await World.joined(.factorization)
    let (home, store) = (world.homes[0], try world.store(0))
    let serving = try ServingHome(home, store: store)
    #expect(try serving.newestMark() == nil)
    #expect { try serving.load(rules: ServingRules()) } throws: { "\($0)".contains("was released to this home yet") }
    _ = try await world.run()
    let mark = try #require(try serving.newestMark())
    let file = Catalogue(
      itemIDs: ["item-3", "elsewhere", "item-0"], attributes: ["kind": ["good", "x", "text"], "title": ["Three", "X", ""]])
    let rules = ServingRules(scenes: ["goods": .init(items: .init(column: "kind", values: ["good"]))])
    let (engine, name) = try serving.load(rules: rules, attributes: file)
    #expect(name == .standard && engine.model.version == 3 && engine.itemCount == 20)
    #expect(engine.itemCount(ofScene: "goods") == 1 && engine.title(3) == "Three" && engine.columnNames == ["kind", "title"])
    // The same list as `recommend` gives.
    let model = try PartnerModel(store, home: home)
    let history = try #require(try store.servedHistory(of: "u0-3", in: name, itemCount: 20))
    let list = try engine.recommend(RecommendationQuery(), history: history)
    #expect(
      list.entries.map(\.item) == model.scorer.recommend(to: try model.history(of: "u0-3", in: store), count: 10).map(\.item))
    // Scenes are judged on what was held out: that of all items is what `worth` says of the joint model.
    let scenes = try serving.judgeScenes(rules, attributes: file)
    let held = try store.localData(of: name, itemCount: 20).heldOut
    #expect(scenes.map(\.scene) == ["all", "goods"] && scenes[1].kind == .goods)
    #expect(scenes[0].users == held.count { !$0.isEmpty } && scenes[1].users == held.count { $0.contains(3) })
    let joint = try #require(try Worth(home: home, store: store).rows.last?.metrics.first { $0.name == "HR@10 (full)" })
    let rate = try #require(scenes[0].figures.first { $0.name == "HR@10" })
    #expect(abs(rate.value - joint.mean) < 1e-9 && abs((rate.halfWidth ?? 0) - joint.halfWidth) < 1e-9)
    // Another release is another mark; a purged home has none.
    try await world.coordinator.publish(.factorization)
    let second = try await world.coordinator.planHash()
    for index in 0..<4 {
      try await world.fetch(index)
      try world.accept(index, plan: second)
    }
    _ = try await world.run()
    #expect(try serving.newestMark() != mark && serving.obstacle(serving: name) == nil)
    try Joining.purge(home: home, store: store)
    #expect(try serving.newestMark() == nil && serving.obstacle(serving: name) == "this home was purged")
  }

  // MARK: - Help

  private static let index: @Sendable (String) -> Int32? = { item in
    item.hasPrefix("item-") ? Int32(item.dropFirst(5)).flatMap { (0..<20).contains($0) ? $0 : nil } : nil
  }

  private func record(_ events: [ServedEvent], _ store: PartnerStore, _ name: DataSetName = .standard) throws -> IntakeReport {
    try store.record(events, in: name, index: Self.index, weights: EventWeights(), time: 2000)
  }

  /// The model that the shards of each round give: sums on the plan's grid, as every partner makes them.
  private func follow(
    _ plan: TrainingPlan, _ algorithm: any FederatedAlgorithm, _ shards: (Int) -> [Interactions]
  ) -> ItemModel {
    var model = algorithm.initialModel(seed: plan.modelSeed)
    var optimizer = OptimizerState()
    for (round, release) in plan.releases.enumerated() {
      let trainer = algorithm.trainer(for: release.step, model: model)
      var total = [Int64](repeating: 0, count: release.dimension)
      for shard in shards(round) {
        var sum = [Double](repeating: 0, count: release.dimension)
        trainer.accumulate(shard, seed: 0, into: &sum)
        for index in sum.indices { total[index] += Int64((sum[index] * release.scale).rounded(.toNearestOrEven)) }
      }
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: release.step, sum: total.map { Float(Double($0) * (1 / release.scale)) },
        context: ReleaseContext(expectedUsers: Double(plan.privacy.nominalUsers), noiseDeviation: 0))
      model.version = round + 1
    }
    return model
  }

  /// Everything that the home's database files hold.
  private func bytes(_ world: World) throws -> String {
    try FileManager.default.contentsOfDirectory(atPath: world.homes[0].path).filter { $0.hasPrefix("partner.sqlite") }
      .map { String(decoding: FileManager.default.contents(atPath: "\(world.homes[0].path)/\($0)") ?? Data(), as: UTF8.self) }
      .joined()
  }
}
