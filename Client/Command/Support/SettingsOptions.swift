internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import Operations
internal import PartnerService
internal import PeerIdentity

/// Settings of `run` from file, environment and flags; a flag beats a variable, which beats the file.
struct SettingsOptions: ParsableArguments {
  @Option(help: "The configuration file (YAML); TACIT_CONFIG when left out.") var config: String?
  @Option(name: .customLong("set"), help: ArgumentHelp("One setting; may be repeated.", valueName: "key=value"))
  var assignments: [String] = []
  @Option(help: "The partner's folder.") var home: String?
  @Option(help: "A file with the passphrase of the key files, readable by its owner only.") var passphraseFile: String?
  @Flag(help: "Ask for the passphrase on the terminal.") var askPassphrase = false
  @Flag(help: "Plaintext, for trying out on one machine: refuses any address but 127.0.0.0/8 and ::1.")
  var insecureLoopback = false
  @Flag(help: "End with the plan instead of waiting for the next one.") var once = false
  @Option(help: "Threads for local training.") var workers: String?
  @Option(help: "Where metrics and health are served, on this machine only; nowhere when left out.") var metricsListen: String?
  @Option(help: "trace, debug, info, notice, warning, error or critical.") var logLevel: String?

  func read() throws -> Settings {
    var flags = try Settings.flags(from: assignments)
    for (name, value) in [
      ("home", home), ("passphrase-file", passphraseFile), ("insecure-loopback", insecureLoopback ? "true" : nil),
      ("once", once ? "true" : nil), ("workers", workers), ("metrics-listen", metricsListen), ("log-level", logLevel),
    ] {
      if let value { flags[name] = value }
    }
    return try Settings(PartnerSettings.schema, flags: flags, environment: ProcessInfo.processInfo.environment, file: config)
  }

  func passphrase(_ configuration: PartnerConfiguration) -> PassphraseSource {
    var options = PassphraseOptions()
    options.passphraseFile = configuration.passphraseFile
    options.askPassphrase = askPassphrase
    return options.source
  }
}

extension PartnerConfiguration {
  /// - Throws: `CommandFailure` when nobody named a home.
  func homePath() throws -> String {
    guard let home else { throw HomeOptions.missing }
    return home
  }
}
