public import CommandSupport
internal import Operations
internal import PeerIdentity
internal import TaskDatabase
internal import Transport

/// The errors that both networked programs meet, as sentences and exit codes, beside those that all programs share.
public enum ServiceFailures {
  /// Runs a command; what it throws ends the program with one sentence.
  ///
  /// - Parameter own: the program's own errors; `nil` for an error that it does not know.
  public static func report(own: (any Error) -> CommandFailure?, _ body: () async throws -> Void) async throws {
    let failure: any Error
    do { return try await body() } catch { failure = translated(error, own: own) }
    try Failures.report { throw failure }
  }

  public static func translated(_ error: any Error, own: (any Error) -> CommandFailure?) -> any Error {
    if let failure = own(error) { return failure }
    switch error {
    case let error as PeerIdentityError: return CommandFailure(kind(error.kind), error.description)
    case let error as TaskDatabaseError: return CommandFailure(kind(error.kind), error.description)
    case let error as SettingsError: return CommandFailure(.configuration, error.problems.joined(separator: "; "))
    case let error as TLSMaterialError:
      return CommandFailure(
        .data, "\(sentence(error.description)); put this folder's own key, certificate and ca.pem back, or restore a backup")
    case let error as ListenError: return CommandFailure(.unavailable, sentence(error.description))
    case let error as OperationsListenError: return CommandFailure(.unavailable, error.description)
    case let error as TransportFailure: return CommandFailure(kind(error), sentence("\(error)"))
    default: return error
    }
  }

  private static func kind(_ kind: PeerIdentityError.Kind) -> CommandFailure.Kind {
    switch kind {
    case .malformed, .token: .usage
    case .certificate, .corrupt, .expired, .signature: .data
    case .missing: .noInput
    case .exists: .cannotCreate
    case .unsafePermissions, .wrongPassphrase, .passphraseNeeded: .permission
    case .system: .io
    }
  }

  private static func kind(_ kind: TaskDatabaseError.Kind) -> CommandFailure.Kind {
    switch kind {
    case .exists: .cannotCreate
    case .missing: .noInput
    case .foreign, .newerVersion, .corrupt: .data
    case .busy: .temporary
    case .unsafePermissions: .permission
    case .full, .io: .io
    case .rule: .software
    }
  }

  private static func kind(_ failure: TransportFailure) -> CommandFailure.Kind {
    switch failure {
    case .refused(.superseded): .temporary
    case .refused(.revoked), .refused(.notEnrolled), .refused(.wrongTask), .refused(.certificateExpired), .refused(.unidentified),
      .refused(.invitationUnknown), .refused(.invitationUsed), .refused(.invitationExpired), .notTrusted:
      .permission
    case .local: .io
    case .cancelled: .interrupted
    default: .unavailable
    }
  }

  /// The transport's sentences stand alone; behind the program's name they go on.
  private static func sentence(_ text: String) -> String {
    let text = text.hasSuffix(".") ? String(text.dropLast()) : text
    return text.prefix(1).lowercased() + text.dropFirst()
  }
}
