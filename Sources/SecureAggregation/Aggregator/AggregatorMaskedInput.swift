internal import CryptoPrimitives

/// Stage 3: adds masked inputs up as they arrive; never holds one of them.
struct AggregatorMaskedInput: Sendable {
  /// U2, ascending.
  let contributors: [ParticipantID]
  /// U2's advertisements.
  let advertisements: [ParticipantID: KeyAdvertisement]
  /// By dealer, then by holder.
  let commitments: [ParticipantID: [ParticipantID: ShareCommitments]]
  let transcript: Digest
  /// Σ of the masked inputs so far.
  var sum: RingVector
  /// Whose masked input is in `sum`.
  var received: Set<ParticipantID> = []

  init(
    contributors: [ParticipantID], advertisements: [ParticipantID: KeyAdvertisement],
    commitments: [ParticipantID: [ParticipantID: ShareCommitments]], transcript: Digest, sum: RingVector
  ) {
    self.contributors = contributors
    self.advertisements = advertisements
    self.commitments = commitments
    self.transcript = transcript
    self.sum = sum
  }

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
