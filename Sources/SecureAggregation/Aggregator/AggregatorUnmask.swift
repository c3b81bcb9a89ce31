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
  private let signed: Set<ParticipantID>
  private let alive: Set<ParticipantID>
  /// Shares of those whose every share is the one committed to, side by side in the order of their dealers; salts have done their work.
  var responses: [ParticipantID: [ShareValue]] = [:]
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
    signed = Set(signers)
    alive = Set(survivors)
  }

  func hasSigned(_ participant: ParticipantID) -> Bool { signed.contains(participant) }

  func messages(except gone: Set<ParticipantID>) -> OutgoingMessages {
    OutgoingMessages(signers.filter { !gone.contains($0) }) { [graph = inputs.graph, signatures] recipient in
      .consistencySignatures(graph.signatures(signatures, for: recipient))
    }
  }

  /// Checks every share against its dealer's signed commitment. The holder opened the same commitment in stage 2 before
  /// it sent anything, so that a share that does not fit is the holder's lie.
  mutating func take(_ message: UnmaskResponse, _ setting: AggregatorSetting) -> AggregatorRefusal? {
    let dealt = inputs.graph.held[message.participant] ?? []
    guard message.entries.elementsEqual(dealt, by: { $0.dealer == $1.dealer }),
      message.entries.allSatisfy({ $0.kind == (alive.contains($0.dealer) ? .selfMask : .maskSeed) })
    else { return .wrongDealers }
    let point = setting.point(of: message.participant)
    var hasher = setting.keys.shareHasher
    var opened: [UInt8] = []
    for (entry, held) in zip(message.entries, dealt) {
      opened.removeAll(keepingCapacity: true)
      entry.share.withUnsafeBytes { opened.append(contentsOf: $0) }
      entry.salt.withUnsafeBytes { opened.append(contentsOf: $0) }
      let commitment = opened.withUnsafeBytes {
        hasher.commitment(
          dealer: entry.dealer, holder: message.participant, point: point, kind: entry.kind, shareAndSalt: $0)
      }
      guard commitment == inputs.graph.commitment(held, entry.kind) else {
        liars.insert(message.participant)
        return .shareNotCommitted
      }
    }
    responses[message.participant] = message.entries.map(\.share)
    return nil
  }

  /// Any t responses of a dealer's holders will do: their shares were all checked. A secret that is still not the one
  /// committed to in stage 1 was dealt wrongly.
  consuming func close(_ setting: AggregatorSetting, threads: Int) -> Result<AggregateSum, DealersLied> {
    var weights: [[ParticipantID]: [UInt64]] = [:]
    var masks: [Mask] = []
    var lying: [ParticipantID] = []
    for dealer in inputs.contributors {
      let shares = shares(of: dealer, setting.parameters.threshold)
      let holders = shares.map(\.holder)
      let weight =
        weights[holders] ?? SecretSharing.weights(points: holders.map { setting.point(of: $0) })
      // In the complete graph the holders are the same for every dealer, in a drawn one for none.
      if weights.isEmpty { weights[holders] = weight }
      let seed = SecretSharing.reconstruct(shares: shares.map(\.share), weights: weight)
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

  /// The first t shares of a dealer's secret, ascending by holder.
  private func shares(of dealer: ParticipantID, _ threshold: Int) -> [(holder: ParticipantID, share: ShareValue)] {
    var shares: [(holder: ParticipantID, share: ShareValue)] = []
    for holder in inputs.graph.holders[dealer]?.ids ?? [] where shares.count < threshold {
      guard let response = responses[holder], let position = inputs.graph.position(of: dealer, at: holder)
      else { continue }
      shares.append((holder, response[position]))
    }
    return shares
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
    let maskPeers = inputs.graph.maskPeers(of: dealer)
    for survivor in survivors where maskPeers?.contains(survivor) ?? true {
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
