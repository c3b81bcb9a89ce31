import CryptoPrimitives
import SecureAggregation
import Testing

/// Twelve participants: each draws 7 holders, shares masks with 5 of them, and needs 5 shares to be opened.
func drawnRehearsal(
  _ count: Int = 12, holders: Int = 7, maskDraws: Int = 5, threshold: Int = 5, minimumSurvivors: Int? = 8,
  dimension: Int = 5, modulusBits: Int = 16, seed: UInt64 = 1, attempt: UInt32 = 0
) throws -> AggregationRehearsal {
  AggregationRehearsal(
    parameters: try AggregationParameters(
      participants: participants(count), threshold: threshold, minimumSurvivors: minimumSurvivors,
      dimension: dimension, modulusBits: modulusBits, graph: .drawn(holders: holders, maskDraws: maskDraws)),
    seed: seed, attempt: attempt)
}

extension Witness {
  /// What each client dealt.
  var deals: [ParticipantID: KeyShares] {
    var deals: [ParticipantID: KeyShares] = [:]
    for case .keyShares(let deal) in sent.map(\.message) { deals[deal.dealer] = deal }
    return deals
  }

  /// Whose shares a participant revealed, by kind.
  func revealed(of dealer: ParticipantID, _ kind: SecretKind) -> [ParticipantID] {
    revealed.filter { $0.entries.contains { $0.dealer == dealer && $0.kind == kind } }.map(\.participant)
  }
}

extension KeyShares {
  var holders: [ParticipantID] { entries.map(\.holder) }
  var maskPeers: [ParticipantID] { entries.filter(\.sharesMask).map(\.holder) }
}

/// An honest attempt, to see the graph that a rehearsal's seed makes.
func graph(of rehearsal: AggregationRehearsal) throws -> [ParticipantID: KeyShares] {
  try play(rehearsal).deals
}
