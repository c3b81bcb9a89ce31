internal import CryptoPrimitives

/// The survivor set is signed; the proof that enough others signed the same is to come.
struct ClientAwaitingSignatures: ~Copyable {
  let setting: ClientSetting
  /// U2, ascending.
  let contributors: [ParticipantID]
  /// U3.
  let survivors: Set<ParticipantID>
  let signedBytes: [UInt8]
  let shares: [ParticipantID: SecretBytes]

  /// Reveals, once, one share for every dealer: of b for survivors, of s for the others.
  ///
  /// Every signature must be a survivor's on the very bytes that this client signed; t of them, its own included, show
  /// that no other group of t was told another set (2t > n).
  consuming func receive(_ signatures: ConsistencySignatures) throws(ClientRefusal) -> UnmaskResponse {
    let setting = setting
    try setting.checkContext(signatures.context)
    try setting.checkAscending(signatures.entries.lazy.map(\.participant))
    for entry in signatures.entries {
      guard survivors.contains(entry.participant) else {
        throw ClientRefusal(.signerNotSurvivor, suspects: [entry.participant])
      }
      guard try setting.identity(of: entry.participant).verifies(entry.signature, of: signedBytes) else {
        throw ClientRefusal(.badConsistencySignature, suspects: [entry.participant])
      }
    }
    guard signatures.entries.contains(where: { $0.participant == setting.participant }) else {
      throw ClientRefusal(.ownSignatureMissing)
    }
    guard signatures.entries.count >= setting.parameters.threshold else {
      throw ClientRefusal(.tooFewSignatures)
    }
    var entries: [UnmaskResponse.Entry] = []
    for dealer in contributors {
      let kind: SecretKind = survivors.contains(dealer) ? .selfMask : .maskSeed
      guard let pair = shares[dealer], let (share, salt) = SharePair.reveal(kind, of: pair) else {
        preconditionFailure("the shares of every contributor were opened in stage 2")
      }
      entries.append(UnmaskResponse.Entry(dealer: dealer, kind: kind, share: share, salt: salt))
    }
    return UnmaskResponse(context: setting.context, participant: setting.participant, entries: entries)
  }
}
