internal import CommandSupport
internal import CoordinatorService
internal import Recommender
internal import ServiceCommands

/// The coordinator's own errors as sentences and exit codes, beside those that all programs share.
enum CoordinatorFailures {
  static func report(_ body: () async throws -> Void) async throws { try await ServiceFailures.report(own: own, body) }

  private static func own(_ error: any Error) -> CommandFailure? {
    switch error {
    case let error as StateFolderError: CommandFailure(kind(error.kind), error.description)
    case let error as StoreError: CommandFailure(kind(error), error.description)
    case let error as HostFailure: CommandFailure(error == .fencedOff ? .temporary : .io, error.description)
    case let error as SpoolError: CommandFailure(.io, error.description)
    case let error as InvalidHyperparameter: CommandFailure(.configuration, "\(error)")
    default: nil
    }
  }

  private static func kind(_ kind: StateFolderError.Kind) -> CommandFailure.Kind {
    switch kind {
    case .exists: .cannotCreate
    case .busy: .temporary
    case .missing: .noInput
    case .unsafe: .permission
    case .damaged: .data
    case .system: .io
    }
  }

  private static func kind(_ error: StoreError) -> CommandFailure.Kind {
    switch error {
    case .fencedOff, .leaseHeld: .temporary
    case .secondNoisedSum: .software
    case .corrupt: .data
    }
  }
}
