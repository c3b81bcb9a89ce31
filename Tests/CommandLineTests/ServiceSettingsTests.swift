import Foundation
import Testing

/// File, environment and flags of the two services, as an operator meets them.
@Suite(.serialized) struct ServiceSettingsTests {
  @Test("A flag beats the environment, which beats the file; check-config says where each value came from", arguments: services)
  func precedence(_ program: Program) throws {
    guard program.isBuilt else { return }
    let scratch = try Scratch()
    try scratch.write("log-level: debug\nworkers: 3\ndrain: 9s\n", to: "settings.yaml")
    let outcome = try program.run(
      ["check-config", "--set", "drain=7s"], in: scratch,
      variables: ["TACIT_CONFIG": "settings.yaml", "TACIT_WORKERS": "5", "TACIT_DRAIN": "8s"])
    // Without a home the client's look ends there; the values stand above.
    #expect(outcome.status == (program == .client ? 64 : 0), "\(outcome.errors)")
    #expect(Self.line("drain", outcome).contains("7s") && Self.line("drain", outcome).contains("(flag --drain)"))
    #expect(Self.line("workers", outcome).contains("5") && Self.line("workers", outcome).contains("TACIT_WORKERS"))
    #expect(
      Self.line("log-level", outcome).contains("debug") && Self.line("log-level", outcome).contains("settings.yaml, line 1"))
    #expect(Self.line("log-format", outcome).contains("(default)"))
  }

  @Test("What a program does not know is refused with the nearest name", arguments: services)
  func unknownKeys(_ program: Program) throws {
    guard program.isBuilt else { return }
    let scratch = try Scratch()
    try scratch.write("log-levle: debug\n", to: "settings.yaml")
    func refused(_ arguments: [String], _ variables: [String: String] = [:], saying words: String) throws {
      try program.run(["check-config"] + arguments, in: scratch, variables: variables).expectRefusal(78, saying: words)
    }
    try refused(["--config", "settings.yaml"], saying: "did you mean log-level?")
    try refused(["--set", "drian=3s"], saying: "did you mean drain?")
    try refused([], ["TACIT_WORKRES": "3"], saying: "did you mean TACIT_WORKERS?")
    try refused([], ["TACIT_HOMES": "h"], saying: "did you mean TACIT_HOME?")
    try refused(["--set", "workers=0"], saying: "expected a whole number from 1 to 1024")
    try refused(["--config", "nowhere.yaml"], saying: "cannot be read")
    try refused(["--config", "."], saying: "cannot be read")
  }

  @Test("Variables of the sister programs are left alone, all of them")
  func sisters() throws {
    guard Program.client.isBuilt, Program.coordinator.isBuilt else { return }
    let scratch = try Scratch()
    for (program, sister) in [(Program.client, Program.coordinator), (.coordinator, .client)] {
      let sample = try program.run("check-config", "--sample", in: scratch)
      let own = try Self.names(try sister.run("check-config", "--sample", in: scratch).output)
      let names = try Self.names(sample.output).subtracting(own)
      #expect(!names.isEmpty)
      var variables = ["TACIT_SHARED": "/shared", "TACIT_FAULTS": "long", "TACIT_FAULTS_SEED": "1"]
      for name in names { variables["TACIT_" + name.uppercased().replacingOccurrences(of: "-", with: "_")] = "x" }
      let outcome = try sister.run(["check-config"], in: scratch, variables: variables)
      // The client ends where it looks for a home, not at a variable.
      #expect(outcome.status == (sister == .client ? 64 : 0), "\(outcome.errors)")
      #expect(!outcome.errors.contains("environment variable"), "\(outcome.errors)")
    }
  }

  @Test("Nothing of a partner listens beyond its own machine")
  func loopbackOnly() throws {
    guard Program.client.isBuilt else { return }
    let scratch = try Scratch()
    try Program.client.run("check-config", "--metrics-listen", "0.0.0.0:9465", in: scratch)
      .expectRefusal(78, saying: "0.0.0.0:9465", "reached by nobody from outside")
    let quiet = try Program.client.run("check-config", in: scratch)
    #expect(Self.line("metrics-listen", quiet).contains("(not set)"))
  }

  @Test("A token is read from a file or standard input; on the command line it is warned of once")
  func tokens() throws {
    guard Program.client.isBuilt else { return }
    let scratch = try Scratch()
    try scratch.write("tacit1.nonsense\n", to: "token")
    func enroll(_ token: String, input: String? = nil) throws -> Program.Outcome {
      try Program.client.run(["enroll", "--home", "home", "--token", token], in: scratch, input: input)
    }
    let warning = "can be seen by others"
    try enroll("@token").expectRefusal(64, saying: "token")
    try enroll("-", input: scratch.path("token")).expectRefusal(64, saying: "token")
    #expect(try !enroll("@token").errors.contains(warning) && !enroll("-", input: scratch.path("token")).errors.contains(warning))
    try scratch.write("", to: "empty")
    try enroll("@empty").expectRefusal(64, saying: "token")
    try enroll("@.").expectRefusal(66, saying: "cannot be read")
    let bare = try enroll("tacit1.nonsense")
    #expect(bare.status == 64 && bare.errors.components(separatedBy: warning).count == 2, "\(bare.errors)")
    #expect(!bare.errors.contains("nonsense"), "a token is a secret: \(bare.errors)")
  }

  private static let services = [Program.coordinator, .client]

  private static func line(_ name: String, _ outcome: Program.Outcome) -> String {
    outcome.output.split(separator: "\n").map(String.init).first { $0.hasPrefix(name + " ") } ?? ""
  }

  private static func names(_ sample: String) throws -> Set<String> {
    let names = sample.split(separator: "\n").compactMap { line in
      try? #/#([a-z0-9-]+):.*/#.wholeMatch(in: line).map { String($0.1) }
    }
    try #require(names.count > 5, "no settings in: \(sample)")
    return Set(names)
  }
}
