internal import ArgumentParser
internal import CommandSupport
internal import PartnerService

/// `tacit-client ledger`: what to compare on the phone.
struct LedgerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ledger",
    abstract: "Show your own ledgers' heads and the coordinator's last seen one, with fingerprints to compare on the phone.",
    discussion:
      "Two ledgers with the same number of records and the same fingerprint are the same. Differing fingerprints at one number prove that two ledgers are kept: tacit-client verify, and ask the other partners."
  )

  @OptionGroup var home: HomeOptions
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() async throws { try await ClientFailures.report { try execute() } }

  private func execute() throws {
    let (home, store) = try home.open()
    let heads = try LedgerHeads(home: home, store: store)
    if format == .json { return try Console.outputJSON(heads) }
    Console.output(heads.text)
  }
}
