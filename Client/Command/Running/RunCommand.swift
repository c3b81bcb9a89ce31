internal import ArgumentParser
internal import CommandSupport
internal import Dispatch
internal import Foundation
internal import Logging
internal import PartnerService
internal import PeerIdentity

/// `tacit-client run`: the partner's daemon.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Take part in every round of the accepted plan; goes on for as long as it takes.",
    discussion:
      "Waits for a plan to be accepted, and for a coordinator that does not answer. Ends with 75 when another process speaks for this partner."
  )

  @OptionGroup var home: HomeOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var running: RunningOptions

  func run() async throws { try await ClientFailures.report { try await execute() } }

  private func execute() async throws {
    let logger = Logs.logger(running.logLevel.level)
    let home = try PartnerHome(at: try home.path())
    let host = try running.host(
      home, passphrase.source, connection, logger, workers: running.workers ?? ProcessInfo.processInfo.activeProcessorCount)
    let signals = StopSignals { Task { await host.stop() } }
    defer { withExtendedLifetime(signals) {} }
    let ending = try await host.run()
    try running.conclude(ending, home)
  }
}

/// What `run` and its many-in-one-process sister share.
struct RunningOptions: ParsableArguments {
  @Flag(help: "End with the plan instead of waiting for the next one.") var once = false
  @Option(help: "Threads for local training; as many as there are cores when left out.") var workers: Int?
  @Option(help: "Seconds that one question waits at the coordinator.") var pollSeconds = 30
  @Option(help: "trace, debug, info, notice, warning, error or critical.") var logLevel = LogLevel(.info)

  func validate() throws {
    guard workers.map({ (1...1024).contains($0) }) ?? true else {
      throw ValidationError("--workers is \(workers ?? 0), expected 1 to 1024.")
    }
    guard (1...60).contains(pollSeconds) else { throw ValidationError("--poll-seconds is \(pollSeconds), expected 1 to 60.") }
  }

  func host(
    _ home: PartnerHome, _ passphrase: PassphraseSource, _ connection: ConnectionOptions, _ logger: Logger, workers: Int
  ) throws -> PartnerHost {
    var options = PartnerHost.Options()
    options.once = once
    options.workers = workers
    options.pollWait = .seconds(pollSeconds)
    return try PartnerHost(home: home, passphrase: passphrase, options: options, logger: logger) { enrolment, credentials in
      try CoordinatorLine.overNetwork(
        enrolment, credentials, insecureLoopback: connection.insecureLoopback, logger: logger)
    }
  }

  /// What an ending means to whoever started the program.
  func conclude(_ ending: PartnerEnding, _ home: PartnerHome) throws {
    switch ending {
    case .finished(let reason, true): Console.output("\(home.path): the plan is over: \(reason)")
    case .finished(let reason, false): throw CommandFailure(.stopped, "\(home.path): the plan ended early: \(reason)")
    case .left: Console.output("\(home.path): this partner has left the task")
    case .stopped: Console.error("\(home.path): stopped on request")
    }
  }
}

/// A level of logs on the command line.
struct LogLevel: ExpressibleByArgument {
  let level: Logger.Level

  init(_ level: Logger.Level) { self.level = level }

  init?(argument: String) {
    guard let level = Logger.Level(rawValue: argument.lowercased()) else { return nil }
    self.level = level
  }

  var defaultValueDescription: String { level.rawValue }
}

/// SIGTERM and SIGINT: the first asks for an end, the second ends the process.
final class StopSignals {
  private let sources: [any DispatchSourceSignal]

  init(_ stop: @escaping @Sendable () -> Void) {
    sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        signal(number, SIG_DFL)
        stop()
      }
      source.resume()
      return source
    }
  }
}
