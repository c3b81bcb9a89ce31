internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import PartnerService

/// `tacit-client swarm`: several partners in one process, each on its own home and connection; for tests with many partners on
/// one machine.
struct SwarmCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swarm", abstract: "Run several homes in one process (for tests with many partners).", shouldDisplay: false)

  @Argument(help: "Homes of the partners.") var homes: [String]
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var running: RunningOptions

  func run() async throws { try await ClientFailures.report { try await execute() } }

  private func execute() async throws {
    let logger = Logs.logger(running.logLevel.level)
    var hosts: [(home: PartnerHome, host: PartnerHost)] = []
    for path in homes {
      let home = try PartnerHome(at: path)
      hosts.append((home, try running.host(home, passphrase.source, connection, logger, workers: running.workers ?? 1)))
    }
    let all = hosts.map(\.host)
    let signals = StopSignals { Task { for host in all { await host.stop() } } }
    defer { withExtendedLifetime(signals) {} }
    let running = running
    // One partner's trouble ends that partner only; the first is told at the end.
    let failures = await withTaskGroup(of: (any Error)?.self) { group in
      for (home, host) in hosts {
        group.addTask {
          do {
            try running.conclude(try await host.run(), home)
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
