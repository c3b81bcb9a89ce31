internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import Foundation
internal import PartnerService
internal import PeerIdentity

/// `tacit-client review`: what a partner is about to join, in plain words.
struct ReviewCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "review",
    abstract: "Fetch the coordinator's plan, check its signature, and say in plain words what you would join.")

  @OptionGroup var home: HomeOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var plan: PlanOption
  @Flag(help: "Do not ask the coordinator: show what is in the home.") var offline = false
  @Flag(help: "The same for programs.") var json = false

  func run() async throws { try await ClientFailures.report { try await execute() } }

  private func execute() async throws {
    let (home, store) = try home.open()
    let named = try plan.hash(store)
    let hash = offline || named != nil ? named : try await PlanFetching.fetch(home, store, passphrase.source, connection)
    let review = try Joining.review(hash, home: home, store: store)
    if json { return try Console.outputJSON(review.document) }
    Console.output(review.text)
    guard review.objections.isEmpty else { return }
    if let end = review.end {
      return Console.output("\nThis plan is over (\(end)). Nothing can be joined until the coordinator makes a new plan.")
    }
    Console.output("\nTo join: tacit-client accept --home \(home.path) --plan \(review.hash.hex.prefix(16))")
  }
}

/// Brings the coordinator's newest documents into a home, unless a running daemon does so already.
enum PlanFetching {
  /// - Returns: the hash of the coordinator's plan; `nil` when the daemon speaks for the home and keeps it up to date.
  static func fetch(
    _ home: PartnerHome, _ store: PartnerStore, _ passphrase: PassphraseSource, _ connection: ConnectionOptions
  ) async throws -> Digest? {
    guard
      let caller = try PartnerCaller(
        home: home, store: store, passphrase: passphrase, insecureLoopback: connection.insecureLoopback, logger: Logs.logger())
    else {
      Console.error("tacit-client: `run` speaks for this home; what it has fetched is shown")
      return nil
    }
    return try await caller.fetchPlan()
  }
}
