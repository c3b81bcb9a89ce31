internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import CryptoPrimitives
internal import Foundation
internal import Operations

struct CheckConfigCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check-config",
    abstract:
      "Read the settings as serve would, show every value with the place that it comes from, and look at the state folder.")

  @OptionGroup var settings: SettingsOptions
  @Flag(help: "Print a configuration file with every key explained.") var sample = false

  func run() async throws {
    try await CoordinatorFailures.report {
      if sample { return Console.output(CoordinatorSettings.schema.sampleFile) }
      let settings = try settings.read()
      let configuration = try CoordinatorConfiguration(settings)
      Console.output(settings.explanation)
      Console.output(
        "\nserve would listen on \(configuration.listen) for training, \(configuration.enrolmentListen) for enrolment")
      let probe = SuiteProbe()
      let speeds = KeystreamSuite.allCases.map { "\($0.name) \(Text.significant(probe.gigabytesPerSecond($0))) GB/s" }
      Console.output(
        "masks expand at \(speeds.joined(separator: ", ")) here: a plan with suite: auto would take \(probe.fastest.name)")
      for warning in configuration.warnings { Console.error("tacit-coordinator: \(warning)") }
      guard FileManager.default.fileExists(atPath: configuration.state.path) else {
        return Console.error(
          "tacit-coordinator: there is no state folder \(configuration.state.path) yet; tacit-coordinator init makes it")
      }
      let found = try CoordinatorState.check(configuration.state)
      Console.output(
        "state \(configuration.state.path): task \(found.task.name), partners dial \(found.task.trainingAddress), keys \(found.isSealed ? "sealed" : "kept by file permissions")"
      )
      if found.isSealed, configuration.passphraseFile == nil {
        Console.output("the passphrase comes from the service manager's credential tacit-passphrase, or from the terminal")
      }
    }
  }
}
