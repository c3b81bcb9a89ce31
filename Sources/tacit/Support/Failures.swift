internal import ArgumentParser
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import Recommender
internal import Storage

/// Turns errors into one sentence on standard error and an exit code.
enum Failures {
  static func report(_ body: () throws -> Void) throws {
    do { try body() } catch let failure as CommandFailure {
      complain(failure.description)
      throw ExitCode(failure.kind.rawValue)
    } catch let error as StorageError {
      complain(error.description)
      throw ExitCode(error.kind == .exists ? CommandFailure.Kind.cannotCreate.rawValue : CommandFailure.Kind.io.rawValue)
    } catch let error as LedgerError {
      complain(error.description)
      throw ExitCode(CommandFailure.Kind.io.rawValue)
    } catch let error as FileWriteError {
      complain(error.description)
      throw ExitCode(CommandFailure.Kind.io.rawValue)
    } catch let error as ModelFileError {
      complain(error.description)
      throw ExitCode(CommandFailure.Kind.data.rawValue)
    } catch let error as PlanError {
      complain(error.description)
      throw ExitCode(CommandFailure.Kind.configuration.rawValue)
    } catch let error as DatasetError {
      complain(error.description)
      throw ExitCode(CommandFailure.Kind.data.rawValue)
    }
  }

  static func complain(_ sentence: String) { Console.error("tacit: \(sentence)") }
}

/// The two streams of a terminal program.
enum Console {
  static func output(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
  static func error(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}
