internal import CommandSupport
internal import PartnerService
internal import PartnerServing
internal import ServiceCommands
internal import Serving

/// The partner's own errors as sentences and exit codes, beside those that all programs share.
enum ClientFailures {
  static func report(_ body: () async throws -> Void) async throws { try await ServiceFailures.report(own: own, body) }

  static func translated(_ error: any Error) -> any Error { ServiceFailures.translated(error, own: own) }

  private static func own(_ error: any Error) -> CommandFailure? {
    switch error {
    case let error as PartnerError: CommandFailure(kind(error.kind), error.description)
    case let error as ServingFailure: CommandFailure(.usage, error.description)
    case let error as ServingRuleError: CommandFailure(.data, error.description)
    default: nil
    }
  }

  private static func kind(_ kind: PartnerError.Kind) -> CommandFailure.Kind {
    switch kind {
    case .usage: .usage
    case .missing: .noInput
    case .data: .data
    case .unavailable: .unavailable
    case .superseded: .temporary
    case .takenOver: .takenOver
    case .permission: .permission
    case .untrusted, .rolledBack: .notVerified
    case .io: .io
    }
  }
}
