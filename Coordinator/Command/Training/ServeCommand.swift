internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import Foundation
internal import Operations
internal import PeerIdentity

struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve the task to its partners until SIGTERM: rounds, enrolment, metrics.",
    discussion:
      "Ends with exit code 75 when another coordinator serves this state folder, or a backup is being restored into it. Any kill is safe: the next process resumes."
  )

  @OptionGroup var settings: SettingsOptions

  func run() async throws {
    try await CoordinatorFailures.report {
      let configuration = try CoordinatorConfiguration(try settings.read())
      let logger = LineLogHandler.logger(
        label: "tacit-coordinator", level: configuration.logLevel.level, format: configuration.logFormat)
      for warning in configuration.warnings {
        logger.warning("an address is not the one that partners were told", [.reason: .text(warning)])
      }
      var options = PassphraseOptions()
      options.passphraseFile = configuration.passphraseFile
      // Says what is wrong with the folder before a missing key would.
      _ = try CoordinatorState.description(of: configuration.state)
      let isSealed = try SealedFile.isSealed(kind: "authority", path: configuration.state.authorityKey)
      let passphrase = isSealed ? try options.source.read() : nil
      let use = try await CoordinatorProcess.enter(configuration.state, waits: configuration.isStandby, logger: logger)
      let state = try CoordinatorState.open(configuration.state) {
        guard let passphrase else { throw CommandFailure(.permission, "the keys are sealed; give passphrase-file") }
        return passphrase
      }
      let process = try await CoordinatorProcess(configuration, use: use, state: state, passphrase: passphrase, logger: logger)
      // A signal drains; that is a good end for a server.
      try await GracefulRun.run(try process.services(), drainLimit: configuration.drain + .seconds(10), logger: logger)
    }
  }
}
