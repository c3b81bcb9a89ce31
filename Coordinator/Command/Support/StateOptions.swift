internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import CryptoPrimitives
internal import Foundation
internal import Operations
internal import PeerIdentity

/// Which task a command speaks for.
struct StateOptions: ParsableArguments {
  @Option(help: "The state folder; TACIT_STATE when left out, else ./state.") var state: String?
  @OptionGroup var passphrase: PassphraseOptions

  var folder: StateFolder {
    StateFolder(path: state ?? ProcessInfo.processInfo.environment["TACIT_STATE"] ?? "state")
  }

  func open() throws -> CoordinatorState { try CoordinatorState.open(folder) { try passphrase.source.read() } }
}

/// Where the passphrase of sealed keys is.
struct PassphraseOptions: ParsableArguments {
  @Option(help: "A file with the passphrase of the key files, readable by its owner only.") var passphraseFile: String?

  /// A file, the service manager's credential `tacit-passphrase`, or the terminal.
  var source: PassphraseSource {
    if let passphraseFile { return .file(passphraseFile) }
    return PassphraseSource.credential("tacit-passphrase") ?? .terminal(prompt: "Passphrase of the key files: ")
  }
}

/// Settings from file, environment and flags.
struct SettingsOptions: ParsableArguments {
  @Option(help: "The configuration file (YAML); TACIT_CONFIG when left out.") var config: String?
  @Option(name: .customLong("set"), help: ArgumentHelp("One setting; may be repeated.", valueName: "key=value"))
  var assignments: [String] = []
  @Option(help: "The state folder.") var state: String?
  @Option(help: "Where partners train: address and port.") var listen: String?
  @Option(help: "Where partners enrol: address and port.") var enrolmentListen: String?
  @Option(help: "Where metrics and health are served.") var metricsListen: String?
  @Flag(help: "No TLS, on this machine only.") var insecureLoopback = false
  @Flag(help: "Wait for the lease of another coordinator instead of ending.") var standby = false

  func read() throws -> Settings {
    var flags = try Settings.flags(from: assignments)
    for (name, value) in [
      ("state", state), ("listen", listen), ("enrolment-listen", enrolmentListen), ("metrics-listen", metricsListen),
      ("insecure-loopback", insecureLoopback ? "true" : nil), ("standby", standby ? "true" : nil),
    ] {
      if let value { flags[name] = value }
    }
    return try Settings(
      CoordinatorSettings.schema, flags: flags, environment: ProcessInfo.processInfo.environment, file: config)
  }
}
