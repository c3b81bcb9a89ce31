internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import PartnerService

/// `tacit-client status`: where this partner stands, from its own home alone.
struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Say where this partner stands: task, plan, rounds, budget, certificate.")

  @OptionGroup var home: HomeOptions
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() async throws { try await ClientFailures.report { try execute() } }

  private func execute() throws {
    let (home, store) = try home.open()
    let status = try PartnerStatus(home: home, store: store, now: Date())
    if format == .json { return try Console.outputJSON(status) }
    Console.output(status.text)
  }
}
