internal import CryptoPrimitives

/// Stage 4: collects the survivors' signatures on one survivor set.
struct AggregatorConsistencyCheck: Sendable {
  /// U3, ascending.
  let survivors: [ParticipantID]
  let inputs: AggregatorMaskedInput
  let set: SurvivorSet
  /// What the survivors sign.
  let signedBytes: [UInt8]
  var signatures: [ParticipantID: Signature] = [:]

  init(survivors: [ParticipantID], inputs: AggregatorMaskedInput, _ setting: AggregatorSetting) {
    self.survivors = survivors
    self.inputs = inputs
    set = SurvivorSet(context: setting.context, survivors: survivors)
    signedBytes = set.signedBytes(suite: setting.parameters.suite, transcript: inputs.transcript)
  }

  func messages(except gone: Set<ParticipantID>) -> OutgoingMessages {
    let message = ServerMessage.survivorSet(set)
    return OutgoingMessages(survivors.filter { !gone.contains($0) }) { _ in message }
  }

  mutating func take(_ message: ConsistencySignature, _ setting: AggregatorSetting) -> AggregatorRefusal? {
    guard setting.verifies(message.signature, of: signedBytes, by: message.participant) else {
      return .badSignature
    }
    signatures[message.participant] = message.signature
    return nil
  }

  func close(_ setting: AggregatorSetting) -> AggregatorUnmask {
    let signers = signatures.keys.sorted()
    let entries = signers.compactMap { signer in
      signatures[signer].map { ConsistencySignatures.Entry(participant: signer, signature: $0) }
    }
    return AggregatorUnmask(
      inputs: inputs, survivors: survivors, signers: signers,
      signatures: ConsistencySignatures(context: setting.context, entries: entries))
  }
}
