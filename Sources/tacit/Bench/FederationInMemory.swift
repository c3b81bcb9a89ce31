internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation
internal import Simulation

extension Experiment {
  /// The task with ledgers that nobody keeps, to be measured: the engines, not the disk.
  func federationInMemory(observer: @escaping (FederationEvent) -> Void = { _ in }) throws -> Federation {
    func ledger(_ kind: LedgerHeader.Kind, _ name: String, _ key: SigningKey) throws -> PrivacyLedger {
      let header = try PrivacyLedger.headerLine(kind: kind, holder: name, dataset: name, created: 0, key: key)
      return try PrivacyLedger(content: header, journal: DiscardingJournal(), key: key)
    }
    var partners: [SimulatedPartner] = []
    for (index, entry) in plan.roster.enumerated() {
      partners.append(
        SimulatedPartner(
          participant: ParticipantID(entry.participant), name: entry.name, shard: shard(of: index),
          signingKey: partnerKeys[index], ledger: try ledger(.partner, entry.name, partnerKeys[index])))
    }
    return try Federation(
      planFile: planFile, algorithm: algorithm, partners: partners, coordinatorKey: coordinatorKey,
      coordinatorLedger: try ledger(.coordinator, "coordinator", coordinatorKey), seed: 1, randomness: .system,
      observer: observer)
  }
}

private final class DiscardingJournal: LedgerJournal {
  func append(_ line: [UInt8]) {}
}
