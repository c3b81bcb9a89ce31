internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import CryptoPrimitives
internal import Foundation
internal import PeerIdentity

struct InitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make a new task: its certificate authority, signing key, server certificate and database.")

  @Option(help: "The state folder to make; TACIT_STATE when left out, else ./state.") var state: String?
  @Option(help: "Name of the task: letters, digits, . _ -") var name: String
  @Option(help: ArgumentHelp("Where partners will reach the training listener.", valueName: "host:port"))
  var trainingAddress: String
  @Option(help: ArgumentHelp("Where partners will reach the enrolment listener.", valueName: "host:port"))
  var enrolmentAddress: String
  @Option(help: "Further names or addresses for the server's certificate.") var host: [String] = []
  @Option(help: "How long certificates of server and partners are good for, in hours; they renew by themselves.")
  var certificateHours = 168
  @Option(help: "How long the authority is good for, in days.") var authorityDays = 3650
  @OptionGroup var passphrase: PassphraseOptions
  @Flag(help: "Seal the private keys with a passphrase; otherwise file permissions keep them.") var seal = false

  func run() async throws {
    try await CoordinatorFailures.report {
      let training = try HostPort(parsing: trainingAddress)
      let enrolment = try HostPort(parsing: enrolmentAddress)
      for address in [training, enrolment] where address.port == 0 {
        throw CommandFailure(.usage, "\(address) has port 0, which nobody can dial; expected 1 to 65535")
      }
      guard (1...8760).contains(certificateHours) else {
        throw CommandFailure(.usage, "--certificate-hours is \(certificateHours); expected 1 to 8760")
      }
      var hosts: [String] = []
      for name in [training.host.description, enrolment.host.description] + host where !hosts.contains(name) {
        hosts.append(name)
      }
      let folder = StateFolder(path: state ?? ProcessInfo.processInfo.environment["TACIT_STATE"] ?? "state")
      let secret = seal || passphrase.passphraseFile != nil ? try passphrase.source.read() : nil
      let created = try CoordinatorState.create(
        in: folder,
        task: TaskDescription(
          name: name, trainingAddress: training.description, enrolmentAddress: enrolment.description, hosts: hosts,
          certificateHours: certificateHours), authorityDays: authorityDays, passphrase: secret, now: Date())
      Console.output("task        \(name) (\(created.authority.taskID))")
      Console.output("state       \(folder.path), private keys \(secret == nil ? "kept by file permissions" : "sealed")")
      Console.output("authority   SHA-256 \(created.authority.fingerprint.hex)")
      Console.output("next        tacit-coordinator invite NAME --state \(folder.path)")
    }
  }
}

struct InviteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "invite", abstract: "Make a one-time token for a partner; of the secret in it only the hash is kept.",
    discussion:
      "For the name of a partner that has enrolled, the token gives that partner, and nobody else, a new certificate: after its home was away for longer than its certificate lasts."
  )

  @Argument(help: "Name of the partner: letters, digits, . _ -") var name: String
  @Option(help: "How long the token is good for, in hours.") var hours = 168
  @OptionGroup var state: StateOptions

  func run() async throws {
    try await CoordinatorFailures.report {
      guard (1...8760).contains(hours) else { throw CommandFailure(.usage, "--hours is \(hours); expected 1 to 8760") }
      let partner = try PartnerName(name)
      let invitation = try Invitations(folder: state.folder).invite(
        partner, expires: Date().addingTimeInterval(Double(hours) * 3600))
      Console.output(invitation.token)
      switch invitation.kind {
      case .enrolment:
        Console.error(
          "Whoever holds this token can enrol as '\(name)', once. Send it on a channel that you trust; then: tacit-client enroll --token @FILE"
        )
      case .renewal:
        Console.error(
          "'\(name)' has enrolled already: this token gives its home a new certificate, once, and nobody else anything; there: tacit-client enroll --token @FILE --home HOME"
        )
      }
    }
  }
}

struct RevokeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revoke", abstract: "Withdraw a partner's access, at once, and its open invitations.")

  @Argument(help: "Name of the partner.") var name: String
  @OptionGroup var state: StateOptions

  func run() async throws {
    try await CoordinatorFailures.report {
      let opened = try state.open()
      guard let partner = try opened.store.revoke(name: name, now: Date()) else {
        throw CommandFailure(.noInput, "no partner '\(name)' has enrolled; its open invitations, if any, are withdrawn")
      }
      let roster = try opened.issueRoster(now: Date())
      Console.output(
        "'\(partner.name)' (\(partner.participant)) is revoked; roster \(roster.version), fingerprint \(roster.fingerprint)")
    }
  }
}

struct RotateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotate",
    abstract:
      "Make a new key and certificate for the server, and sign the roster anew; a running server takes them up within seconds.",
    discussion:
      "With --signing-key, a new key for plans, rosters and releases: between plans only, and not beside a running server. Every partner then compares the new key's fingerprint with you on the phone and runs: tacit-client trust --fingerprint FINGERPRINT."
  )

  @OptionGroup var state: StateOptions
  @Flag(help: "Make a new signing key instead, which the old one vouches for.") var signingKey = false

  func run() async throws {
    try await CoordinatorFailures.report {
      let opened = try state.open()
      let isSealed = try SealedFile.isSealed(kind: "authority", path: opened.folder.authorityKey)
      let passphrase = isSealed ? try state.passphrase.source.read() : nil
      if signingKey {
        let rotated = try opened.rotateSigningKey(passphrase: passphrase, now: Date())
        let key = ShortFingerprint(of: SHA256.hash(rotated.signingKey.verificationKey.bytes))
        Console.output("signing key replaced; its fingerprint is \(key)")
        Console.output("roster      fingerprint \(try rotated.newestRoster().map { $0.fingerprint.text } ?? "-")")
        Console.output(
          "next        start serve, read the fingerprint to every partner on the phone; each runs: tacit-client trust --fingerprint FINGERPRINT"
        )
        return
      }
      try opened.issueServerCertificate(passphrase: passphrase, now: Date())
      let roster = try opened.issueRoster(now: Date())
      Console.output("server certificate replaced; roster \(roster.version), fingerprint \(roster.fingerprint)")
    }
  }
}
