internal import Foundation

/// What a run folder remembers of its settings, so that other commands find the data again.
struct RunSettingsFile: Codable {
  var data: String
  var partners: String
  var seed: UInt64
  var validation: Bool
  var command: String

  init(_ settings: SimulationSettings) {
    data = settings.data
    partners = settings.partners
    seed = settings.seed
    validation = settings.validation
    command = CommandLine.arguments.dropFirst().joined(separator: " ")
  }

  func bytes() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return Array(try encoder.encode(self)) + [0x0A]
  }
}
