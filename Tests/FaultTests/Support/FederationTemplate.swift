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
  var parameters: [String: Int] = ["dimension": 8]
  /// What the networks are told of items.
  var itemFeatures: [String] = []
  /// Adaptive clipping to this quantile; none when left out.
  var clipQuantile: Double?
  /// Shamir threshold; the program's own when left out.
  var threshold: Int?
  /// The fewest partners in a sum; the program's own when left out.
  var minimumPartners: Int?
  /// Whether every partner draws its holders.
  var isDrawn = false
  /// The plan's number of users; that of the data when left out.
  var nominalUsers: Int?
  /// Of the budget, for one noised evaluation; 0 plans none.
  var evaluationShare = 0.0

  var data: String { "synthetic:\(users)x\(items)x\(partners)" }

  /// What `tacit-coordinator plan` is told.
  ///
  /// - Parameter users: of every shard, by name.
  func planSettings(_ users: [(name: String, count: Int)]) -> String {
    var lines = [
      "catalogue: data/items.tsv.gz", "algorithm: \(algorithm)", "noise: \(noise)", "model-seed: \(seed)",
      "attempts: \(attempts)",
      "epsilon: 40", "delta: 1e-6", "evaluation-share: \(evaluationShare)", "nominal-users: \(nominalUsers ?? self.users)",
      "maximum-users: 1000000",
      "maximum-users-of: [\(users.map { "\($0.name)=\(Self.rounded($0.count))" }.joined(separator: ", "))]",
    ]
    if let threshold { lines += ["threshold: \(threshold)"] }
    if let minimumPartners { lines += ["minimum-partners: \(minimumPartners)"] }
    if isDrawn { lines += ["graph: drawn"] }
    if takesRounds { lines += ["rounds: \(rounds)"] }
    if !itemFeatures.isEmpty { lines += ["item-features: [\(itemFeatures.joined(separator: ", "))]"] }
    let parameters =
      parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" } + (clipQuantile.map { ["clip-quantile=\($0)"] } ?? [])
    if !parameters.isEmpty { lines += ["parameters: [\(parameters.joined(separator: ", "))]"] }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The same for `tacit simulate`, which divides the same data among the same partners.
  var simulation: [String] {
    var words = [
      "--data", data, "--partners", "by:partner", "--algorithm", algorithm, "--noise", noise, "--seed", "\(seed)", "--baselines",
      "off", "--epsilon", "40", "--delta", "1e-6", "--evaluation-share", "\(evaluationShare)", "--nominal-users",
      "\(nominalUsers ?? users)",
    ]
    if takesRounds { words += ["--rounds", "\(rounds)"] }
    if !itemFeatures.isEmpty { words += ["--item-features", itemFeatures.joined(separator: ",")] }
    if let minimumPartners { words += ["--minimum-partners", "\(minimumPartners)"] }
    if isDrawn { words += ["--graph", "drawn"] }
    for (name, value) in parameters.sorted(by: { $0.key < $1.key }) { words += ["--set", "\(name)=\(value)"] }
    if let clipQuantile { words += ["--set", "clip-quantile=\(clipQuantile)"] }
    return words
  }

  private var takesRounds: Bool { ["mf", "two-tower"].contains(algorithm) }

  /// A constant of the contract above a count, with two significant digits, as `tacit simulate` chooses it.
  private static func rounded(_ count: Int) -> Int {
    var unit = 1
    while count / unit >= 100 { unit *= 10 }
    return (count / unit + 1) * unit
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
  private var simulations: [FederationShape: Task<String, any Error>] = [:]

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

  /// The run folder that the simulator makes of a shape.
  func simulation(_ shape: FederationShape) async throws -> String {
    if let task = simulations[shape] { return try await task.value }
    let output = "\(Self.root)/simulation-\(simulations.count + 1)"
    let task = Task {
      try await CommandRunner(folder: Self.root)(.tacit, ["simulate"] + shape.simulation + ["--output", output])
      return output
    }
    simulations[shape] = task
    return try await task.value
  }

  private static func setUp(_ shape: FederationShape, in folder: String) async throws -> FederationTemplate {
    let setup = try FederationSetup(folder: folder)
    let names = try await setup.split(shape)
    let template = FederationTemplate(shape: shape, folder: folder, names: names)
    try await setup.makeTask()
    let coordinator = try await setup.serve()
    // Numbers are given in the order of enrolment.
    for (index, name) in names.enumerated() {
      try await setup.enroll(name, home: template.home(UInt32(index + 1)))
    }
    try await setup.makePlan(
      shape, users: try template.shards().sorted { $0.key < $1.key }.map { (names[Int($0.key) - 1], $0.value.userCount) })
    for index in names.indices {
      try await setup.join(
        home: template.home(UInt32(index + 1)), shard: template.shard(UInt32(index + 1)),
        cap: shape.noise == "none" ? nil : "50,1e-5")
    }
    coordinator.send(SIGTERM)
    let end = try await coordinator.finish()
    guard end == .exited(0) else { throw SuiteError("serve ended with \(end): \(coordinator.lastWords)") }
    return template
  }
}

/// The steps of a federation's beginning, each by the program that a person would use.
struct FederationSetup: Sendable {
  let folder: String
  let run: CommandRunner
  let ports: CoordinatorPorts
  /// The listener for strangers answers an address a few times a minute; through this door every caller has another one.
  let door: FaultyProxy

  var state: String { folder + "/state" }

  init(folder: String) throws {
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    self.folder = folder
    run = CommandRunner(folder: folder)
    ports = try CoordinatorPorts.free()
    door = try FaultyProxy(target: ports.enrolment, sources: .many)
  }

  /// - Returns: names of the partners in the order in which `tacit simulate` numbers them.
  func split(_ shape: FederationShape) async throws -> [String] {
    let output = try await run(.tacit, "data", "split", shape.data, "--seed", "\(shape.seed)", "--output", folder + "/data")
    let names = output.split(separator: "\n").compactMap { line -> String? in
      guard line.hasSuffix(" users"), let path = line.split(separator: ":").first else { return nil }
      return path.split(separator: "/").last.map(String.init)
    }
    guard names.count == shape.partners else { throw SuiteError("found shards of \(names), expected \(shape.partners)") }
    return names
  }

  func makeTask() async throws {
    try await run(
      .coordinator, "init", "--state", state, "--name", "faults", "--training-address", "127.0.0.1:\(ports.training)",
      "--enrolment-address", "127.0.0.1:\(door.port)")
  }

  func serve(_ pace: FederationPace = FederationPace()) async throws -> ChildProcess {
    let coordinator = try ports.serve(state, pace: pace, in: folder)
    try await CoordinatorPorts.wait(for: ports.training, of: coordinator)
    try await CoordinatorPorts.wait(for: ports.enrolment, of: coordinator)
    return coordinator
  }

  func invite(_ name: String) async throws -> String {
    let output = try await run(.coordinator, "invite", name, "--state", state)
    guard let token = output.split(whereSeparator: \.isWhitespace).first(where: { $0.hasPrefix("tacit1.") }) else {
      throw SuiteError("invite printed no token: \(output)")
    }
    return String(token)
  }

  /// Strangers are let in at a bounded rate: whoever is told to wait waits, as a person would.
  func enroll(_ name: String, home: String) async throws {
    let token = try await invite(name)
    for _ in 0..<60 {
      let process = try ChildProcess(
        ChildProcess.Program.client.path, ["enroll", "--token", token, "--home", home],
        name: "command-\(UUID().uuidString.prefix(8))", in: folder)
      let end = try await process.finish()
      if end == .exited(0) { return }
      guard process.errors.contains("too many calls") else {
        throw SuiteError("\(name) cannot enrol: \(end): \(process.lastWords)")
      }
      try await Task.sleep(for: .seconds(1))
    }
    throw SuiteError("\(name) was told to wait for a minute")
  }

  func makePlan(_ shape: FederationShape, users: [(name: String, count: Int)]) async throws {
    try Data(shape.planSettings(users).utf8).write(to: URL(fileURLWithPath: folder + "/plan.yaml"))
    try await run(.coordinator, "plan", folder + "/plan.yaml", "--state", state)
  }

  /// Review, data, consent.
  ///
  /// - Parameter cap: of the partner's own; a plan without noise fits none.
  func join(home: String, shard: String, cap: String?) async throws {
    try await run(.client, "review", "--home", home)
    try await run(.client, "data", "import", shard, "--home", home)
    try await run(.client, ["accept", "--home", home, "--yes"] + (cap.map { ["--cap", $0] } ?? []))
  }
}

/// Runs one command to its end, and complains when it does not succeed.
struct CommandRunner: Sendable {
  let folder: String

  @discardableResult
  func callAsFunction(_ program: ChildProcess.Program, _ arguments: String...) async throws -> String {
    try await callAsFunction(program, arguments)
  }

  @discardableResult
  func callAsFunction(_ program: ChildProcess.Program, _ arguments: [String]) async throws -> String {
    let process = try ChildProcess(program.path, arguments, name: "command-\(UUID().uuidString.prefix(8))", in: folder)
    let end = try await process.finish()
    guard end == .exited(0) else {
      throw SuiteError("\(program.rawValue) \(arguments.joined(separator: " ")) ended with \(end): \(process.lastWords)")
    }
    return process.output
  }
}
