internal import CommandSupport
internal import Foundation
internal import Storage

/// What a run folder remembers of its settings, so that other commands find the data again.
struct RunSettingsFile: Codable {
  var data: String
  var partners: String
  var seed: UInt64
  var validation: Bool
  /// How the data were changed for cold start, and what the items' features were made of; `nil` without, and in older runs.
  var holdOutUsers: Double?
  var holdOutItems: Double?
  var itemFeatures: String?
  var command: String

  /// - Parameter arguments: of the command that makes the run again.
  init(_ settings: SimulationSettings, arguments: [String]) {
    data = settings.data
    partners = settings.partners
    seed = settings.seed
    validation = settings.validation
    holdOutUsers = settings.holdOutUsers > 0 ? settings.holdOutUsers : nil
    holdOutItems = settings.holdOutItems > 0 ? settings.holdOutItems : nil
    itemFeatures = settings.itemFeatures
    command = arguments.joined(separator: " ")
  }

  /// Reads settings.json of a run.
  ///
  /// - Throws: `CommandFailure` naming the file.
  init(reading folder: RunFolder) throws {
    let path = folder.currentPath + "/settings.json"
    do {
      self = try JSONDecoder().decode(RunSettingsFile.self, from: Data(try RunFiles.read(path, of: folder)))
    } catch is DecodingError {
      throw CommandFailure(
        .data, "\(path): found no settings of a run, expected JSON with data, partners, seed and validation; the file was changed"
      )
    }
  }

  func bytes() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return Array(try encoder.encode(self)) + [0x0A]
  }
}
