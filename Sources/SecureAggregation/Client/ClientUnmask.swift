internal import CryptoPrimitives

/// The survivor set is signed; the proof that enough others signed the same is to come.
struct ClientAwaitingSignatures: ~Copyable {
  let setting: ClientSetting
  /// Whose shares this client holds, ascending: U2, or who of U2 drew it.
  let dealers: [ParticipantID]
  /// U3.
  let survivors: Set<ParticipantID>
  let signedBytes: [UInt8]
  let shares: [ParticipantID: SecretBytes]
  /// Drawn graph: who holds shares of this client's secrets.
  let ownHolders: Set<ParticipantID>?

  /// Reveals, once, one share for every dealer: of b for survivors, of s for the others.
  ///
  /// Every signature must be a survivor's on the very bytes that this client signed; t of them, its own included, show
  /// that no other group of t was told another set (2t > n). In a drawn graph they are t of this client's own holders, and
  /// its own beside them.
  consuming func receive(_ signatures: ConsistencySignatures) throws(ClientRefusal) -> UnmaskResponse {
    let setting = setting
    try setting.checkContext(signatures.context)
    try setting.checkAscending(signatures.entries.lazy.map(\.participant))
    for entry in signatures.entries {
      guard survivors.contains(entry.participant) else {
        throw ClientRefusal(.signerNotSurvivor, suspects: [entry.participant])
      }
      guard entry.participant == setting.participant || ownHolders?.contains(entry.participant) ?? true else {
        throw ClientRefusal(.signerNotHolder)
      }
      guard try setting.identity(of: entry.participant).verifies(entry.signature, of: signedBytes) else {
        throw ClientRefusal(.badConsistencySignature, suspects: [entry.participant])
      }
    }
    guard signatures.entries.contains(where: { $0.participant == setting.participant }) else {
      throw ClientRefusal(.ownSignatureMissing)
    }
    // In a drawn graph nobody holds shares of its own secrets, so that its own signature is none of the t.
    let witnesses = signatures.entries.count - (ownHolders == nil ? 0 : 1)
    guard witnesses >= setting.parameters.threshold else { throw ClientRefusal(.tooFewSignatures) }
    var entries: [UnmaskResponse.Entry] = []
    for dealer in dealers {
      let kind: SecretKind = survivors.contains(dealer) ? .selfMask : .maskSeed
      guard let pair = shares[dealer], let (share, salt) = SharePair.reveal(kind, of: pair) else {
        preconditionFailure("the shares of every dealer were opened in stage 2")
      }
      entries.append(UnmaskResponse.Entry(dealer: dealer, kind: kind, share: share, salt: salt))
    }
    return UnmaskResponse(context: setting.context, participant: setting.participant, entries: entries)
  }
}
