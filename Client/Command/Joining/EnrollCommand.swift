internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import Foundation
internal import PartnerService
internal import PeerIdentity

/// `tacit-client enroll`: makes a home's keys and exchanges a one-time token for a certificate.
struct EnrollCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "enroll",
    abstract: "Become a partner with a one-time token: keys are made here, and what the coordinator shows is pinned.",
    discussion:
      "Without a passphrase the key files rest on their permissions (0600), which are checked at every start. A home that has enrolled and was away for longer than its certificate lasts gets a new certificate in the same way, with a token for its own name; everything else in it stays as it is. So does a home whose record the coordinator has lost with an old backup; it gets a new number besides."
  )

  @Option(help: "@FILE with the token that the coordinator's people gave you, or - for standard input.") var token: String
  @OptionGroup var home: HomeOptions
  @OptionGroup var passphrase: PassphraseOptions
  @Flag(help: "Plaintext, for trying out on one machine: refuses any address but 127.0.0.0/8 and ::1.")
  var insecureLoopback = false
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() async throws { try await ClientFailures.report { try await execute() } }

  private struct Document: Encodable {
    let home: String
    let task: String
    let participant: UInt32
    let name: String
    /// Whether the home had enrolled before, and only its certificate is new.
    let isRenewal: Bool
    /// The number that it had before, where the coordinator had lost it.
    let formerParticipant: UInt32?
    let fingerprint: String
    let coordinatorFingerprint: String
    let rosterVersion: UInt64?
    let rosterFingerprint: String?
    /// Ledgers that lie in the home and whose data sets its database does not know.
    let lostLedgers: [String]
  }

  private func execute() async throws {
    let path = try home.path()
    let outcome = try await Enrolling.enrol(
      token: try checkedText(), home: path, passphrase: passphrase.source, now: Date(),
      call: Enrolling.overNetwork(insecureLoopback: insecureLoopback, logger: Logs.logger()))
    let enrolment = outcome.enrolment
    let former = outcome.before.map(\.participant).flatMap { $0 == enrolment.participant ? nil : $0 }
    let own = ShortFingerprint(of: SHA256.hash(enrolment.identity.bytes)).text
    let coordinator = ShortFingerprint(of: SHA256.hash(enrolment.coordinatorKey.bytes)).text
    let (opened, store) = try home.open()
    let roster = try Joining.pinnedRoster(home: opened, store: store)
    let lost = try store.lostLedgers().map(\.text)
    if format == .json {
      return try Console.outputJSON(
        Document(
          home: path, task: enrolment.task, participant: enrolment.participant, name: enrolment.name,
          isRenewal: outcome.before != nil && former == nil, formerParticipant: former, fingerprint: own,
          coordinatorFingerprint: coordinator, rosterVersion: roster?.version,
          rosterFingerprint: roster?.fingerprint, lostLedgers: lost))
    }
    if outcome.before != nil, former == nil {
      return Console.output(
        "The home \(path) of participant \(enrolment.participant) ('\(enrolment.name)') has a new certificate; all else is as it was. Go on with: tacit-client run --home \(path)"
      )
    }
    if let former {
      Console.output(
        "The coordinator had no record of participant \(former) any more: this home has another number now. Its data, ledgers and caps are as they were; plans that name it by the former number are over."
      )
    }
    Console.output(
      """
      Enrolled as participant \(enrolment.participant) ('\(enrolment.name)') of task \(enrolment.task).
        your key         \(own)
        the coordinator  \(coordinator)
        the roster       \(roster.map { "version \($0.version), fingerprint \($0.fingerprint)" } ?? "-")
      Read these to the coordinator's people on the phone. Then look at the plan: tacit-client review --home \(path)
      """)
    if !lost.isEmpty {
      Console.output(
        "The home holds ledgers whose data sets its database does not know: \(lost.joined(separator: ", ")). What they count is spent. Import each of those data sets again with: tacit-client data import FILE --name NAME --ledger LEDGER"
      )
    }
  }

  /// The token's text, looked at here so that a sentence names the file.
  private func checkedText() throws -> String {
    let text = try text()
    do { _ = try EnrolmentToken(parsing: text, now: Date()) } catch let error as PeerIdentityError where token.hasPrefix("@") {
      throw CommandFailure(error.kind == .expired ? .data : .usage, "\(token.dropFirst()): \(error.description)")
    }
    return text
  }

  private func text() throws -> String {
    if token == "-" {
      let data = (try? FileHandle.standardInput.read(upToCount: Self.byteCountMax)) ?? Data()
      return String(decoding: data, as: UTF8.self)
    }
    guard token.hasPrefix("@") else {
      Console.error(
        "tacit-client: a token on the command line can be seen by others on this machine; it is good for one enrolment and a short time, but --token @FILE or --token - shows it to nobody"
      )
      return token
    }
    let file = String(token.dropFirst())
    do {
      let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
      return String(decoding: try handle.read(upToCount: Self.byteCountMax) ?? Data(), as: UTF8.self)
    } catch {
      throw CommandFailure(.noInput, "\(file): no such file, or it cannot be read; expected a file with a token")
    }
  }

  /// A token has some hundred characters.
  private static let byteCountMax = 1 << 16
}
