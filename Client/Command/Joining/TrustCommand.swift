internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import Foundation
internal import PartnerService
internal import PeerIdentity

/// `tacit-client trust`: a person accepts the coordinator's new signing key.
struct TrustCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trust",
    abstract: "Accept a new signing key of the coordinator, by the fingerprint that its people read to you on the phone.",
    discussion:
      "Never happens by itself. The old key must vouch for the new one, and the fingerprint must be the new key's. Plans of the earlier key stay verifiable, but no new one is accepted under it."
  )

  @Option(help: "The new key's fingerprint, 24 characters such as K7QF-2M9X-…, from the coordinator's people, not from a mail.")
  var fingerprint: String
  @OptionGroup var home: HomeOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var connection: ConnectionOptions

  func run() async throws { try await ClientFailures.report { try await execute() } }

  private func execute() async throws {
    let told = try ShortFingerprint(parsing: fingerprint)
    let (home, store) = try home.open()
    guard
      let caller = try PartnerCaller(
        home: home, store: store, passphrase: passphrase.source, insecureLoopback: connection.insecureLoopback,
        logger: Logs.logger())
    else {
      throw CommandFailure(.temporary, "`run` speaks for the home \(home.path); end it first, and start it again after this")
    }
    let enrolment = try await caller.trust(told)
    Console.output("The coordinator's key \(ShortFingerprint(of: SHA256.hash(enrolment.coordinatorKey.bytes))) is trusted.")
    Console.output(
      "roster  \(try Joining.pinnedRoster(home: home, store: store).map { "version \($0.version), fingerprint \($0.fingerprint)" } ?? "-")"
    )
  }
}
