internal import ArgumentParser
internal import DataImport
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import Recommender
internal import Reporting
internal import Storage

/// Turns errors into one sentence on standard error and an exit code.
public enum Failures {
  public static func report(_ body: () throws -> Void) throws {
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
    } catch let error as DataImportError {
      complain(error.description)
      throw ExitCode(CommandFailure.Kind.data.rawValue)
    } catch let error as ReportError {
      complain(error.description)
      throw ExitCode(CommandFailure.Kind.data.rawValue)
    } catch let error as PrivacyParameterError {
      complain(error.description)
      throw ExitCode(CommandFailure.Kind.configuration.rawValue)
    } catch {
      complain("\(error)")
      throw ExitCode(CommandFailure.Kind.software.rawValue)
    }
  }

  public static func complain(_ sentence: String) {
    let program = CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? "tacit"
    Console.error("\(program): \(sentence)")
  }
}

/// The two streams of a terminal program.
public enum Console {
  /// Writes a line; when nobody can read it any more (a full disk behind `>`), ends the program with a sentence.
  public static func output(_ text: String) {
    do { try FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8)) } catch {
      Failures.complain("the output cannot be written to where it was sent; free some space there or choose another place")
      exit(CommandFailure.Kind.io.rawValue)
    }
  }

  /// Writes a value as JSON with sorted keys.
  public static func outputJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    do { output(String(decoding: try encoder.encode(value), as: UTF8.self)) } catch {
      throw CommandFailure(.data, "a figure is not a finite number, which JSON cannot write; use --format text")
    }
  }

  public static func error(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8)) }
}
