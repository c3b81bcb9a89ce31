import CryptoPrimitives
import FederatedLearning
import Foundation
import GRDB
import Synchronization

/// How long the coordinator waits, in seconds; no part of the plan.
struct FederationPace: Sendable {
  var stage = 20.0
  var input = 20.0
  var gather = 20.0
  var retry = 0.1

  var flags: [String] {
    func milliseconds(_ seconds: Double) -> String { "\(Int(seconds * 1000 * Suite.patience))ms" }
    return [
      "--set", "stage-deadline=\(milliseconds(stage))", "--set", "input-deadline=\(milliseconds(input))", "--set",
      "gather=\(milliseconds(gather))", "--set", "retry-pause=\(milliseconds(retry))",
    ]
  }
}

/// Where one coordinator listens.
struct CoordinatorPorts: Sendable {
  var training: UInt16
  var enrolment: UInt16
  var metrics: UInt16

  static func free() throws -> CoordinatorPorts {
    CoordinatorPorts(training: try Loopback.freePort(), enrolment: try Loopback.freePort(), metrics: try Loopback.freePort())
  }

  /// Starts `serve` on a state folder.
  func serve(
    _ state: String, pace: FederationPace, in folder: String, name: String = "coordinator", wrapper: [String] = [],
    extra: [String] = []
  ) throws -> ChildProcess {
    let command =
      wrapper + [
        ChildProcess.Program.coordinator.path, "serve", "--state", state, "--listen", "127.0.0.1:\(training)",
        "--enrolment-listen",
        "127.0.0.1:\(enrolment)", "--metrics-listen", "127.0.0.1:\(metrics)",
      ] + pace.flags + extra
    return try ChildProcess(command[0], Array(command.dropFirst()), name: name, in: folder)
  }

  /// The current values of the metrics, by name and labels as they are written.
  func values() throws -> [String: Double] {
    let line = Loopback.connect(to: metrics)
    guard line >= 0 else { throw SuiteError("nobody listens for metrics") }
    defer { close(line) }
    _ = Loopback.writeAll(Array("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".utf8), to: line)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(line, &buffer, buffer.count)
      guard count > 0 else { break }
      bytes += buffer[..<count]
    }
    var values: [String: Double] = [:]
    for row in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) where !row.hasPrefix("#") {
      guard let space = row.lastIndex(of: " "), let value = Double(row[row.index(after: space)...]) else { continue }
      values[String(row[..<space])] = value
    }
    return values
  }

  /// Waits until a process accepts connections on a port of 127.0.0.1.
  static func wait(for port: UInt16, of process: ChildProcess) async throws {
    try await eventually("\(process.name) listens on \(port)") {
      guard process.isRunning else {
        throw SuiteError("\(process.name) ended with \(process.end.map { "\($0)" } ?? "nothing"): \(process.lastWords)")
      }
      let line = Loopback.connect(to: port)
      if line >= 0 { close(line) }
      return line >= 0
    }
  }
}

/// One coordinator and its partners as processes, on a copy of a template. Every partner dials through a line of its own.
final class LiveFederation: Sendable {
  let template: FederationTemplate
  let folder: String
  let pace: FederationPace
  let journal: JournalReader
  /// By participant number.
  let lines: [UInt32: FaultyProxy]
  let ports: CoordinatorPorts
  private let wrapper: [String]
  private let state = Mutex(State())

  private struct State {
    var coordinator: ChildProcess?
    var partners: [UInt32: ChildProcess] = [:]
    var seen: Set<JournalReader.Event> = []
    var duplicates: [JournalReader.Event] = []
    var watch: Task<Void, Never>?
  }

  /// - Parameter wrapper: put before every program, for another network namespace; lines are not used then.
  init(_ template: FederationTemplate, pace: FederationPace = FederationPace(), wrapper: [String] = []) throws {
    self.template = template
    self.pace = pace
    self.wrapper = wrapper
    folder = "\(FederationTemplates.root)/run-\(UUID().uuidString.prefix(8))"
    let manager = FileManager.default
    try manager.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    try manager.copyItem(atPath: template.state, toPath: folder + "/state")
    ports = try CoordinatorPorts.free()
    journal = JournalReader(path: folder + "/state/coordinator.sqlite")
    var lines: [UInt32: FaultyProxy] = [:]
    for index in template.names.indices {
      let participant = UInt32(index + 1)
      let home = "\(folder)/home-\(participant)"
      try manager.copyItem(atPath: template.home(participant), toPath: home)
      let line = try FaultyProxy(target: ports.training)
      lines[participant] = line
      try Self.redirect(home, to: wrapper.isEmpty ? line.port : ports.training)
    }
    self.lines = lines
  }

  deinit {
    state.withLock { state in
      state.watch?.cancel()
      for process in [state.coordinator].compactMap({ $0 }) + state.partners.values { process.send(SIGKILL) }
    }
    for line in lines.values { line.stop() }
    if ProcessInfo.processInfo.environment["TACIT_FAULTS_KEEP"] == nil { try? FileManager.default.removeItem(atPath: folder) }
  }

  func home(_ participant: UInt32) -> String { "\(folder)/home-\(participant)" }
  var stateFolder: String { folder + "/state" }
  var participants: [UInt32] { lines.keys.sorted() }

  /// A home dials another port of this machine.
  static func redirect(_ home: String, to port: UInt16) throws {
    let queue = try DatabaseQueue(path: home + "/partner.sqlite")
    defer { try? queue.close() }
    try queue.write { try $0.execute(sql: "UPDATE enrolment SET trainingAddress = ?", arguments: ["127.0.0.1:\(port)"]) }
  }

  // MARK: - The coordinator

  var coordinator: ChildProcess? { state.withLock { $0.coordinator } }

  @discardableResult
  func startCoordinator(name: String = "coordinator", extra: [String] = []) async throws -> ChildProcess {
    let process = try ports.serve(stateFolder, pace: pace, in: folder, name: name, wrapper: wrapper, extra: extra)
    state.withLock { $0.coordinator = process }
    // In another network namespace its ports cannot be tried; the partners dial until it answers.
    if wrapper.isEmpty { try await CoordinatorPorts.wait(for: ports.training, of: process) }
    watch()
    return process
  }

  func killCoordinator() async throws { try await coordinator?.killHard() }

  // MARK: - Partners

  func partner(_ participant: UInt32) -> ChildProcess? { state.withLock { $0.partners[participant] } }

  @discardableResult
  func startPartner(_ participant: UInt32, home: String? = nil, name: String? = nil) throws -> ChildProcess {
    let command = wrapper + [ChildProcess.Program.client.path, "run", "--home", home ?? self.home(participant), "--once"]
    let process = try ChildProcess(command[0], Array(command.dropFirst()), name: name ?? "partner-\(participant)", in: folder)
    if name == nil { state.withLock { $0.partners[participant] = process } }
    return process
  }

  func startPartners() throws { for participant in participants { try startPartner(participant) } }

  func killPartner(_ participant: UInt32) async throws { try await partner(participant)?.killHard() }

  // MARK: - Watching

  /// Remembers every event that the journal ever shows: it is erased when an attempt is over.
  private func watch() {
    let isWatching = state.withLock { $0.watch != nil }
    guard !isWatching else { return }
    let task = Task.detached { [weak self] in
      while !Task.isCancelled {
        guard let self else { return }
        self.look()
        try? await Task.sleep(for: .milliseconds(5))
      }
    }
    state.withLock { $0.watch = task }
  }

  /// Reads the journal once.
  @discardableResult
  func look() -> [JournalReader.Event] {
    guard let events = try? journal.events() else { return [] }
    state.withLock { state in
      var now: Set<JournalReader.Event> = []
      for event in events where event.participant != nil {
        if !now.insert(event).inserted { state.duplicates.append(event) }
        state.seen.insert(event)
      }
    }
    return events
  }

  /// Accepted messages that were seen in the journal.
  var seen: Set<JournalReader.Event> { state.withLock { $0.seen } }
  /// Messages of one kind that the journal ever held twice for one partner and attempt.
  var duplicates: [JournalReader.Event] { state.withLock { $0.duplicates } }

  /// Waits until the run is over, for a reason that the journal says.
  func waitForEnd(within seconds: Double = 300) async throws -> String {
    var end: String?
    do {
      try await eventually("the run is over", within: seconds, pollEvery: 50) {
        end = try self.journal.end()
        return end != nil
      }
    } catch { throw SuiteError("\(error)\n\(self.diagnosis)") }
    return end ?? ""
  }

  /// The last words of everybody, for a test that fails.
  var diagnosis: String {
    let processes = state.withLock { [$0.coordinator].compactMap { $0 } + $0.partners.sorted { $0.key < $1.key }.map(\.value) }
    let attempts = (try? journal.attempts()) ?? []
    return "attempts: \(attempts)\n"
      + processes.map { "== \($0.name) (\($0.end.map { "\($0)" } ?? "running"))\n\($0.lastWords)" }.joined(separator: "\n")
  }

  // MARK: - Afterwards

  /// Everything that was left behind, judged. Call it when the processes are gone.
  ///
  /// - Parameter clones: copies of homes that ran, by participant.
  func audit(clones: [UInt32: String] = [:]) throws -> FederationAudit {
    let plan = try PlanFile(bytes: try journal.plan())
    func bytes(_ path: String) -> [UInt8]? { FileManager.default.contents(atPath: path).map { Array($0) } }
    guard let coordinator = bytes("\(stateFolder)/ledgers/\(plan.plan.session).ledger") else {
      throw SuiteError("the coordinator has no ledger")
    }
    var partners: [UInt32: [UInt8]] = [:]
    for participant in participants { partners[participant] = bytes("\(home(participant))/ledgers/data.ledger") }
    var audit = try FederationAudit(
      plan: plan, coordinatorLedger: coordinator, partnerLedgers: partners,
      cloneLedgers: clones.compactMapValues { bytes("\($0)/ledgers/data.ledger") }, shards: try template.shards())
    // Every masked input that the coordinator ever took was charged at its partner, and no partner sent two.
    for event in seen where event.kind == 5 {
      guard let participant = event.participant else { continue }
      if !audit.charged(round: event.round, attempt: event.attempt).contains(participant) {
        audit.add(
          "partner \(participant) sent a masked input for round \(event.round), attempt \(event.attempt) without a charge")
      }
    }
    for event in duplicates { audit.add("the journal holds two messages: \(event)") }
    for attempt in try journal.attempts() where !attempt.isOpen && (attempt.outcome ?? "").isEmpty {
      audit.add("round \(attempt.round), attempt \(attempt.attempt) ended without a reason")
    }
    if let newest = try journal.models().max(by: { $0.key < $1.key }), plan.plan.privacy.noise == .none,
      newest.value != audit.model
    {
      audit.add("the model of version \(newest.key) is not the one that the shards give")
    }
    return audit
  }

  /// The model that the coordinator keeps as its newest.
  func newestModel() throws -> [UInt8]? { try journal.models().max { $0.key < $1.key }?.value }
}

extension LiveFederation {
  /// Waits until every partner that was started has heard of the end; those that were stopped on purpose are not waited for.
  func finishPartners(within seconds: Double = 300) async throws {
    for participant in participants {
      guard let process = partner(participant), process.end != .killed(by: SIGKILL) else { continue }
      let end: ChildProcess.End
      do { end = try await process.finish(within: seconds) } catch { throw SuiteError("\(error)\n\(diagnosis)") }
      guard end == .exited(0) else { throw SuiteError("partner \(participant) ended with \(end): \(process.lastWords)") }
    }
  }
}

extension LiveFederation {
  /// Byte for byte what `tacit simulate` trains on the same data, when nobody is missing in any sum (plans without noise).
  func matchesSimulation() async throws -> Bool {
    let run = CommandRunner(folder: folder)
    let simulated = try await FederationTemplates.shared.simulation(template.shape)
    let exported = "\(folder)/export-\(UUID().uuidString.prefix(8))"
    try await run(.coordinator, "export", exported, "--state", stateFolder)
    guard let ours = FileManager.default.contents(atPath: exported + "/items.safetensors"),
      let theirs = FileManager.default.contents(atPath: simulated + "/items.safetensors")
    else { throw SuiteError("a run folder has no items.safetensors") }
    return ours == theirs
  }

  /// What `tacit verify` says about plan, ledger and releases, with the ε that it computes itself.
  func verifyExport() async throws {
    let run = CommandRunner(folder: folder)
    let exported = "\(folder)/export-\(UUID().uuidString.prefix(8))"
    try await run(.coordinator, "export", exported, "--state", stateFolder)
    try await run(.tacit, "verify", exported)
  }
}

extension LiveFederation {
  /// Whether the journal says that the run is over.
  var isOver: Bool { ((try? journal.end()) ?? nil) != nil }
}

extension LiveFederation {
  /// How many charges stand in each partner's own ledger now.
  func partnerCharges() throws -> [UInt32: Int] {
    let audit = try audit()
    return audit.partners.mapValues(\.charges.count)
  }
}
