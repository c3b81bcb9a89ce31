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
    do { try FileHandle.standardOutput.write(contentsOf: Data((shown(text) + "\n").utf8)) } catch {
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

  public static func error(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data((shown(text) + "\n").utf8)) }

  /// The text as a terminal may have it: words of peers and of files stand in it, so that every control character but line
  /// ends and tabs, and Unicode's overrides of direction, are written as `\uXXXX` (which JSON reads as the same text).
  private static func shown(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isHidden) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isHidden(scalar) { result += String(format: "\\u%04x", scalar.value) } else { result.unicodeScalars.append(scalar) }
    }
    return result
  }

  private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09, 0x0A: false
    case 0x00...0x1F, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}
