internal import ArgumentParser
internal import CommandSupport
internal import DifferentialPrivacy
internal import Foundation
internal import Logging
internal import Operations
internal import PartnerService
internal import PeerIdentity

/// Which partner a command speaks for.
struct HomeOptions: ParsableArguments {
  @Option(help: "The partner's folder; TACIT_HOME when left out.") var home: String?

  func path() throws -> String {
    guard let path = home ?? ProcessInfo.processInfo.environment["TACIT_HOME"], !path.isEmpty else {
      throw Self.missing
    }
    return path
  }

  static let missing = CommandFailure(
    .usage, "no home is given; name the partner's folder with --home DIR, or in TACIT_HOME")

  func open() throws -> (home: PartnerHome, store: PartnerStore) {
    let home = try PartnerHome(at: try path())
    return (home, try PartnerStore(home))
  }
}

/// Where the passphrase of sealed keys is.
struct PassphraseOptions: ParsableArguments {
  @Option(help: "A file with the passphrase of the key files, readable by its owner only.") var passphraseFile: String?
  @Flag(help: "Ask for the passphrase on the terminal.") var askPassphrase = false

  /// A file, the service manager's credential `tacit-passphrase`, the terminal, or none.
  var source: PassphraseSource {
    if let passphraseFile { return .file(passphraseFile) }
    if let credential = PassphraseSource.credential("tacit-passphrase") { return credential }
    return askPassphrase ? .terminal(prompt: "Passphrase of the key files: ") : .none
  }
}

/// How the coordinator is reached.
struct ConnectionOptions: ParsableArguments {
  @Flag(help: "Plaintext, for trying out on one machine: refuses any address but 127.0.0.0/8 and ::1.")
  var insecureLoopback = false
}

/// A budget on the command line: `EPSILON,DELTA`.
struct BudgetArgument: ExpressibleByArgument {
  let budget: PrivacyBudget

  init?(argument: String) {
    let parts = argument.split(separator: ",")
    guard parts.count == 2, let epsilon = Double(parts[0]), let delta = Double(parts[1]),
      let budget = try? PrivacyBudget(epsilon: epsilon, delta: delta)
    else { return nil }
    self.budget = budget
  }
}

/// Where the programs' logs go: standard error, one line each.
enum Logs {
  static func logger() -> Logger { LineLogHandler.logger(label: "tacit-client", level: .warning, format: .text) }
}

extension PartnerHome {
  /// Seconds since 1970 by this machine's clock.
  static var now: Int { Int(Date().timeIntervalSince1970) }
}
