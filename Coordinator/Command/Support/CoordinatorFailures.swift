internal import CommandSupport
internal import CoordinatorService
internal import Foundation
internal import Recommender
internal import ServiceCommands

/// The coordinator's own errors as sentences and exit codes, beside those that all programs share.
enum CoordinatorFailures {
  static func report(_ body: () async throws -> Void) async throws { try await ServiceFailures.report(own: own, body) }

  /// The same, while nobody replaces what is in the folder: what a command writes beside a restoration, a revocation say, would be
  /// gone with the old database, though the command had said that it was done.
  static func report(using folder: StateFolder, _ body: () async throws -> Void) async throws {
    try await report {
      let use = FileManager.default.fileExists(atPath: folder.path) ? try FolderUse.shared(folder) : nil
      defer { withExtendedLifetime(use) {} }
      try await body()
    }
  }

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
