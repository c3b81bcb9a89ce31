import Foundation
import Testing

extension FaultTests {
  /// A client in another language, written against Protocols/ alone: a correct one, and one that sends what nobody should.
  @Suite(.serialized) struct PythonClient {
    /// A Python with grpcio, made once under .build; `nil` when PyPI or Python is not there.
    static func interpreter() async throws -> String? {
      let folder = Repository.root.appending(path: ".build/network-venv").path
      let python = folder + "/bin/python"
      let script = """
        test -x '\(python)' && '\(python)' -c 'import grpc, grpc_tools, cryptography' 2>/dev/null && exit 0
        rm -rf '\(folder)'
        python3 -m venv '\(folder)' && '\(python)' -m pip install --quiet --timeout 20 --retries 1 grpcio grpcio-tools cryptography
        """
      let setup = try ChildProcess("/bin/sh", ["-c", script], name: "pip", in: FederationTemplates.root)
      guard try await setup.finish(within: 300) == .exited(0) else {
        Suite.skip("the Python client: no Python with grpcio, and PyPI does not answer (\(setup.lastWords.suffix(200)))")
        return nil
      }
      return python
    }

    private static let program = Repository.root.appending(path: "Protocols/reference/network_client.py").path

    /// Runs the client and reads its last line.
    private static func run(
      _ python: String, _ arguments: [String], in folder: String
    ) async throws -> (end: ChildProcess.End, result: [String: Any], process: ChildProcess) {
      let process = try ChildProcess(python, [program] + arguments, name: "python-\(UUID().uuidString.prefix(8))", in: folder)
      let end = try await process.finish(within: 900)
      let line = process.output.split(separator: "\n").last.map(String.init) ?? ""
      return (end, (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any] ?? [:], process)
    }

    @Test("A Python client that knows only Protocols/ enrols, consents, takes part; and 10,000 malformed requests are refused")
    func python() async throws {
      guard Suite.hasPrograms, let python = try await Self.interpreter() else { return }
      let count = Suite.isLong ? 10_000 : 400
      var shape = FederationShape(partners: 4, users: 80, rounds: 1, noise: "central")
      shape.evaluationShare = 0.2
      let setup = try FederationSetup(folder: "\(FederationTemplates.root)/python-\(UUID().uuidString.prefix(8))")
      let names = try await setup.split(shape)
      try await setup.makeTask()
      // Nobody's deadline passes while the attack goes on: the attempt waits for the Python client's answer.
      let coordinator = try await setup.serve(FederationPace(stage: 1800, input: 1800))
      let home = setup.folder + "/python"
      let enrolled = try await Self.run(python, ["--home", home, "enrol", try await setup.invite(names[0])], in: setup.folder)
      #expect(enrolled.end == .exited(0), "\(enrolled.process.lastWords)")
      for name in names.dropFirst() {
        try await setup.run(.client, "enroll", "--token", try await setup.invite(name), "--home", "\(setup.folder)/home-\(name)")
      }
      try await setup.makePlan(shape, users: names.map { ($0, 80) })
      let consent = try await Self.run(python, ["--home", home, "consent"], in: setup.folder)
      #expect(consent.end == .exited(0), "\(consent.process.lastWords)")

      var partners: [ChildProcess] = []
      for name in names.dropFirst() {
        let partner = "\(setup.folder)/home-\(name)"
        try await setup.join(home: partner, shard: "\(setup.folder)/data/\(name)", cap: "50,1e-5")
        partners.append(
          try ChildProcess(ChildProcess.Program.client.path, ["run", "--once", "--home", partner], name: name, in: setup.folder))
      }
      // A round is open during the attack, so that it reaches what only a round checks. Memory is looked at after a first dose.
      let fuzz = ["--home", home, "fuzz", "--seed", "\(Suite.seed % 1_000_000)"]
      let warm = try await Self.run(python, fuzz + ["--count", "300", "--await-round"], in: setup.folder)
      #expect(warm.end == .exited(0), "\(warm.result) \(warm.process.lastWords)")
      let before = (memory: coordinator.residentMemory ?? 0, refusals: try Self.refusals(setup))
      let attack = try await Self.run(python, fuzz + ["--count", "\(count)"], in: setup.folder)
      let after = (memory: coordinator.residentMemory ?? 0, refusals: try Self.refusals(setup))
      #expect(attack.end == .exited(0), "\(attack.result) \(attack.process.lastWords)")
      #expect(coordinator.isRunning, "the coordinator fell over: \(coordinator.lastWords)")
      let refused = (attack.result["refused"] as? Int) ?? 0
      let counted = Int(after.refusals - before.refusals)
      Suite.report(
        "\(count) malformed requests: \(refused) refused with a reason, \(counted) counted; memory \(before.memory >> 20) → \(after.memory >> 20) MiB; \(attack.result["outcomes"] ?? [:])"
      )
      let settled = (attack.result["settled"] as? Int) ?? 0
      #expect(refused + settled == count, "\(count - refused - settled) malformed requests were answered: \(attack.result)")
      #expect(counted >= refused, "the coordinator counted \(counted) refusals, the client saw \(refused)")
      #expect(after.memory - before.memory < 48 << 20, "the coordinator grew from \(before.memory) to \(after.memory) bytes")

      // And after all that, the Python client answers the rounds as it should: the counts, the training, the evaluation.
      let part = try await Self.run(python, ["--home", home, "take-part", "--rounds", "\(shape.rounds + 2)"], in: setup.folder)
      #expect(part.end == .exited(0), "\(part.process.lastWords)")
      #expect((part.result["states"] as? [String])?.last == "accepted", "\(part.result)")
      let journal = JournalReader(path: setup.state + "/coordinator.sqlite")
      try await eventually("a round without the Python client is released: \(coordinator.lastWords)") {
        try journal.attempts().contains { $0.outcome == "released" }
      }
      // What the evaluation at the plan's end made public is there for a partner that had no part in it, and proves itself.
      try await eventually("the plan is over: \(coordinator.lastWords)", within: 300) {
        try journal.attempts().count { $0.outcome == "released" } == shape.rounds + 2
      }
      let read = try await Self.run(python, ["--home", home, "evaluation"], in: setup.folder)
      #expect(read.end == .exited(0), "\(read.process.lastWords)")
      let evaluations = read.result["evaluations"] as? [String: [Int]]
      #expect(evaluations?.values.map(\.count) == [9], "\(read.result)")
      for process in partners + [coordinator] { try await process.killHard() }
    }

    /// All refusals that the coordinator has counted.
    private static func refusals(_ setup: FederationSetup) throws -> Double {
      try setup.ports.values().filter { $0.key.contains("refus") }.values.reduce(0, +)
    }
  }
}
