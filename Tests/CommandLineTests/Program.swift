import Foundation
import Testing

/// A built program, run as a user runs it: as a process of its own, in a folder of its own.
enum Program: String {
  case tacit
  case coordinator = "tacit-coordinator"
  case client = "tacit-client"

  /// What a process left.
  struct Outcome {
    let status: Int32
    let wasKilled: Bool
    let output: String
    let errors: String

    /// Lines on standard error that tell no progress.
    var complaints: [String] {
      errors.split(separator: "\n").map(String.init).filter { $0.hasPrefix("tacit") || $0.hasPrefix("Error:") }
    }
    var json: Any? { try? JSONSerialization.jsonObject(with: Data(output.utf8)) }
  }

  /// Beside the test bundle, where SwiftPM builds everything.
  private var url: URL {
    let name = rawValue
    let beside = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let candidates = [beside, root.appending(path: ".build/release"), root.appending(path: ".build/debug")]
      .map { $0.appending(path: name) }
    return candidates.first { FileManager.default.isExecutableFile(atPath: $0.path) } ?? candidates[1]
  }

  /// Whether it was built; says so when not.
  var isBuilt: Bool {
    if FileManager.default.isExecutableFile(atPath: url.path) { return true }
    print("SKIPPED: \(rawValue) is not built; build it with swift build -c release --product \(rawValue)")
    return false
  }

  /// Starts the program; `finish` of the result waits for it.
  ///
  /// - Parameters:
  ///   - variables: added to this process's environment, without the `TACIT_` variables of whoever runs the tests.
  ///   - input: a file for standard input; nothing by default.
  func start(
    _ arguments: [String], in folder: Scratch, variables: [String: String] = [:], input: String? = nil
  ) throws -> Running {
    let process = Process()
    process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("TACIT_") }.merging(variables) { $1 }
    process.executableURL = url
    process.arguments = arguments
    process.currentDirectoryURL = folder.url
    // Files and not pipes: nothing can fill up while nobody reads.
    let output = folder.url.appending(path: ".out-\(UUID().uuidString)")
    let errors = folder.url.appending(path: ".err-\(UUID().uuidString)")
    for url in [output, errors] { try Data().write(to: url) }
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    process.standardInput = try input.map { try FileHandle(forReadingFrom: URL(fileURLWithPath: $0)) } ?? FileHandle.nullDevice
    try process.run()
    return Running(process: process, output: output, errors: errors)
  }

  func run(
    _ arguments: [String], in folder: Scratch, variables: [String: String] = [:], input: String? = nil
  ) throws -> Outcome { try start(arguments, in: folder, variables: variables, input: input).finish() }
  func run(_ arguments: String..., in folder: Scratch) throws -> Outcome { try run(arguments, in: folder) }

  struct Running {
    let process: Process
    let output: URL
    let errors: URL

    func finish() throws -> Outcome {
      process.waitUntilExit()
      defer { for url in [output, errors] { try? FileManager.default.removeItem(at: url) } }
      return Outcome(
        status: process.terminationStatus, wasKilled: process.terminationReason == .uncaughtSignal,
        output: String(decoding: try Data(contentsOf: output), as: UTF8.self),
        errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
    }
  }
}

/// A folder that is gone after the test.
final class Scratch: Sendable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "tacit-cli-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { removeAll() }

  func removeAll() { try? FileManager.default.removeItem(at: url) }

  func path(_ name: String) -> String { url.appending(path: name).path }
  func holds(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
  func write(_ text: String, to name: String) throws { try Data(text.utf8).write(to: url.appending(path: name)) }
  func read(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }
  func bytes(_ name: String) throws -> Data { try Data(contentsOf: url.appending(path: name)) }
  func write(_ bytes: Data, to name: String) throws { try bytes.write(to: url.appending(path: name)) }
  func remove(_ name: String) throws { try FileManager.default.removeItem(at: url.appending(path: name)) }
  func copy(_ other: URL, to name: String) throws {
    try FileManager.default.copyItem(at: other, to: url.appending(path: name))
  }

  /// Names of all entries but the captured output.
  var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).filter { !$0.hasPrefix(".") }.sorted()
  }
}

extension Program.Outcome {
  /// The program refused with one clear sentence and left nothing that looks like a run.
  func expectRefusal(
    _ status: Int32, saying words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(self.status == status, "\(errors)", sourceLocation: sourceLocation)
    #expect(!wasKilled, "\(errors)", sourceLocation: sourceLocation)
    #expect(complaints.count == 1, "\(errors)", sourceLocation: sourceLocation)
    let complaint = complaints.first ?? ""
    #expect(complaint.hasPrefix("tacit"), "\(errors)", sourceLocation: sourceLocation)
    for line in errors.split(separator: "\n") where !line.hasPrefix("tacit") {
      let isProgress = ["release ", "users over noise", "note: ", "evaluating"].contains { line.hasPrefix($0) }
      #expect(isProgress || line.contains(" users, "), "unexpected line: \(line)", sourceLocation: sourceLocation)
    }
    for word in words {
      #expect(complaint.contains(word), "'\(word)' is not in: \(complaint)", sourceLocation: sourceLocation)
    }
    for dump in ["Fatal", "Backtrace", "Optional(", "Swift.", "error(", "Error("] {
      #expect(!errors.contains(dump), "\(errors)", sourceLocation: sourceLocation)
    }
  }
}
