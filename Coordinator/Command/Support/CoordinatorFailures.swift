internal import CommandSupport
internal import CoordinatorService
internal import Operations
internal import PeerIdentity
internal import Recommender
internal import TaskDatabase
internal import Transport

/// The coordinator's errors as sentences and exit codes, beside those that all programs share.
enum CoordinatorFailures {
  static func report(_ body: () async throws -> Void) async throws {
    let failure: any Error
    do { return try await body() } catch { failure = translated(error) }
    try Failures.report { throw failure }
  }

  static func translated(_ error: any Error) -> any Error {
    switch error {
    case let error as StateFolderError: CommandFailure(kind(error.kind), error.description)
    case let error as StoreError: CommandFailure(kind(error), error.description)
    case let error as HostFailure: CommandFailure(error == .fencedOff ? .temporary : .io, error.description)
    case let error as PeerIdentityError: CommandFailure(kind(error.kind), error.description)
    case let error as TaskDatabaseError: CommandFailure(kind(error.kind), error.description)
    case let error as SettingsError: CommandFailure(.configuration, error.description)
    case let error as SpoolError: CommandFailure(.io, error.description)
    case let error as ListenError: CommandFailure(.unavailable, error.description)
    case let error as TLSMaterialError: CommandFailure(.data, error.description)
    case let error as InvalidHyperparameter: CommandFailure(.configuration, "\(error)")
    default: error
    }
  }

  private static func kind(_ kind: StateFolderError.Kind) -> CommandFailure.Kind {
    switch kind {
    case .exists: .cannotCreate
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
}
