internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import SecureAggregation
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
    func ledger(_ kind: LedgerHeader.Kind, _ name: String, _ key: SigningKey) throws -> PrivacyLedger {
      let header = try PrivacyLedger.headerLine(kind: kind, holder: name, dataset: name, created: 0, key: key)
      return try PrivacyLedger(content: header, journal: DiscardingJournal(), key: key)
    }
    var partners: [SimulatedPartner] = []
    for (index, entry) in experiment.plan.roster.enumerated() {
      partners.append(
        SimulatedPartner(
          participant: ParticipantID(entry.participant), name: entry.name, shard: experiment.shard(of: index),
          signingKey: experiment.partnerKeys[index],
          ledger: try ledger(.partner, entry.name, experiment.partnerKeys[index])))
    }
    var readings: [(round: Int, residentBytes: Int)] = []
    let step = max(1, rounds / 10)
    let federation = try Federation(
      planFile: experiment.planFile, algorithm: experiment.algorithm, partners: partners,
      coordinatorKey: experiment.coordinatorKey,
      coordinatorLedger: try ledger(.coordinator, "coordinator", experiment.coordinatorKey), seed: 1,
      randomness: .system,
      observer: { event in
        if case .published(let release, _) = event, release.round == 1 || release.round.isMultiple(of: step), release.round > 0 {
          readings.append((release.round, Self.residentBytes()))
        }
      })
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

/// Keeps nothing: the probe measures the engines, not the disk.
private final class DiscardingJournal: LedgerJournal {
  func append(_ line: [UInt8]) {}
}
