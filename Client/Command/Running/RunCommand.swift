internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import Logging
internal import Operations
internal import PartnerService
internal import PeerIdentity
internal import ServiceLifecycle
internal import Synchronization

/// `tacit-client run`: the partner's daemon.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Take part in every round of the accepted plan; goes on for as long as it takes.",
    discussion:
      "Waits for a plan to be accepted, and for a coordinator that does not answer. Ends with 75 while another process holds this home, and with 5 when one with the same identity took its place. `check-config --sample` prints all settings; SIGTERM ends at the next safe point, a second one at once."
  )

  @OptionGroup var settings: SettingsOptions

  func run() async throws { try await ClientFailures.report { try await execute() } }

  private func execute() async throws {
    let configuration = try PartnerConfiguration(try settings.read())
    let logger = LineLogHandler.logger(
      label: "tacit-client", level: configuration.logLevel.level, format: configuration.logFormat)
    let home = try PartnerHome(at: try configuration.homePath())
    let monitor = PartnerMonitor(home: home, store: try PartnerStore(home))
    let service = PartnerRunService(
      host: try configuration.host(
        home, settings.passphrase(configuration), logger, workers: configuration.workers, monitor: monitor))
    var services: [any Service] = []
    if let address = configuration.metricsListen {
      services.append(
        OperationsServer(listen: address, metrics: monitor.registry, logger: logger, readiness: { monitor.readiness }))
    }
    try await GracefulRun.run(services + [service], drainLimit: configuration.drain, logger: logger)
    try service.ending.map { try PartnerRunService.conclude($0, home) }
  }
}

/// A partner's host as a service: a signal asks it to end at its next safe point.
final class PartnerRunService: Service {
  private let host: PartnerHost
  private let ended = Mutex<PartnerEnding?>(nil)

  init(host: PartnerHost) { self.host = host }

  /// How the work came to its end; `nil` while it goes on.
  var ending: PartnerEnding? { ended.withLock { $0 } }

  func run() async throws {
    let ending = try await withGracefulShutdownHandler {
      try await host.run()
    } onGracefulShutdown: { [host] in
      Task { await host.stop() }
    }
    ended.withLock { $0 = ending }
  }

  /// What an ending means to whoever started the program.
  static func conclude(_ ending: PartnerEnding, _ home: PartnerHome) throws {
    switch ending {
    case .finished(let reason, true): Console.output("\(home.path): the plan is over: \(reason)")
    case .finished(let reason, false): throw CommandFailure(.stopped, "\(home.path): the plan ended early: \(reason)")
    case .left:
      guard try PartnerStore(home).isLeaveTaken else {
        throw CommandFailure(
          .permission,
          "\(home.path): this partner has left the task, and the coordinator does not take it; ask its people to revoke this partner"
        )
      }
      Console.output("\(home.path): this partner has left the task")
    case .stopped: Console.error("\(home.path): stopped on request")
    }
  }
}

extension PartnerConfiguration {
  /// The daemon of one home.
  func host(
    _ home: PartnerHome, _ passphrase: PassphraseSource, _ logger: Logger, workers: Int, monitor: PartnerMonitor? = nil
  ) throws -> PartnerHost {
    var options = PartnerHost.Options()
    options.once = isOnce
    options.workers = workers
    options.pollWait = pollWait
    return try PartnerHost(home: home, passphrase: passphrase, options: options, logger: logger) { enrolment, credentials in
      let line = try CoordinatorLine.overNetwork(
        enrolment, credentials, insecureLoopback: isInsecureLoopback, logger: logger)
      return monitor.map { line.observed(by: $0) } ?? line
    }
  }
}
