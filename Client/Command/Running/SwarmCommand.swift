internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import Logging
internal import Operations
internal import PartnerService
internal import ServiceLifecycle

/// `tacit-client swarm`: several partners in one process, each on its own home and connection; for tests with many partners on
/// one machine.
struct SwarmCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swarm", abstract: "Run several homes in one process (for tests with many partners).", shouldDisplay: false)

  @Argument(help: "Homes of the partners.") var homes: [String]
  @OptionGroup var settings: SettingsOptions

  func run() async throws { try await ClientFailures.report { try await execute() } }

  private func execute() async throws {
    let values = try settings.read()
    let configuration = try PartnerConfiguration(values)
    let logger = LineLogHandler.logger(
      label: "tacit-client", level: configuration.logLevel.level, format: configuration.logFormat)
    var hosts: [(home: PartnerHome, service: PartnerRunService)] = []
    for path in homes {
      let home = try PartnerHome(at: path)
      let host = try configuration.host(
        home, settings.passphrase(configuration), logger, workers: settings.workers == nil ? 1 : configuration.workers)
      hosts.append((home, PartnerRunService(host: host)))
    }
    try await GracefulRun.run([Swarm(hosts: hosts)], drainLimit: configuration.drain, logger: logger)
  }

  /// One partner's trouble ends that partner only; the first is told at the end.
  private struct Swarm: Service {
    let hosts: [(home: PartnerHome, service: PartnerRunService)]

    func run() async throws {
      let failures = await withTaskGroup(of: (any Error)?.self) { group in
        for (home, service) in hosts {
          group.addTask {
            do {
              try await service.run()
              try service.ending.map { try PartnerRunService.conclude($0, home) }
              return nil
            } catch {
              Console.error("\(home.path): \(ClientFailures.translated(error))")
              return error
            }
          }
        }
        return await group.reduce(into: [any Error]()) { if let failure = $1 { $0.append(failure) } }
      }
      if let first = failures.first { throw first }
    }
  }
}
