import Foundation
import Operations
import PeerIdentity
import Testing

private enum Mode: String, CaseIterable { case fast, careful }

private enum Key {
  static let listen = Setting.address("training-listen", .default("127.0.0.1:7443"), help: "Where partners dial.")
  static let lease = Setting.duration(
    "lease-time", .default("30s"), in: .seconds(1) ... .seconds(3600), help: "How long a lease holds.")
  static let chunk = Setting.size("chunk-size", .default("1MiB"), in: 1024...(4 << 20), help: "Bytes of a chunk.")
  static let minimum = Setting.integer("minimum", .required, in: 1...100, help: "Partners needed.")
  static let share = Setting.number("share", .default("0.5"), in: 0...1, help: "A share.")
  static let standby = Setting.switched("standby", .default("false"), help: "Waits for the lease.")
  static let mode = Setting<Mode>.choice("mode", .default("careful"), help: "How.")
  static let folder = Setting.path("spool", .optional, help: "Where uploads rest.")
  static let names = Setting.words("names", .optional, help: "Names.")
  static let schema = SettingsSchema(
    program: "tacit-test", [listen, lease, chunk, minimum, share, standby, mode, folder, names], otherVariables: ["TACIT_EXTRA"])
}

@Suite struct SettingsTests {
  let folder = NSTemporaryDirectory() + "tacit-settings-\(UUID().uuidString)"

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

  @Test func `a flag beats the environment, which beats the file, which beats the default`() throws {
    let path = try file("lease-time: 1m\nminimum: 5\nchunk-size: 2MiB\n")
    let environment = ["TACIT_LEASE_TIME": "2m", "TACIT_CHUNK_SIZE": "3MiB", "PATH": "/bin", "TACIT_EXTRA": "x"]
    let settings = try Settings(Key.schema, flags: ["lease-time": "3m"], environment: environment, file: path)
    #expect(settings[Key.lease] == .seconds(180) && settings.source(of: Key.lease) == .flag("lease-time"))
    #expect(settings[Key.chunk] == 3 << 20 && settings.source(of: Key.chunk) == .environment("TACIT_CHUNK_SIZE"))
    #expect(settings[Key.minimum] == 5 && settings.source(of: Key.minimum) == .file(path: path, line: 2))
    #expect(settings[Key.share] == 0.5 && settings.source(of: Key.share) == .builtIn)
    #expect(settings[Key.listen] == (try HostPort(parsing: "127.0.0.1:7443")))
    #expect(settings[Key.mode] == .careful && settings[Key.standby] == false)
    #expect(settings[ifSet: Key.folder] == nil && settings.source(of: Key.folder) == .unset)
  }

  @Test func `the environment names the file unless a flag does`() throws {
    let path = try file("minimum: 7")
    #expect(try Settings(Key.schema, flags: [:], environment: ["TACIT_CONFIG": path])[Key.minimum] == 7)
    let other = folder + "/other.yaml"
    try "minimum: 8".write(toFile: other, atomically: true, encoding: .utf8)
    #expect(try Settings(Key.schema, flags: [:], environment: ["TACIT_CONFIG": path], file: other)[Key.minimum] == 8)
  }

  @Test func `every kind of value is read from every source`() throws {
    let path = try file(
      """
      # a comment
      training-listen: "[::1]:80"
      lease-time: 500ms1
      """.replacing("500ms1", with: "5m")
        + "\nminimum: 3\nshare: 1e-3\nstandby: true\nmode: fast\nspool: /var/spool\nnames: [a, b]\n")
    let settings = try Settings(Key.schema, flags: [:], environment: [:], file: path)
    #expect(settings[Key.listen].description == "[::1]:80")
    #expect(settings[Key.share] == 0.001 && settings[Key.standby] && settings[Key.mode] == .fast)
    #expect(settings[ifSet: Key.folder] == "/var/spool" && settings[ifSet: Key.names] == ["a", "b"])
    #expect(try Settings(Key.schema, flags: ["minimum": "1", "names": "x,y"], environment: [:])[ifSet: Key.names] == ["x", "y"])
  }

  @Test func `an unknown key is refused wherever it stands, with the nearest that is known`() throws {
    let path = try file("minimum: 3\nlease-tme: 30s\n")
    let error = failure(flags: ["leas-time": "30s"], environment: ["TACIT_LEASE_TIMES": "1"], file: path)
    #expect(error.problems.count == 3)
    #expect(error.problems[0].contains("--leas-time") && error.problems[0].contains("did you mean lease-time?"))
    #expect(error.problems[1].contains("TACIT_LEASE_TIMES") && error.problems[1].contains("did you mean TACIT_LEASE_TIME?"))
    #expect(error.problems[2].contains("\(path), line 2") && error.problems[2].contains("did you mean lease-time?"))
    #expect(failure(environment: ["TACIT_": "1", "TACIT_MINIMUM": "1"]).problems.count == 1)
  }

  @Test func `variables of sister programs are left alone, misspelt ones are not`() throws {
    let sisters = [
      "TACIT_HOME": "/h", "TACIT_STATE": "/s", "TACIT_SHARED": "/x", "TACIT_FAULTS": "long", "TACIT_POLL_WAIT": "3s",
    ]
    #expect(try Settings(Key.schema, flags: ["minimum": "1"], environment: sisters)[Key.minimum] == 1)
    let error = failure(flags: ["minimum": "1"], environment: ["TACIT_HOMES": "/h", "TACIT_SHAREDD": "/s"])
    #expect(error.problems.count == 2)
    #expect(error.problems[0].contains("TACIT_HOMES") && error.problems[0].contains("did you mean TACIT_HOME?"))
    #expect(error.problems[1].contains("TACIT_SHAREDD") && error.problems[1].contains("did you mean TACIT_SHARED?"))
  }

  @Test func `every bad value is named with its source, its key, what was found and what was expected`() throws {
    let path = try file("minimum: 101\nshare: .inf\nstandby: yes\n")
    let error = failure(
      flags: ["lease-time": "30"],
      environment: ["TACIT_CHUNK_SIZE": "5MiB", "TACIT_MODE": "slow", "TACIT_TRAINING_LISTEN": "here"],
      file: path)
    for parts in [
      ["flag --lease-time", "lease-time is \"30\"", "a duration such as 30s, 5m, 24h or 7d from 1s to 1h"],
      ["environment variable TACIT_CHUNK_SIZE", "\"5MiB\"", "a size such as 64MiB from 1KiB to 4MiB"],
      ["TACIT_MODE", "\"slow\"", "one of fast, careful"], ["TACIT_TRAINING_LISTEN", "\"here\"", "an address such as"],
      ["\(path), line 1", "minimum is \"101\"", "a whole number from 1 to 100"], ["line 2", "share", "a number from 0.0 to 1.0"],
      ["line 3", "standby is \"yes\"", "true or false"],
    ] {
      #expect(error.problems.contains { problem in parts.allSatisfy { problem.contains($0) } }, "\(parts) not in \(error)")
    }
    #expect(error.problems.count == 7)
  }

  @Test func `a bad value is refused even when a better source overrides it`() throws {
    let error = failure(flags: ["minimum": "3"], environment: ["TACIT_MINIMUM": "none"])
    #expect(error.problems.count == 1 && error.problems[0].contains("TACIT_MINIMUM"))
  }

  @Test func `what must be set and is not is named with the three ways to set it`() {
    let error = failure()
    #expect(error.problems.count == 1)
    for part in ["--minimum", "TACIT_MINIMUM", "minimum in the configuration file", "a whole number"] {
      #expect(error.problems[0].contains(part))
    }
  }

  @Test(arguments: [
    "- a\n- b\n", "minimum: 3\nminimum: 4\n", "minimum: {a: 1}\n", "minimum:\n", "minimum: ''\n", "minimum: 3\n---\nminimum: 3\n",
    "minimum: [1, [2]]\n", "? [a]\n: b\n", "minimum: \"3\n", "just text\n", "minimum: 3\nnames: [\"a,b\"]\n", "\tminimum: 3\n",
  ])
  func `a file that is no flat mapping is refused with its path`(content: String) throws {
    let path = try file(content)
    let error = failure(file: path)
    #expect(error.description.contains(path))
    #expect(!error.problems.contains { $0.contains("\n") })
  }

  @Test func `a file that is missing, too long or no text is refused, an empty one is not`() throws {
    #expect(failure(file: folder + "/none.yaml").problems[0].contains("cannot be read"))
    let path = folder + "/bytes.yaml"
    try Data([0x6D, 0xFF, 0xFE]).write(to: URL(fileURLWithPath: path))
    #expect(failure(file: path).problems[0].contains("UTF-8"))
    try Data(repeating: 0x23, count: 2 << 20).write(to: URL(fileURLWithPath: path))
    #expect(failure(file: path).problems[0].contains("1MiB"))
    for content in ["", "# nothing\n", "\n"] {
      #expect(try Settings(Key.schema, flags: ["minimum": "1"], environment: [:], file: file(content))[Key.minimum] == 1)
    }
  }

  @Test func `what is shown of a bad value cannot steer a terminal`() {
    let error = failure(flags: ["minimum": "\u{1B}[2J\n\u{9B}" + String(repeating: "x", count: 500)])
    #expect(error.description.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
    #expect(error.description.count < 300)
  }

  @Test func `explaining lists every setting with its value and where it came from`() throws {
    let settings = try Settings(Key.schema, flags: ["minimum": "3"], environment: ["TACIT_LEASE_TIME": "60s"])
    let lines = settings.explain()
    #expect(lines.map(\.name) == Key.schema.settings.map(\.name))
    #expect(lines[1].value == "1m" && lines[1].source == .environment("TACIT_LEASE_TIME"))
    #expect(lines[7].value == nil && lines[7].source == .unset)
    #expect(settings.explanation.contains("lease-time       1m"))
    #expect(settings.explanation.contains("(flag --minimum)") && settings.explanation.contains("(not set)"))
  }

  @Test func `the sample file is read, and names every setting`() throws {
    let sample = Key.schema.sampleFile
    for setting in Key.schema.settings { #expect(sample.contains("#\(setting.name):")) }
    #expect(try Settings(Key.schema, flags: ["minimum": "1"], environment: [:], file: file(sample))[Key.lease] == .seconds(30))
    // Uncommented, the defaults are good values.
    let plain = sample.split(separator: "\n").compactMap { line -> Substring? in
      line.hasPrefix("#") && !line.hasPrefix("# ") && !line.hasSuffix(":") && !line.contains("must be set")
        ? line.dropFirst() : nil
    }
    #expect(plain.count == 6)
    #expect(
      try Settings(Key.schema, flags: ["minimum": "1"], environment: [:], file: file(plain.joined(separator: "\n")))[Key.chunk]
        == 1 << 20)
  }

  @Test func `words of a repeated flag are settings, once each`() throws {
    #expect(try Settings.flags(from: ["a=1", "b=", "c=x=y"]) == ["a": "1", "b": "", "c": "x=y"])
    #expect(throws: SettingsError.self) { try Settings.flags(from: ["a"]) }
    #expect(throws: SettingsError.self) { try Settings.flags(from: ["a=1", "a=1"]) }
  }

  private func file(_ content: String) throws -> String {
    let path = folder + "/tacit.yaml"
    try content.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  private func failure(
    flags: [String: String] = [:], environment: [String: String] = [:], file: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> SettingsError {
    let error = #expect(throws: SettingsError.self, sourceLocation: sourceLocation) {
      try Settings(Key.schema, flags: flags, environment: environment, file: file)
    }
    return error ?? SettingsError(problems: ["nothing was thrown"])
  }
}

@Suite struct SettingTextTests {
  @Test(arguments: [
    ("0s", 0), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("24h", 86_400_000), ("7d", 604_800_000),
    ("36525d", 3_155_760_000_000),
  ])
  func `a duration is a whole number and a unit`(text: String, milliseconds: Int) {
    #expect(DurationText.parse(text) == .milliseconds(milliseconds))
    #expect(DurationText.parse(DurationText.text(.milliseconds(milliseconds))) == .milliseconds(milliseconds))
  }

  @Test(arguments: [
    "", "s", "30", "30 s", " 30s", "030s", "+1s", "-1s", "1.5s", "1h30m", "30S", "30sec", "36526d", "99999999999999999999s",
    "9223372036854775807d", "٣s",
  ])
  func `other text is no duration`(text: String) { #expect(DurationText.parse(text) == nil) }

  @Test func `durations are written in the largest whole unit`() {
    #expect(DurationText.text(.seconds(86_400)) == "1d" && DurationText.text(.seconds(90)) == "90s")
    #expect(DurationText.text(.milliseconds(1500)) == "1500ms" && DurationText.text(.zero) == "0s")
  }

  @Test(arguments: [
    ("0", 0), ("100", 100), ("7B", 7), ("64MiB", 64 << 20), ("1GiB", 1 << 30), ("512KiB", 512 << 10), ("2TiB", 2 << 40),
  ])
  func `a size is bytes or a binary unit`(text: String, bytes: Int) {
    #expect(SizeText.parse(text) == bytes)
    #expect(SizeText.parse(SizeText.text(bytes)) == bytes)
  }

  @Test(arguments: ["", "MiB", "1 MiB", "1MB", "1mib", "-1", "1.5GiB", "01", "9999999999TiB"])
  func `other text is no size`(text: String) { #expect(SizeText.parse(text) == nil) }
}
