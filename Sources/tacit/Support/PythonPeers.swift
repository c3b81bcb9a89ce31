internal import CommandSupport
internal import Foundation

/// Python programs of others that a benchmark runs beside our code, in an environment of their own under .build.
struct PythonPeers {
  /// The folder that holds .build.
  let root: String
  /// The environment's folder under .build.
  let name: String
  /// What pip installs into it.
  let packages: [String]
  /// Makes the environment when it is absent.
  let installs: Bool

  /// Runs a script and gives what it printed.
  ///
  /// - Throws: `CommandFailure` of kind `unavailable` when script or environment are absent, or the script failed.
  func output(of script: String, _ arguments: [String]) throws -> Data {
    guard FileManager.default.fileExists(atPath: script) else {
      throw CommandFailure(.unavailable, "\(script) is absent; run in the project's folder or give --root")
    }
    let environment = URL(fileURLWithPath: root).appending(path: ".build/\(name)")
    let python = environment.appending(path: "bin/python").path
    if !FileManager.default.isExecutableFile(atPath: python) {
      guard installs else {
        throw CommandFailure(
          .unavailable, "\(packages.joined(separator: " and ")) is not installed under .build/\(name); add --install")
      }
      _ = try shell("/usr/bin/env", ["python3", "-m", "venv", environment.path])
      _ = try shell(python, ["-m", "pip", "install", "--quiet"] + packages)
    }
    return try shell(python, [script] + arguments)
  }

  private func shell(_ program: String, _ arguments: [String]) throws -> Data {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    do { try process.run() } catch { throw CommandFailure(.unavailable, "\(program) cannot be started") }
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw CommandFailure(
        .unavailable, "\(program) \(arguments.prefix(3).joined(separator: " ")) failed with code \(process.terminationStatus)")
    }
    return output
  }
}
