import CryptoPrimitives
import FederatedLearning
import Foundation
import GRDB
import SecureAggregation
import Testing

extension FaultTests {
  /// What a run of the three programs leaves for people: heads to compare, witnesses, reports; and what it never says.
  @Suite(.serialized) struct Records {
    private struct Head: Decodable, Equatable {
      let records: UInt64
      let fingerprint: String
      let hash: String
    }
    private struct Heads: Decodable {
      struct Own: Decodable { let head: Head }
      struct Coordinator: Decodable {
        let newest: Head?
        let countersigned: Head?
        let signers: Int
      }
      let own: [Own]
      let coordinator: [Coordinator]
    }

    private func finished(_ shape: FederationShape) async throws -> LiveFederation {
      let federation = try LiveFederation(try await FederationTemplates.shared.template(shape))
      try await federation.startCoordinator()
      try federation.startPartners()
      _ = try await federation.waitForEnd()
      try await federation.finishPartners()
      return federation
    }

    /// Runs a command that must fail.
    private func failure(_ federation: LiveFederation, _ arguments: String...) async throws -> String {
      let process = try ChildProcess(
        ChildProcess.Program.tacit.path, arguments, name: "command-\(UUID().uuidString.prefix(8))", in: federation.folder)
      let end = try await process.finish()
      #expect(end == .exited(4), "\(end): \(process.output) \(process.errors)")
      return process.output + process.errors
    }

    private static let shape: FederationShape = {
      var shape = FederationShape(partners: 3, users: 60, rounds: 2, noise: "distributed")
      shape.evaluationShare = 0.1
      return shape
    }()

    @Test("Coordinator and partners read the same words out, until one of them shows another ledger")
    func heads() async throws {
      guard Suite.hasPrograms else { return }
      let federation = try await finished(Self.shape)
      try await federation.killCoordinator()
      let run = CommandRunner(folder: federation.folder)
      func heads(_ participant: UInt32) async throws -> Heads {
        let text = try await run(.client, "ledger", "--format", "json", "--home", federation.home(participant))
        return try JSONDecoder().decode(Heads.self, from: Data(text.utf8))
      }
      func coordinator(_ arguments: String...) async throws -> Head {
        let text = try await run(.coordinator, ["ledger", "--json", "--state", federation.stateFolder] + arguments)
        return try JSONDecoder().decode(Head.self, from: Data(text.utf8))
      }
      let newest = try await coordinator()
      let audit = try federation.audit()
      for participant in federation.participants {
        let known = try await heads(participant)
        #expect(known.coordinator.map(\.newest) == [newest])
        #expect(known.coordinator[0].signers == 3)
        let countersigned = try #require(known.coordinator[0].countersigned)
        #expect(try await coordinator("--size", "\(countersigned.records)") == countersigned)
        #expect(known.own.map(\.head.hash) == [audit.partners[participant]?.head.head.head.hex])
        // The words of the terminal are the same on both sides.
        let spoken = "\(newest.records) records, \(newest.fingerprint)"
        #expect(try await run(.client, "ledger", "--home", federation.home(participant)).contains(spoken))
        #expect(try await run(.client, "status", "--home", federation.home(participant)).contains(spoken))
        #expect(try await run(.client, "verify", "--home", federation.home(participant)).contains("signed that they were shown"))
        #expect(try await run(.coordinator, "ledger", "--state", federation.stateFolder).contains(spoken))
        #expect(try await run(.coordinator, "status", "--state", federation.stateFolder).contains(spoken))
      }
      // A coordinator that keeps another ledger: as many records, other words.
      try federation.rewriteLedger(keeping: 1)
      let other = try await coordinator("--size", "\(newest.records)")
      #expect(other.records == newest.records && other.fingerprint != newest.fingerprint)
    }

    @Test("An export has one line of signatures for each release and a sealed report, and no line or byte of them can go")
    func export() async throws {
      guard Suite.hasPrograms else { return }
      let federation = try await finished(Self.shape)
      let run = CommandRunner(folder: federation.folder)
      let exported = federation.folder + "/run"
      try await run(.coordinator, "export", exported, "--state", federation.stateFolder)
      let verdict = try await run(.tacit, "verify", exported)
      #expect(verdict.contains("released sums is countersigned by at least"))
      #expect(verdict.contains("report.json: every byte is what the coordinator's key"))
      #expect(verdict.contains("report.html: says what report.json says"))
      #expect(verdict.contains("items.safetensors: is the model that the coordinator signed"))
      let witnesses = exported + "/ledgers/coordinator.witnesses"
      let text = try String(contentsOfFile: witnesses, encoding: .utf8)
      let lines = text.split(separator: "\n")
      let audit = try federation.audit()
      #expect(lines.count == audit.plan.plan.releases.count && lines.count == audit.coordinator.charges.count)
      for missing in lines.indices {
        var rest = lines
        rest.remove(at: missing)
        try (rest.joined(separator: "\n") + "\n").write(toFile: witnesses, atomically: true, encoding: .utf8)
        #expect(try await failure(federation, "verify", exported).contains("coordinator.witnesses"), "line \(missing + 1)")
      }
      try text.write(toFile: witnesses, atomically: true, encoding: .utf8)
      for form in ["report.json", "report.html", "report.txt"] {
        let path = "\(exported)/\(form)"
        let report = try String(contentsOfFile: path, encoding: .utf8)
        let changed = report.replacing("distributed", with: "DISTRIBUTED", maxReplacements: 1)
        #expect(changed != report || form == "report.txt")
        try (changed == report ? report + " " : changed).write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try await failure(federation, "verify", exported).contains(form), "\(form)")
        try FileManager.default.removeItem(atPath: path)
        #expect(try await failure(federation, "verify", exported).contains("\(form): is missing"), "\(form)")
        try report.write(toFile: path, atomically: true, encoding: .utf8)
      }
      for file in ["items.safetensors", "release.bin"] {
        let url = URL(fileURLWithPath: "\(exported)/\(file)")
        let good = try Data(contentsOf: url)
        try (good.dropLast() + [good[good.count - 1] ^ 0x40]).write(to: url)
        #expect(try await failure(federation, "verify", exported).contains("FAIL  \(file)"), "\(file)")
        try good.write(to: url)
      }
      try await run(.tacit, "verify", exported)
      // The same report by itself, of both sides.
      for (program, place) in [
        (ChildProcess.Program.coordinator, ["--state", federation.stateFolder]), (.client, ["--home", federation.home(1)]),
      ] {
        let plain = try await run(program, ["report"] + place)
        #expect(plain.contains("outsiders") && plain.contains("coordinator + 1"), "\(plain)")
        #expect(plain.contains("as release \(lines.count) of the plan made it public"), "\(plain)")
        for format in ["text", "html", "json"] {
          let path = "\(federation.folder)/\(program.rawValue).\(format)"
          try await run(program, ["report", "--sign", "--format", format, "--output", path] + place)
          try await run(.tacit, "verify", path)
          if format == "json" {
            let verdict = try await run(.tacit, "verify", path, "--run", exported)
            #expect(
              verdict.contains("release \(lines.count) follows from integers whose hash is in the coordinator's ledger"),
              "\(verdict)")
          }
          var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
          bytes[bytes.count / 2] ^= 1
          try bytes.write(to: URL(fileURLWithPath: path))
          _ = try await failure(federation, "verify", path)
        }
      }
    }

    @Test(
      "Where the database is behind the ledger, an export says so, has no name of a whole one, verifies as what it is, and as no whole one"
    )
    func behind() async throws {
      guard Suite.hasPrograms else { return }
      let federation = try LiveFederation(
        try await FederationTemplates.shared.template(FederationShape(partners: 3, users: 60, rounds: 6, noise: "distributed")))
      try await federation.startCoordinator()
      try federation.startPartners()
      func count(_ sql: String) throws -> Int {
        let queue = try DatabaseQueue(path: federation.stateFolder + "/coordinator.sqlite")
        defer { try? queue.close() }
        return try queue.read { try Int.fetchOne($0, sql: sql) } ?? 0
      }
      let kept = "SELECT count(*) FROM releases"
      try await eventually("a sum is released", within: 300) { ((try? count(kept)) ?? 0) > 0 }
      try await federation.killCoordinator()
      let databases = try FileManager.default.contentsOfDirectory(atPath: federation.stateFolder)
        .filter { $0.hasPrefix("coordinator.sqlite") }
      let (state, early) = (federation.stateFolder, federation.folder + "/early")
      try FileManager.default.createDirectory(atPath: early, withIntermediateDirectories: false)
      for name in databases { try FileManager.default.copyItem(atPath: "\(state)/\(name)", toPath: "\(early)/\(name)") }
      try await federation.startCoordinator(name: "coordinator-again")
      _ = try await federation.waitForEnd()
      try await federation.finishPartners()
      try await federation.killCoordinator()
      // The older database is put back, and is told that the plan is over, as a restoration would tell it.
      for name in try FileManager.default.contentsOfDirectory(atPath: state) where name.hasPrefix("coordinator.sqlite") {
        try FileManager.default.removeItem(atPath: "\(state)/\(name)")
      }
      for name in databases { try FileManager.default.copyItem(atPath: "\(early)/\(name)", toPath: "\(state)/\(name)") }
      let queue = try DatabaseQueue(path: state + "/coordinator.sqlite")
      try await queue.write { try $0.execute(sql: "UPDATE plans SET endedAt = 1, end = 'restored'") }
      try queue.close()
      let all = try federation.audit().plan.plan.releases.count
      let behind = all - (try count(kept))
      #expect(behind > 0 && behind < all)
      let run = CommandRunner(folder: federation.folder)
      let exported = federation.folder + "/run"
      try await run(.coordinator, "export", exported, "--state", state)
      #expect(!FileManager.default.fileExists(atPath: exported))
      let verdict = try await run(.tacit, "verify", exported + ".partial")
      #expect(verdict.contains("of \(all) released sums the last \(behind) have no countersignature"), "\(verdict)")
      #expect(verdict.contains("the run was interrupted before it kept that model"), "\(verdict)")
      // Whoever calls it whole is asked for what is missing.
      try FileManager.default.moveItem(atPath: exported + ".partial", toPath: exported)
      let failure = try await failure(federation, "verify", exported)
      #expect(failure.contains("is missing: it was cut out, or never was") && failure.contains("which is not the last release"))
    }

    @Test(
      "Nothing that the programs write beside the partners' own homes, and nothing they print, says how many users took part",
      arguments: [("central", nil), ("distributed", 0.5)] as [(String, Double?)])
    func realisedNumbers(noise: String, clipQuantile: Double?) async throws {
      guard Suite.hasPrograms else { return }
      let found = try await findings(noise: noise, clipQuantile: clipQuantile)
      guard !found.isEmpty else { return }
      // The end of a digest and the zeros after it can look like a number. What is said is said in every run, by other digests too.
      let again = try await findings(noise: noise, clipQuantile: clipQuantile).intersection(found)
      #expect(again.isEmpty, "\(again)")
    }

    /// Where a whole run says one of the numbers in bytes; what it says in words fails at once.
    private func findings(noise: String, clipQuantile: Double?) async throws -> Set<String> {
      var shape = FederationShape(partners: 3, users: 8317, items: 50, rounds: 2, noise: noise)
      shape.nominalUsers = 8000
      shape.evaluationShare = 0.05
      shape.clipQuantile = clipQuantile
      let federation = try LiveFederation(try await FederationTemplates.shared.template(shape))
      var numbers: Set<Int> = [shape.users]
      for participant in federation.participants {
        let queue = try DatabaseQueue(path: federation.home(participant) + "/partner.sqlite")
        let users = try await queue.read { try Int.fetchOne($0, sql: "SELECT users FROM dataSet") }
        numbers.insert(try #require(users))
      }
      #expect(numbers.count == 4 && numbers.allSatisfy { $0 > 1000 && $0 < 10_000 }, "\(numbers)")
      #expect(numbers.reduce(0, +) == 2 * shape.users)
      let search = PrintedNumbers(Array(numbers))
      #expect(!search.occurrences(in: "a \(shape.users) b \(shape.users).0").isEmpty)

      try await federation.startCoordinator(extra: ["--set", "log-level=debug"])
      try federation.startPartners()
      while !federation.isOver {
        try await eventually("the metrics are read", within: 300) {
          federation.isOver || (try? federation.ports.values()) != nil
        }
        if let values = try? federation.ports.values() {
          for (name, value) in values { #expect(!numbers.contains { Double($0) == value }, "\(name) is \(value)") }
        }
        try await Task.sleep(for: .milliseconds(100))
      }
      _ = try await federation.waitForEnd()
      try await federation.finishPartners()
      let run = CommandRunner(folder: federation.folder)
      let (state, exported) = (federation.stateFolder, federation.folder + "/run")
      try await run(.coordinator, "status", "--json", "--state", state)
      try await run(.coordinator, "report", "--state", state)
      try await run(.coordinator, "report", "--format", "json", "--state", state)
      try await run(.coordinator, "ledger", "--state", state)
      try await run(.coordinator, "roster", "--state", state)
      try await run(.coordinator, "export", exported, "--state", state)
      try await run(.tacit, "verify", exported)
      try await run(.tacit, "report", exported)
      for participant in federation.participants {
        try await run(.client, "report", "--home", federation.home(participant))
        try await run(.client, "report", "--sign", "--format", "html", "--home", federation.home(participant))
        try await run(.client, "verify", "--home", federation.home(participant))
        try await run(.client, "ledger", "--home", federation.home(participant))
      }
      var (files, found) = (0, Set<String>())
      // The homes belong to the partners; the ledgers in them are shown to others.
      for case let name as String in FileManager.default.enumerator(atPath: federation.folder) ?? .init()
      where !name.hasPrefix("home-") || name.contains("/ledgers/") {
        let path = "\(federation.folder)/\(name)"
        guard let bytes = FileManager.default.contents(atPath: path), !bytes.isEmpty else { continue }
        files += 1
        // Its values are looked at one by one below: pages are full of lengths and places.
        if name.contains(".sqlite") { continue }
        let said = search.occurrences(in: String(decoding: bytes, as: UTF8.self))
        #expect(said.isEmpty, "\(name): \(said)")
        found.formUnion(search.bytes(in: bytes).map { "\(name): \($0)" })
      }
      #expect(files > 30)
      let values = try search.database(state + "/coordinator.sqlite")
      let said = values.filter { !$0.contains(" as ") }
      #expect(said.isEmpty, "\(said)")
      return found.union(values).subtracting(said)
    }
  }
}

/// Looks for numbers in texts, files and databases.
private struct PrintedNumbers {
  let numbers: [Int]

  init(_ numbers: [Int]) { self.numbers = numbers }

  func occurrences(in text: String) -> [String] {
    let forms = numbers.flatMap { ["\($0)", "\($0 / 1000),\(String(format: "%03d", $0 % 1000))"] }
    guard
      let pattern = try? NSRegularExpression(
        pattern: "(?<![0-9A-Za-z.,_-])(\(forms.joined(separator: "|")))(\\.0+)?(?![0-9A-Za-z_-]|[.,][0-9])")
    else { return ["the pattern is none"] }
    return pattern.matches(in: text, range: NSRange(text.startIndex..., in: text)).compactMap { match in
      Range(match.range, in: text).map { range in
        let from = text.index(range.lowerBound, offsetBy: -40, limitedBy: text.startIndex) ?? text.startIndex
        let to = text.index(range.upperBound, offsetBy: 40, limitedBy: text.endIndex) ?? text.endIndex
        return String(text[from..<to])
      }
    }
  }

  /// As eight bytes, or as four, either way round.
  func bytes(in data: Data) -> [String] {
    numbers.flatMap { number -> [String] in
      let forms = [
        withUnsafeBytes(of: UInt32(number).littleEndian) { Data($0) }, withUnsafeBytes(of: UInt32(number).bigEndian) { Data($0) },
        withUnsafeBytes(of: UInt64(number).littleEndian) { Data($0) }, withUnsafeBytes(of: UInt64(number).bigEndian) { Data($0) },
      ]
      return forms.filter { data.range(of: $0) != nil }.map { "\(number) as \($0.count) bytes" }
    }
  }

  func database(_ path: String) throws -> [String] {
    var configuration = Configuration()
    configuration.readonly = true
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    defer { try? queue.close() }
    return try queue.read { database in
      var found: [String] = []
      for table in try String.fetchAll(database, sql: "SELECT name FROM sqlite_master WHERE type = 'table'") {
        for row in try Row.fetchAll(database, sql: "SELECT * FROM \"\(table)\"") {
          for (column, value) in row {
            let place = "\(table).\(column): "
            switch value.storage {
            case .null: break
            case .int64(let value): if numbers.contains(Int(value)) { found.append(place + "\(value)") }
            case .double(let value): if numbers.contains(where: { Double($0) == value }) { found.append(place + "\(value)") }
            case .string(let value): found += occurrences(in: value).map { place + $0 }
            case .blob(let value):
              found += (occurrences(in: String(decoding: value, as: UTF8.self)) + bytes(in: value)).map { place + $0 }
            }
          }
        }
      }
      return found
    }
  }
}
