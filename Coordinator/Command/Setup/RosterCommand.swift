internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import CryptoPrimitives
internal import Foundation
internal import PeerIdentity

struct RosterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "roster", abstract: "Show who has enrolled, who is invited, and the fingerprint to compare on the phone.")

  @OptionGroup var state: StateOptions
  @Flag(help: "Print JSON.") var json = false

  private struct Document: Encodable {
    struct Partner: Encodable {
      let participant: UInt32
      let name: String
      let verificationKey: String
      /// As the partner sees it when it enrols.
      let fingerprint: String
      let status: String
      /// ISO 8601.
      let enrolledAt: String
      let revokedAt: String?
    }

    struct Invitation: Encodable {
      let name: String
      let expiresAt: String
      let state: String
    }

    let version: UInt64?
    let fingerprint: String?
    let partners: [Partner]
    let invitations: [Invitation]
  }

  func run() async throws {
    try await CoordinatorFailures.report(using: state.folder) {
      let view = try RosterView(folder: state.folder)
      let now = Date()
      let document = Document(
        version: view.roster?.version, fingerprint: view.roster?.fingerprint.text,
        partners: view.partners.map {
          Document.Partner(
            participant: $0.participant, name: $0.name, verificationKey: $0.verificationKey.hex,
            fingerprint: ShortFingerprint(of: SHA256.hash($0.verificationKey.bytes)).text,
            status: $0.isActive ? view.left.contains($0.participant) ? "left" : "active" : "revoked",
            enrolledAt: $0.enrolledAt.formatted(.iso8601), revokedAt: $0.revokedAt?.formatted(.iso8601))
        },
        invitations: view.invitations.filter { $0.participant == nil }.map {
          Document.Invitation(
            name: $0.name, expiresAt: $0.expiresAt.formatted(.iso8601),
            state: $0.withdrawnAt != nil ? "withdrawn" : $0.expiresAt <= now ? "expired" : "open")
        })
      if json { return try Console.outputJSON(document) }
      var table = TextTable(header: ["partner", "number", "status", "enrolled", "key"])
      for partner in document.partners {
        table.add([
          partner.name, "\(partner.participant)", partner.status, partner.enrolledAt, partner.fingerprint,
        ])
      }
      for invitation in document.invitations where invitation.state == "open" {
        table.add([invitation.name, "-", "invited", "until " + invitation.expiresAt, "-"])
      }
      Console.output(table.text)
      if let version = document.version, let fingerprint = document.fingerprint {
        Console.output(
          "\nroster \(version), fingerprint \(fingerprint)\nEvery partner compares version and fingerprint, and its own key, with what tacit-client shows."
        )
      }
    }
  }
}
