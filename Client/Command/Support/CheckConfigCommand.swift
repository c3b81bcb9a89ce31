internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import PartnerService
internal import PeerIdentity

/// `tacit-client check-config`: everything that `run` needs, looked at without running.
struct CheckConfigCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check-config",
    abstract: "Look at the home, its keys and its certificate as `run` would, and say what is missing.")

  @OptionGroup var home: HomeOptions
  @OptionGroup var passphrase: PassphraseOptions

  func run() async throws { try await ClientFailures.report { try execute() } }

  private func execute() throws {
    let (home, store) = try home.open()
    let enrolment = try Joining.enrolment(of: store, home)
    try store.checkIntegrity()
    try Joining.checkKeys(home: home, enrolment: enrolment, passphrase: passphrase.source)
    Console.output("\(home.path): enrolled as '\(enrolment.name)', keys open, database whole")
    for line in try PartnerStatus(home: home, store: store, now: Date()).needs { Console.output("needs: \(line)") }
  }
}
