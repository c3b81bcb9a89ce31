import Foundation
import Glibc
import Synchronization

/// One of our programs as a process of its own, with its output in files.
///
/// Nothing here blocks: ends are waited for by conditions, so that many processes can be watched from few threads.
final class ChildProcess: Sendable {
  enum Program: String, CaseIterable {
    case tacit
    case coordinator = "tacit-coordinator"
    case client = "tacit-client"

    /// Beside the test bundle, where SwiftPM builds everything.
    var path: String {
      let beside = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      let candidates = [
        beside, Repository.root.appending(path: ".build/release"), Repository.root.appending(path: ".build/debug"),
      ]
      .map { $0.appending(path: rawValue).path }
      return candidates.first { FileManager.default.isExecutableFile(atPath: $0) } ?? candidates[1]
    }

    var isBuilt: Bool { FileManager.default.isExecutableFile(atPath: path) }
  }

  /// How a process ended.
  enum End: Sendable, Equatable, CustomStringConvertible {
    case exited(Int32)
    case killed(by: Int32)

    var description: String {
      switch self {
      case .exited(let status): "exit code \(status)"
      case .killed(let signal): "signal \(signal)"
      }
    }
  }

  let name: String
  let processID: pid_t
  private let outputPath: String
  private let errorPath: String
  private let ending = Mutex<End?>(nil)

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - name: of the log files in `folder`; a file that is there is written on.
  ///   - environment: added to this process's own.
  init(
    _ program: String, _ arguments: [String], name: String, in folder: String, environment: [String: String] = [:]
  ) throws {
    self.name = name
    outputPath = "\(folder)/\(name).out"
    errorPath = "\(folder)/\(name).err"
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    for (descriptor, path) in [(Int32(1), outputPath), (2, errorPath)] {
      posix_spawn_file_actions_addopen(&actions, descriptor, path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    }
    var variables = ProcessInfo.processInfo.environment
    // The suite's own variables are no settings of the programs, which refuse names that they do not know.
    variables = variables.filter { !$0.key.hasPrefix("TACIT_") }
    variables["SWIFT_BACKTRACE"] = "enable=no"
    variables.merge(environment) { $1 }
    let argv = ([program] + arguments).map { strdup($0) } + [nil]
    let envp = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in argv + envp { free(pointer) } }
    var identifier = pid_t()
    let code = posix_spawn(&identifier, program, &actions, nil, argv, envp)
    guard code == 0 else { throw SuiteError("\(program) cannot be started: \(String(cString: strerror(code)))") }
    processID = identifier
  }

  deinit {
    // Nobody waits any longer: the process must not outlive the test.
    if end == nil {
      kill(processID, SIGKILL)
      var status: Int32 = 0
      waitpid(processID, &status, 0)
    }
  }

  /// How it ended; `nil` while it runs.
  var end: End? {
    ending.withLock { ending in
      if ending != nil { return ending }
      var status: Int32 = 0
      guard waitpid(processID, &status, WNOHANG) == processID else { return nil }
      let signal = status & 0x7F
      ending = signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(by: signal)
      return ending
    }
  }

  var isRunning: Bool { end == nil }

  func send(_ signal: Int32) {
    guard isRunning else { return }
    kill(processID, signal)
  }

  /// kill -9: returns when the kernel has taken it away, so that no write of it can follow.
  func killHard() async throws {
    send(SIGKILL)
    _ = try await finish(within: 30)
  }

  func finish(within seconds: Double = 300) async throws -> End {
    try await eventually("\(name) ends", within: seconds) { self.end != nil }
    guard let end else { preconditionFailure("the process has ended") }
    return end
  }

  var output: String { Self.text(outputPath) }
  var errors: String { Self.text(errorPath) }

  /// The last lines of standard error, for messages of tests.
  var lastWords: String { errors.split(separator: "\n").suffix(8).joined(separator: "\n") }

  private static func text(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }

  /// Peak resident memory in bytes so far; `nil` when the process is gone.
  var peakMemory: Int? { memory("VmHWM") }
  /// Resident memory in bytes.
  var residentMemory: Int? { memory("VmRSS") }

  /// Processor time so far, user and system; `nil` when the process is gone.
  var processorSeconds: Double? {
    let fields = Self.text("/proc/\(processID)/stat").split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  private func memory(_ field: String) -> Int? {
    let lines = Self.text("/proc/\(processID)/status").split(separator: "\n")
    guard let line = lines.first(where: { $0.hasPrefix(field + ":") }) else { return nil }
    return line.split(separator: " ").compactMap { Int($0) }.first.map { $0 * 1024 }
  }
}

/// Where the sources are.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
}

/// Why a test cannot go on.
struct SuiteError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Waits for a condition; the deadline is generous, because it only bounds a test that fails.
func eventually(
  _ what: String, within seconds: Double = 300, pollEvery milliseconds: Int = 10, _ condition: () async throws -> Bool
) async throws {
  let clock = ContinuousClock()
  let deadline = clock.now + .milliseconds(Int64(seconds * 1000 * Suite.patience))
  while try await !condition() {
    guard clock.now < deadline else { throw SuiteError("gave up after \(seconds * Suite.patience) s: \(what)") }
    try await Task.sleep(for: .milliseconds(milliseconds))
  }
}
