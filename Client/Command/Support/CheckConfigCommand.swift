internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import Operations
internal import PartnerService
internal import PeerIdentity

/// `tacit-client check-config`: everything that `run` needs, looked at without running.
struct CheckConfigCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check-config",
    abstract:
      "Read the settings as `run` would, show every value with the place that it comes from, and look at home, keys and certificate."
  )

  @OptionGroup var settings: SettingsOptions
  @Flag(help: "Print a configuration file with every key explained.") var sample = false

  func run() async throws { try await ClientFailures.report { try execute() } }

  private func execute() throws {
    if sample { return Console.output(PartnerSettings.schema.sampleFile) }
    let values = try settings.read()
    let configuration = try PartnerConfiguration(values)
    Console.output(values.explanation)
    let home = try PartnerHome(at: try configuration.homePath())
    let store = try PartnerStore(home)
    let enrolment = try Joining.enrolment(of: store, home)
    try store.checkIntegrity()
    try Joining.refusePurged(store, home)
    try Joining.checkKeys(home: home, enrolment: enrolment, passphrase: settings.passphrase(configuration))
    Console.output("\n\(home.path): enrolled as '\(enrolment.name)', keys open, database whole")
    for line in try PartnerStatus(home: home, store: store, now: Date()).needs { Console.output("needs: \(line)") }
  }
}
