internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import Operations

struct CheckConfigCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check-config",
    abstract: "Read the settings as serve would, and show every value with the place that it comes from.")

  @OptionGroup var settings: SettingsOptions
  @Flag(help: "Print a configuration file with every key explained.") var sample = false

  func run() async throws {
    try await CoordinatorFailures.report {
      if sample { return Console.output(CoordinatorSettings.schema.sampleFile) }
      let settings = try settings.read()
      _ = try CoordinatorConfiguration(settings)
      Console.output(settings.explanation)
    }
  }
}
