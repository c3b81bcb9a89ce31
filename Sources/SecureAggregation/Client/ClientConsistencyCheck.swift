internal import CryptoPrimitives

/// Stage 3 is done at this end; the set of those whose input is in the sum is to come.
struct ClientAwaitingSurvivors: ~Copyable {
  let setting: ClientSetting
  /// U2, ascending.
  let contributors: [ParticipantID]
  let transcript: Digest
  /// Whose shares this client holds, ascending.
  let dealers: [ParticipantID]
  let shares: [ParticipantID: SecretBytes]
  /// Drawn graph: who holds shares of this client's secrets.
  let ownHolders: Set<ParticipantID>?

  /// Signs the set when it is a plausible one: ascending, within U2, large enough, with this client in it.
  consuming func receive(_ set: SurvivorSet) throws(ClientRefusal) -> ClientStep<ClientAwaitingSignatures> {
    let setting = setting
    try setting.checkContext(set.context)
    try setting.checkAscending(set.survivors)
    let known = Set(contributors)
    guard set.survivors.allSatisfy(known.contains) else { throw ClientRefusal(.survivorNotContributor) }
    guard set.survivors.contains(setting.participant) else { throw ClientRefusal(.selfNotSurvivor) }
    guard set.survivors.count >= setting.parameters.fewestContributors else {
      throw ClientRefusal(.tooFewSurvivors)
    }
    if let ownHolders {
      guard set.survivors.count(where: ownHolders.contains) >= setting.parameters.threshold else {
        throw ClientRefusal(.tooFewHolders)
      }
    }
    let signedBytes = set.signedBytes(suite: setting.parameters.suite, transcript: transcript)
    let signature = ConsistencySignature(
      context: setting.context, participant: setting.participant,
      signature: setting.signingKey.sign(signedBytes))
    return ClientStep(
      next: ClientAwaitingSignatures(
        setting: setting, dealers: dealers, survivors: Set(set.survivors), signedBytes: signedBytes, shares: shares,
        ownHolders: ownHolders),
      action: .send(.consistencySignature(signature)))
  }
}
