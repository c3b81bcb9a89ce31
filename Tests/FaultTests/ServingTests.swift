import DataImport
import Foundation
import Glibc
import Recommender
import Testing

extension FaultTests {
  /// `tacit-client serve` beside a home that trains: models that come while it answers, events that outlive kill -9, a drained end.
  @Suite(.serialized) struct Serving {
    @Test
    func `a server beside a running partner takes each new model without a failed request, and keeps every event it confirmed`()
      async throws
    {
      guard Suite.hasPrograms else { return }
      let shape = FederationShape(partners: 3, users: 60, rounds: 6)
      let federation = try LiveFederation(try await FederationTemplates.shared.template(shape))
      try await federation.startCoordinator()
      try federation.startPartners()
      let home = federation.home(1)
      // Before the first release there is nothing to serve, and that is said.
      var server: ChildProcess?
      try await eventually("a first model is served\n\(federation.diagnosis)", within: 300, pollEvery: 50) {
        let process = try serve(home, federation.folder)
        try await eventually("serve listens or ends", within: 300) { !process.isRunning || process.output.contains("Serving on") }
        guard process.isRunning else {
          guard process.errors.contains("was released to this home yet") else { throw SuiteError(process.errors) }
          return false
        }
        server = process
        return true
      }
      let first = try #require(server)
      let line = try HTTPLine(first)
      var versions: Set<Int> = []
      var answers = 0
      try await eventually("the last model is served\n\(federation.diagnosis)", within: 300, pollEvery: 1) {
        let model = try line.ask("GET", "/v1/model")
        let list = try line.ask("GET", "/v1/recommendations?user=u\(answers % 60)")
        guard model.status == 200, list.status == 200, let version = model.object["version"] as? Int else {
          throw SuiteError("\(model) \(list)")
        }
        answers += 2
        versions.insert(version)
        return version == 7
      }
      #expect(versions.max() == 7 && answers > 10)
      _ = try await federation.waitForEnd()

      // What was confirmed is there after kill -9, in the next list and in the data set that the next round reads.
      let before = try line.ask("GET", "/v1/recommendations?user=fresh&count=5")
      #expect(before.object["basis"] as? String == "popularity")
      let item = try #require((before.object["items"] as? [[String: Any]])?.first?["item"] as? String)
      let stored = try line.ask("POST", "/v1/events", body: #"{"events":[{"user":"fresh","item":"\#(item)","id":"one"}]}"#)
      #expect(stored.status == 200 && stored.object["trained"] as? Int == 1)
      let after = try line.ask("GET", "/v1/recommendations?user=fresh&count=5").body
      #expect(after.contains("\"basis\":\"history\""))
      try await first.killHard()

      let second = try serve(home, federation.folder)
      try await eventually("serve listens again", within: 300) { second.output.contains("Serving on") || !second.isRunning }
      let again = try HTTPLine(second)
      #expect(try again.ask("GET", "/v1/recommendations?user=fresh&count=5").body == after)
      let repeated = try again.ask("POST", "/v1/events", body: #"{"events":[{"user":"fresh","item":"\#(item)","id":"one"}]}"#)
      #expect(repeated.object["repeated"] as? Int == 1 && repeated.object["stored"] as? Int == 0)

      // Two servers of one home would not hear of each other's events.
      let third = try serve(home, federation.folder)
      #expect(try await third.finish(within: 300) == .exited(75) && third.errors.contains("another process serves"))
      second.send(SIGTERM)
      #expect(try await second.finish(within: 300) == .exited(0))
      #expect(!(first.errors + second.errors).contains("fresh"), "a user's id stands in the log")
    }

    @Test
    func
      `an item that came after the training is listed, served and explained by a partner that names the features it was trained with`()
      async throws
    {
      guard Suite.hasPrograms else { return }
      let features = ["attributes", "text"]
      let shape = FederationShape(
        partners: 3, users: 60, algorithm: "two-tower", rounds: 2, parameters: ["dimension": 8, "hidden": 8, "negatives": 8],
        itemFeatures: features)
      let federation = try LiveFederation(try await FederationTemplates.shared.template(shape))
      try await federation.startCoordinator()
      try federation.startPartners()
      _ = try await federation.waitForEnd()
      try await federation.finishPartners()
      // A home serves by itself.
      try await federation.killCoordinator()
      let home = federation.home(1)
      let run = CommandRunner(folder: federation.folder)

      // The shop's own list: in another order, and with one item more, which is described as another one is.
      let catalogue = try CatalogueFile.read(path: federation.template.folder + "/data/items.tsv.gz")
      let columns = catalogue.attributes.keys.sorted()
      func list(_ name: String, describing: (_ row: Int, _ column: String) -> String) throws -> String {
        let rows = catalogue.itemIDs.indices.reversed().map { ($0, catalogue.itemIDs[$0]) } + [(7, "later")]
        let lines = rows.map { row, item in ([item] + columns.map { describing(row, $0) }).joined(separator: "\t") }
        let path = "\(federation.folder)/\(name)"
        try ([(["item"] + columns).joined(separator: "\t")] + lines).joined(separator: "\n").write(
          toFile: path, atomically: true, encoding: .utf8)
        return path
      }
      let own = try list("own.tsv") { catalogue.attributes[$1]?[$0] ?? "" }
      let named = ["--items", own, "--item-features", features.joined(separator: ",")]
      let user = try #require(
        try DatasetImporter.load(path: federation.template.shard(1)).dataset.userIDs.first, "partner 1 has users")

      let asked = ["recommend", "--home", home, "--user", user, "--top", "41", "--format", "json"]
      #expect(try await !run(.client, asked).contains("\"later\""))
      let answer = try await run(.client, asked + named)
      #expect(answer.contains("\"later\""), "\(answer)")

      let server = try serve(home, federation.folder, named)
      try await eventually("serve listens", within: 300) { server.output.contains("Serving on") || !server.isRunning }
      let line = try HTTPLine(server)
      let served = try line.ask("GET", "/v1/recommendations?user=\(user)&count=41&explain=true")
      #expect(served.status == 200 && served.body.contains("\"later\""), "\(served)")
      let entry = (served.object["items"] as? [[String: Any]])?.first { $0["item"] as? String == "later" }
      #expect(entry?["title"] as? String == catalogue.attributes["title"]?[7], "\(served)")
      let similar = try line.ask("GET", "/v1/items/later/similar?count=41")
      let neighbours = (similar.object["items"] as? [[String: Any]] ?? []).compactMap { $0["item"] as? String }
      #expect(similar.status == 200 && Set(neighbours) == Set(catalogue.itemIDs), "\(similar)")
      let explained = try line.ask("GET", "/v1/explanations?user=\(user)&item=later")
      #expect(explained.status == 200 && explained.object["basis"] as? String == "leave-one-out", "\(explained)")
      #expect((explained.object["contributions"] as? [Any])?.isEmpty == false, "\(explained)")
      // What a user does with it is kept, and named: no model has been trained on it.
      let stored = try line.ask("POST", "/v1/events", body: #"{"events":[{"user":"\#(user)","item":"later","id":"one"}]}"#)
      #expect(stored.status == 200 && stored.object["unknownItems"] as? [String] == ["later"], "\(stored)")
      server.send(SIGTERM)
      #expect(try await server.finish(within: 300) == .exited(0))

      // Descriptions that are not the plan's would give the new item features that mean something else.
      let other = try list("other.tsv") { $1 == "title" ? "\($0)" : catalogue.attributes[$1]?[$0] ?? "" }
      let refused = try ChildProcess(
        ChildProcess.Program.client.path, asked + ["--items", other, "--item-features", "attributes,text"], name: "other",
        in: federation.folder)
      #expect(
        try await refused.finish() == .exited(65) && refused.errors.contains("are not those of the plan"), "\(refused.errors)")
    }

    private func serve(_ home: String, _ folder: String, _ more: [String] = []) throws -> ChildProcess {
      try ChildProcess(
        ChildProcess.Program.client.path, ["serve", "--home", home, "--listen", "127.0.0.1:0"] + more,
        name: "serve-\(UUID().uuidString.prefix(6))", in: folder)
    }
  }
}

/// A kept connection to a server that has said where it listens.
private final class HTTPLine {
  struct Answer {
    let status: Int
    let body: String
    var object: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(body.utf8))) as? [String: Any] ?? [:] }
  }

  private let file: Int32
  private var rest: [UInt8] = []

  init(_ process: ChildProcess) throws {
    guard let word = process.output.split(separator: "\n").first(where: { $0.hasPrefix("Serving on") }),
      let port = word.split(separator: ":").last.flatMap({ UInt16($0) })
    else { throw SuiteError("serve did not say where it listens: \(process.output) \(process.errors)") }
    file = Loopback.connect(to: port)
    guard file >= 0 else { throw SuiteError("nobody listens on \(port)") }
  }

  deinit { close(file) }

  func ask(_ method: String, _ target: String, body: String? = nil) throws -> Answer {
    var text = "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if let body {
      text += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    } else {
      text += "\r\n"
    }
    _ = Loopback.writeAll(Array(text.utf8), to: file)
    let end = Array("\r\n\r\n".utf8)
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      if let place = rest.firstRange(of: end) {
        let head = String(decoding: rest[..<place.lowerBound], as: UTF8.self)
        let length =
          head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
          .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) } ?? 0
        if rest.count >= place.upperBound + length {
          let body = String(decoding: rest[place.upperBound..<(place.upperBound + length)], as: UTF8.self)
          rest.removeFirst(place.upperBound + length)
          return Answer(status: head.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0, body: body)
        }
      }
      let count = read(file, &buffer, buffer.count)
      guard count > 0 else { throw SuiteError("the line broke after \(rest.count) bytes") }
      rest += buffer[..<count]
    }
  }
}
