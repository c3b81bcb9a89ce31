import DataImport
import Foundation
import GRDB
import Recommender

/// What a federation is about. Two of one shape train the same model on the same data.
struct FederationShape: Hashable, Sendable {
  var partners = 7
  var users = 140
  var items = 40
  var algorithm = "mf"
  /// Training rounds besides the first, which counts items.
  var rounds = 3
  var noise = "none"
  var seed = 20_261
  /// Attempts per round.
  var attempts = 20

  var data: String { "synthetic:\(users)x\(items)x\(partners)" }

  /// What `tacit simulate --config` and `tacit-coordinator plan` are both told.
  var settings: String {
    var lines = [
      "algorithm: \(algorithm)", "noise: \(noise)", "seed: \(seed)", "attempts: \(attempts)", "epsilon: 40", "delta: 1e-6",
      "evaluation-share: 0",
    ]
    if algorithm == "mf" { lines += ["rounds: \(rounds)", "parameters:", "  dimension: 8"] }
    return lines.joined(separator: "\n") + "\n"
  }
}

/// A federation that was set up once by its own programs: keys, certificates, invitations, enrolments, plan, consents, data.
/// Tests work on copies of it.
struct FederationTemplate: Sendable {
  let shape: FederationShape
  let folder: String
  /// Names by participant number, from 1.
  let names: [String]

  var state: String { folder + "/state" }
  func home(_ participant: UInt32) -> String { "\(folder)/home-\(participant)" }
  func shard(_ participant: UInt32) -> String { "\(folder)/data/\(names[Int(participant) - 1])" }

  /// What each partner trains on.
  func shards() throws -> [UInt32: Interactions] {
    var shards: [UInt32: Interactions] = [:]
    for index in names.indices {
      shards[UInt32(index + 1)] = try DatasetImporter.load(path: shard(UInt32(index + 1))).dataset.train
    }
    return shards
  }
}

/// Sets every shape up once for the whole suite.
actor FederationTemplates {
  static let shared = FederationTemplates()

  private var templates: [FederationShape: Task<FederationTemplate, any Error>] = [:]

  /// Where everything of this suite lies; gone when the process ends.
  static let root: String = {
    let path = FileManager.default.temporaryDirectory.appending(path: "tacit-faults-\(getpid())").path
    try? FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    if ProcessInfo.processInfo.environment["TACIT_FAULTS_KEEP"] == nil {
      atexit { try? FileManager.default.removeItem(atPath: FederationTemplates.root) }
    }
    return path
  }()

  func template(_ shape: FederationShape) async throws -> FederationTemplate {
    if let task = templates[shape] { return try await task.value }
    let number = templates.count + 1
    let task = Task { try await Self.setUp(shape, in: "\(Self.root)/template-\(number)") }
    templates[shape] = task
    return try await task.value
  }

  private static func setUp(_ shape: FederationShape, in folder: String) async throws -> FederationTemplate {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let run = CommandRunner(folder: folder)
    try await run(.tacit, "data", "split", shape.data, "--seed", "\(shape.seed)", "--output", "\(folder)/data")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/data").filter { !$0.contains(".") }.sorted()
    guard names.count == shape.partners else { throw SuiteError("found shards of \(names), expected \(shape.partners)") }
    let template = FederationTemplate(shape: shape, folder: folder, names: names)
    try Data(shape.settings.utf8).write(to: URL(fileURLWithPath: folder + "/plan.yaml"))

    let ports = try CoordinatorPorts.free()
    // The listener for strangers answers an address a few times a minute; through this door every caller has another one.
    let door = try FaultyProxy(target: ports.enrolment, sources: .many)
    try await run(
      .coordinator, "init", "--state", template.state, "--name", "faults", "--training", "127.0.0.1:\(ports.training)",
      "--enrolment", "127.0.0.1:\(door.port)")
    let coordinator = try ports.serve(template.state, pace: FederationPace(), in: folder)
    try await CoordinatorPorts.wait(for: ports.enrolment, of: coordinator)
    for (index, name) in names.enumerated() {
      let token = try await run(.coordinator, "invite", name, "--state", template.state)
        .split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("tacit1.") }
      guard let token else { throw SuiteError("invite printed no token") }
      try await run(.client, "enroll", "--token", String(token), "--home", template.home(UInt32(index + 1)))
    }
    try await run(
      .coordinator, "plan", "--state", template.state, "--config", folder + "/plan.yaml", "--catalogue",
      folder + "/data/items.tsv.gz")
    for index in names.indices {
      let participant = UInt32(index + 1)
      let home = template.home(participant)
      try await run(.client, "review", "--home", home)
      try await run(.client, "data", "import", template.shard(participant), "--home", home)
      try await run(.client, "accept", "--home", home, "--cap", "50,1e-5", "--yes")
    }
    coordinator.send(SIGTERM)
    let end = try await coordinator.finish()
    guard end == .exited(0) else { throw SuiteError("serve ended with \(end): \(coordinator.lastWords)") }
    return template
  }
}

/// Runs one command to its end, and complains when it does not succeed.
struct CommandRunner {
  let folder: String

  @discardableResult
  func callAsFunction(_ program: ChildProcess.Program, _ arguments: String...) async throws -> String {
    let process = try ChildProcess(program.path, arguments, name: "command-\(UUID().uuidString.prefix(8))", in: folder)
    let end = try await process.finish()
    guard end == .exited(0) else {
      throw SuiteError("\(program.rawValue) \(arguments.joined(separator: " ")) ended with \(end): \(process.lastWords)")
    }
    return process.output
  }
}
