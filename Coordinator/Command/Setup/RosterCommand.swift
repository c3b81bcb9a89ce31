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
      let enrolledAt: Date
      let revokedAt: Date?
    }

    struct Invitation: Encodable {
      let name: String
      let expiresAt: Date
      let state: String
    }

    let version: UInt64?
    let fingerprint: String?
    let partners: [Partner]
    let invitations: [Invitation]
  }

  func run() async throws {
    try await CoordinatorFailures.report {
      let view = try RosterView(folder: state.folder)
      let now = Date()
      let document = Document(
        version: view.roster?.version, fingerprint: view.roster?.fingerprint.text,
        partners: view.partners.map {
          Document.Partner(
            participant: $0.participant, name: $0.name, verificationKey: $0.verificationKey.hex, enrolledAt: $0.enrolledAt,
            revokedAt: $0.revokedAt)
        },
        invitations: view.invitations.filter { $0.participant == nil }.map {
          Document.Invitation(
            name: $0.name, expiresAt: $0.expiresAt,
            state: $0.withdrawnAt != nil ? "withdrawn" : $0.expiresAt <= now ? "expired" : "open")
        })
      if json { return try Console.outputJSON(document) }
      var table = TextTable(header: ["partner", "number", "status", "enrolled", "identity"])
      for partner in document.partners {
        table.add([
          partner.name, "\(partner.participant)", partner.revokedAt == nil ? "active" : "revoked",
          partner.enrolledAt.formatted(.iso8601), String(partner.verificationKey.prefix(16)) + "…",
        ])
      }
      for invitation in document.invitations where invitation.state == "open" {
        table.add([invitation.name, "-", "invited", "until " + invitation.expiresAt.formatted(.iso8601), "-"])
      }
      Console.output(table.text)
      if let version = document.version, let fingerprint = document.fingerprint {
        Console.output("\nroster \(version), fingerprint \(fingerprint)\nEvery partner compares it with what tacit-client shows.")
      }
    }
  }
}
