internal import CryptoPrimitives

/// Stage 5: collects shares, opens the survivors' self masks and the missing participants' pairwise masks, and takes
/// both off the sum.
struct AggregatorUnmask: Sendable {
  let inputs: AggregatorMaskedInput
  /// U3, ascending.
  let survivors: [ParticipantID]
  /// Who signed the survivor set and was sent the signatures, ascending.
  let signers: [ParticipantID]
  let signatures: ConsistencySignatures
  /// Responses whose every share is the one committed to.
  var responses: [ParticipantID: UnmaskResponse] = [:]
  /// Who revealed a share that its dealer did not commit to.
  var liars: Set<ParticipantID> = []

  init(
    inputs: AggregatorMaskedInput, survivors: [ParticipantID], signers: [ParticipantID],
    signatures: ConsistencySignatures
  ) {
    self.inputs = inputs
    self.survivors = survivors
    self.signers = signers
    self.signatures = signatures
  }

  func messages(except gone: Set<ParticipantID>) -> [OutgoingMessage] {
    signers.filter { !gone.contains($0) }.map {
      OutgoingMessage(recipient: $0, message: .consistencySignatures(signatures))
    }
  }

  /// Checks every share against its dealer's signed commitment. The holder opened the same commitment in stage 2 before
  /// it sent anything, so that a share that does not fit is the holder's lie.
  mutating func take(_ message: UnmaskResponse, _ setting: AggregatorSetting) -> AggregatorRefusal? {
    let alive = Set(survivors)
    guard message.entries.map(\.dealer) == inputs.contributors,
      message.entries.allSatisfy({ $0.kind == (alive.contains($0.dealer) ? .selfMask : .maskSeed) })
    else { return .wrongDealers }
    let point = setting.point(of: message.participant)
    for entry in message.entries {
      let opened = entry.share.bytes + entry.salt.bytes
      let commitment = opened.withUnsafeBytes {
        setting.keys.shareCommitment(
          dealer: entry.dealer, holder: message.participant, point: point, kind: entry.kind, shareAndSalt: $0)
      }
      guard commitment == inputs.commitments[entry.dealer]?[message.participant]?.of(entry.kind) else {
        liars.insert(message.participant)
        return .shareNotCommitted
      }
    }
    responses[message.participant] = message
    return nil
  }

  /// Any t responses will do: their shares were all checked. A secret that is still not the one committed to in
  /// stage 1 was dealt wrongly.
  consuming func close(_ setting: AggregatorSetting, threads: Int) -> Result<AggregateSum, DealersLied> {
    let holders = responses.keys.sorted().prefix(setting.parameters.threshold)
    let chosen = holders.compactMap { responses[$0] }
    let weights = SecretSharing.weights(points: holders.map { setting.point(of: $0) })
    let alive = Set(survivors)
    var masks: [Mask] = []
    var lying: [ParticipantID] = []
    for (position, dealer) in inputs.contributors.enumerated() {
      let seed = SecretSharing.reconstruct(
        shares: chosen.map { $0.entries[position].share }, weights: weights)
      if let seed, let opened = open(seed, of: dealer, isAlive: alive.contains(dealer), setting) {
        masks += opened
      } else {
        lying.append(dealer)
      }
    }
    guard lying.isEmpty else { return .failure(DealersLied(dealers: lying)) }
    var sum = inputs.sum
    MaskExpansion.apply(masks, to: &sum, suite: setting.parameters.suite, threads: threads)
    return .success(
      AggregateSum(
        context: setting.context, sum: sum, survivors: survivors, transcript: inputs.transcript,
        signatures: signatures, suspects: liars.sorted()))
  }

  /// The masks that a seed takes off the sum; `nil` when it is not the seed that the dealer committed to.
  private func open(
    _ seed: SecretBytes, of dealer: ParticipantID, isAlive: Bool, _ setting: AggregatorSetting
  ) -> [Mask]? {
    guard let advertisement = inputs.advertisements[dealer] else {
      preconditionFailure("every contributor advertised keys")
    }
    let keys = setting.keys
    if isAlive {
      guard keys.seedCommitment(.selfMask, seed: seed, of: dealer) == advertisement.selfMaskCommitment else {
        return nil
      }
      return [Mask(key: keys.selfMaskKey(seed: seed, of: dealer), sign: .minus)]
    }
    guard keys.seedCommitment(.maskSeed, seed: seed, of: dealer) == advertisement.maskSeedCommitment else {
      return nil
    }
    let maskKey = keys.maskKeyPair(seed: seed, of: dealer)
    guard maskKey.publicKey == advertisement.maskPublicKey else { return nil }
    var masks: [Mask] = []
    for survivor in survivors {
      guard let peer = inputs.advertisements[survivor]?.maskPublicKey,
        let key = keys.pairMaskKey(maskKey, of: dealer, with: peer, of: survivor)
      else { preconditionFailure("weak keys were refused in stage 1") }
      // The survivor added this mask when it is the lower of the two, else subtracted it.
      masks.append(Mask(key: key, sign: survivor < dealer ? .minus : .plus))
    }
    return masks
  }
}

/// Dealers whose verified shares do not open what they committed to in stage 1, ascending.
struct DealersLied: Error {
  let dealers: [ParticipantID]
}
