internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import PartnerService
internal import PeerIdentity
internal import ServiceCommands

/// `tacit-client pause`: no attempt is answered until `resume`.
struct PauseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pause", abstract: "Take no part until further notice; a running `run` obeys at the next attempt.")

  @OptionGroup var home: HomeOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await ClientFailures.report {
      try await Stating.state(.pause, home, passphrase, connection, saying: "Paused: no attempt is answered until `resume`.")
    }
  }
}

/// `tacit-client resume`.
struct ResumeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "resume", abstract: "Take part again.")

  @OptionGroup var home: HomeOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await ClientFailures.report {
      try await Stating.state(.resume, home, passphrase, connection, saying: "This partner takes part again.")
    }
  }
}

/// `tacit-client leave`: for good.
struct LeaveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "leave",
    abstract: "Leave the task for good; data, keys and ledgers stay until `purge`.",
    discussion: "What was released stays released, and what was spent stays spent: models that exist cannot be taken back.")

  @OptionGroup var home: HomeOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var connection: ConnectionOptions
  @Flag(help: "Do not ask.") var yes = false

  func run() async throws {
    try await ClientFailures.report {
      try Terminal.confirm("Leave the task for good?", yes: yes)
      try await Stating.state(.leave, home, passphrase, connection, saying: "This partner has left the task.")
    }
  }
}

/// `tacit-client purge`: data and keys are gone; the ledger stays.
struct PurgeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "purge",
    abstract: "Leave the task for good, tell the coordinator, and erase the shard, the models and the keys; the ledgers stay.",
    discussion:
      "Rows and key files are overwritten before they are removed. Copies that a file system, a disk's controller or a backup keeps are out of reach."
  )

  @OptionGroup var home: HomeOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var connection: ConnectionOptions
  @Flag(help: "Do not ask.") var yes = false

  func run() async throws { try await ClientFailures.report { try await execute() } }

  private func execute() async throws {
    let (home, store) = try home.open()
    try Terminal.confirm("Leave the task for good, and erase the data and the keys in \(home.path)?", yes: yes)
    let untold = try await Purging.run(
      home: home, store: store, passphrase: passphrase.source, time: PartnerHome.now
    ) {
      let caller = try PartnerCaller(
        home: home, store: store, passphrase: passphrase.source, insecureLoopback: connection.insecureLoopback,
        logger: Logs.logger())
      for refusal in try await caller?.sendStatements() ?? [] {
        Console.error("tacit-client: the coordinator does not take it: \(refusal)")
      }
    }
    Console.output("Erased: the shard, the models and the keys. The ledgers stay: they say what was spent.")
    if let untold { Console.error("tacit-client: \(untold)") }
  }
}

/// Recording a statement and telling it.
enum Stating {
  static func state(
    _ kind: PartnerStatement.Kind, _ options: HomeOptions, _ passphrase: PassphraseOptions, _ connection: ConnectionOptions,
    saying sentence: String
  ) async throws {
    let (home, store) = try options.open()
    try Joining.state(kind, home: home, store: store, passphrase: passphrase.source, time: PartnerHome.now)
    Console.output(sentence)
    try await Statements.send(home, store, passphrase.source, connection)
  }
}
