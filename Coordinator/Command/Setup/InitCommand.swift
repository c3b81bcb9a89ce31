internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import CryptoPrimitives
internal import Foundation
internal import PeerIdentity
internal import ServiceCommands

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
      guard training != enrolment else {
        throw CommandFailure(
          .usage, "training and enrolment both have the address \(training); expected two, for instance ports 7443 and 7444")
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
      Console.output("serve       will listen on port \(training.port) for training and \(enrolment.port) for enrolment")
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
    try await CoordinatorFailures.report(using: state.folder) {
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
    commandName: "revoke", abstract: "Withdraw a partner's access, at once and for good, and its open invitations.",
    discussion:
      "There is no way back: its name and number are never given again, and it could only enrol anew under another name, as another partner. What it contributed stays in the models that were released. A plan that needs it cannot go on."
  )

  @Argument(help: "Name of the partner.") var name: String
  @OptionGroup var state: StateOptions
  @Flag(help: "Do not ask.") var yes = false

  func run() async throws {
    try await CoordinatorFailures.report(using: state.folder) {
      let view = try RosterView(folder: state.folder)
      let now = Date()
      let open = view.invitations.filter {
        $0.name == name && $0.participant == nil && $0.withdrawnAt == nil && $0.expiresAt > now
      }
      guard let partner = view.partners.first(where: { $0.name == name }) else {
        guard !open.isEmpty else {
          throw CommandFailure(.noInput, "nobody of the name '\(name)' has enrolled or is invited; see: tacit-coordinator roster")
        }
        _ = try state.open().store.revoke(name: name, now: now)
        return Console.output(
          "\(open.count) invitation\(open.count == 1 ? "" : "s") withdrawn; no partner '\(name)' has enrolled")
      }
      if let revokedAt = partner.revokedAt {
        return Console.output(
          "'\(name)' (\(partner.participant)) is revoked since \(revokedAt.formatted(.iso8601)); nothing was done")
      }
      let status = try StatusView(folder: state.folder, now: now)
      var question = "Revoke '\(name)' (\(partner.participant)) for good?"
      if status.end == nil, let needed = status.neededPartners,
        status.partners.contains(where: { $0.name == name && $0.isInPlan })
      {
        let left = status.partners.filter { $0.isInPlan && !$0.isRevoked && !$0.hasLeft && $0.name != name }.count
        question +=
          " The active plan needs \(needed) partners, and \(left) will be left"
          + (left < needed ? ": it cannot go on." : ".")
      }
      try Terminal.confirm(question, yes: yes)
      let opened = try state.open()
      guard try opened.store.revoke(name: name, now: now) != nil else {
        throw CommandFailure(.noInput, "no partner '\(name)' has enrolled")
      }
      let roster = try opened.issueRoster(now: now)
      Console.output(
        "'\(name)' (\(partner.participant)) is revoked; roster \(roster.version), fingerprint \(roster.fingerprint)")
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
  @Flag(help: "With --signing-key, after a restoration: everybody who had enrolled is on the roster again.") var allAreBack =
    false

  func run() async throws {
    try await CoordinatorFailures.report(using: state.folder) {
      let opened = try state.open()
      let isSealed = try SealedFile.isSealed(kind: "authority", path: opened.folder.authorityKey)
      let passphrase = isSealed ? try state.passphrase.source.read() : nil
      if signingKey {
        let rotated = try opened.rotateSigningKey(passphrase: passphrase, now: Date(), allAreBack: allAreBack)
        let key = ShortFingerprint(of: SHA256.hash(rotated.signingKey.verificationKey.bytes))
        let roster = try rotated.newestRoster()
        Console.output("signing key replaced; its fingerprint is \(key)")
        Console.output("roster      \(roster.map { "\($0.version), fingerprint \($0.fingerprint)" } ?? "-")")
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
