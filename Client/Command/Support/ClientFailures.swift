internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import PartnerService
internal import PeerIdentity
internal import TaskDatabase
internal import Transport

/// The partner's errors as sentences and exit codes, beside those that all programs share.
enum ClientFailures {
  static func report(_ body: () async throws -> Void) async throws {
    let failure: any Error
    do { return try await body() } catch { failure = translated(error) }
    try Failures.report { throw failure }
  }

  static func translated(_ error: any Error) -> any Error {
    switch error {
    case let error as PartnerError: CommandFailure(kind(error.kind), error.description)
    case let error as PeerIdentityError: CommandFailure(kind(error.kind), error.description)
    case let error as TransportFailure: CommandFailure(kind(error), sentence("\(error)"))
    case let error as TLSMaterialError: CommandFailure(.data, error.description)
    case let error as TaskDatabaseError: CommandFailure(kind(error.kind), error.description)
    default: error
    }
  }

  private static func kind(_ kind: PartnerError.Kind) -> CommandFailure.Kind {
    switch kind {
    case .usage: .usage
    case .missing: .noInput
    case .data: .data
    case .unavailable: .unavailable
    case .superseded: .temporary
    case .permission: .permission
    case .untrusted, .rolledBack: .notVerified
    case .io: .io
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

  /// The transport's sentences stand alone; behind the program's name they go on.
  private static func sentence(_ text: String) -> String {
    let text = text.hasSuffix(".") ? String(text.dropLast()) : text
    return text.prefix(1).lowercased() + text.dropFirst()
  }
}
