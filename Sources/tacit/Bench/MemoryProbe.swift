internal import CommandSupport
internal import FederatedLearning
internal import Foundation
internal import Simulation

/// Runs many rounds of a small federation and reads the resident memory on the way.
struct MemoryProbe {
  let rounds: Int

  /// - Returns: resident bytes after the 1st, the 10 %, 20 %, … of the rounds.
  func run() throws -> [(round: Int, residentBytes: Int)] {
    var settings = SimulationSettings()
    settings.data = "synthetic:300x80x5"
    settings.partners = "by:partner"
    settings.rounds = rounds
    settings.parameters = ["rank-one": 1, "dimension": 4]
    settings.evaluationShare = 0
    let experiment = try Experiment.prepare(settings)
    var readings: [(round: Int, residentBytes: Int)] = []
    let step = max(1, rounds / 10)
    let federation = try experiment.federationInMemory { event in
      if case .published(let release, _) = event, release.round == 1 || release.round.isMultiple(of: step), release.round > 0 {
        readings.append((release.round, Self.residentBytes()))
      }
    }
    let result = federation.run()
    guard result.end == .completed else { throw CommandFailure(.stopped, "the run ended early: \(result.end)") }
    return readings
  }

  /// Resident pages of this process, from the kernel's own count.
  static func residentBytes() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
      let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { return 0 }
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}
