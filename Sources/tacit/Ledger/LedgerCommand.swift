internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation

/// `tacit ledger`: what two parties compare and hand over instead of believing each other.
struct LedgerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ledger", abstract: "Heads, proofs and events of a privacy ledger, and comparing them.",
    discussion: """
      tacit ledger head runs/first/ledgers/coordinator.ledger            a fingerprint to read out to each other
      tacit ledger prove FILE --record 4 > record.json                   that a record is in it, without the others
      tacit ledger prove FILE --since 3 > growth.json                    that it goes on from its first 3 records
      tacit ledger check FILE record.json growth.json head.json          verifies all, and looks for forks among them
      tacit ledger export --dp-events FILE | python3 docs/check-epsilon.py
      """, subcommands: [LedgerHeadCommand.self, LedgerProveCommand.self, LedgerCheckCommand.self, LedgerExportCommand.self])
}

/// `tacit ledger head`
struct LedgerHeadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "head", abstract: "The signed head of a ledger: a fingerprint to read out, or the whole as JSON.")

  @Argument(help: ArgumentHelp("A ledger file.", valueName: "file")) var path: String
  @Option(help: "The head after so many records; the last when left out.") var size: Int?
  @Option(help: "The holder's public key, 64 hexadecimal digits; from the ledger itself when left out.") var key: String?
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws {
    try Failures.report {
      let source = try LedgerSource(sound: path, key: key)
      let statement = source.state.statement(size: try source.checked(size, "--size"))
      source.sayLimits()
      switch format {
      case .json: Console.output(LedgerDocument.head(statement).json.text)
      case .text:
        Console.output(LedgerSource.describe(source.state.header))
        Console.output("records      \(statement.head.head.size)")
        Console.output("fingerprint  \(statement.fingerprint)")
        Console.output("hash         \(statement.head.head.head.hex)")
        Console.output("root         \(statement.head.root.hex)")
      }
    }
  }
}

/// `tacit ledger prove`
struct LedgerProveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prove", abstract: "That a record is in a ledger, or that the ledger goes on from an earlier size; as JSON.")

  @Argument(help: ArgumentHelp("A ledger file.", valueName: "file")) var path: String
  @Option(help: "The record to show; the header is record 1.") var record: Int?
  @Option(help: "The earlier size from which the ledger goes on.") var since: Int?
  @Option(help: "Prove it for the head after so many records; the last when left out.") var size: Int?
  @Option(help: "The holder's public key, 64 hexadecimal digits; from the ledger itself when left out.") var key: String?

  func run() throws {
    try Failures.report {
      let source = try LedgerSource(sound: path, key: key)
      let size = try source.checked(size, "--size")
      source.sayLimits()
      switch (record, since) {
      case (let record?, nil):
        let number = try source.checked(record, "--record", upTo: size)
        Console.output(LedgerDocument.record(source.state.proof(of: source.records[number - 1], size: size)).json.text)
      case (nil, let since?):
        let old = try source.checked(since, "--since", upTo: size)
        Console.output(LedgerDocument.growth(source.state.growth(from: old, to: size)).json.text)
      default:
        throw CommandFailure(.usage, "found \(record == nil ? "neither" : "both") --record and --since; expected one of them")
      }
    }
  }
}

/// `tacit ledger export`
struct LedgerExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "The events of a ledger for other people's accountants, as JSON.",
    discussion: "docs/check-epsilon.py feeds them to Google's dp-accounting, which should find the same ε.")

  @Argument(help: ArgumentHelp("A ledger file.", valueName: "file")) var path: String
  @Flag(help: "Composed events with noise multipliers, rates and counts.") var dpEvents = false
  @Option(help: "δ at which ε is stated beside them; the last charge's when left out.") var delta: Double?
  @Option(help: "The holder's public key, 64 hexadecimal digits; from the ledger itself when left out.") var key: String?

  func run() throws {
    try Failures.report {
      guard dpEvents else { throw CommandFailure(.usage, "nothing to export was named; expected --dp-events") }
      if let delta, !(delta > 0 && delta < 1) {
        throw CommandFailure(.usage, "--delta is \(delta), expected a number above 0 and below 1")
      }
      let source = try LedgerSource(sound: path, key: key)
      source.sayLimits()
      let events: CanonicalJSON
      do { events = try source.state.dpEvents(delta: delta) } catch { throw CommandFailure(.data, "\(path): \(error)") }
      Console.output(events.text)
    }
  }
}
