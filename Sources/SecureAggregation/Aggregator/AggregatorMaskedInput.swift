internal import CryptoPrimitives

/// Stage 3: adds masked inputs up as they arrive; never holds one of them.
struct AggregatorMaskedInput: Sendable {
  /// U2's advertisements.
  let advertisements: [ParticipantID: KeyAdvertisement]
  let graph: SettledGraph
  let transcript: Digest
  /// Σ of the masked inputs so far.
  var sum: RingVector
  /// Whose masked input is in `sum`.
  var received: Set<ParticipantID> = []

  init(
    advertisements: [ParticipantID: KeyAdvertisement], graph: SettledGraph, transcript: Digest, sum: RingVector
  ) {
    self.advertisements = advertisements
    self.graph = graph
    self.transcript = transcript
    self.sum = sum
  }

  /// U2, ascending.
  var contributors: [ParticipantID] { graph.contributors }

  mutating func take(_ message: MaskedInput) -> AggregatorRefusal? {
    do throws(RingDecodingError) {
      try sum.add(packed: message.packed)
    } catch {
      switch error {
      case .length: return .wrongLength
      case .padding: return .nonZeroPadding
      }
    }
    received.insert(message.participant)
    return nil
  }

  consuming func close(_ setting: AggregatorSetting) -> AggregatorConsistencyCheck {
    AggregatorConsistencyCheck(survivors: received.sorted(), inputs: self, setting)
  }
}
