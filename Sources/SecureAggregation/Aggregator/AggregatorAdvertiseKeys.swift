internal import CryptoPrimitives

/// Stage 1: collects signed advertisements.
struct AggregatorAdvertiseKeys: Sendable {
  var advertisements: [ParticipantID: KeyAdvertisement] = [:]

  mutating func take(_ message: KeyAdvertisement, _ setting: AggregatorSetting) -> AggregatorRefusal? {
    guard message.version == KeyAdvertisement.currentVersion else { return .wrongVersion }
    guard message.suite == setting.parameters.suite.rawValue else { return .wrongSuite }
    guard setting.verifies(message.signature, of: message.signedBytes, by: message.participant) else {
      return .badSignature
    }
    // One weak key would make every honest client leave.
    guard !message.channelPublicKey.isSmallOrder, !message.maskPublicKey.isSmallOrder else {
      return .weakPublicKey
    }
    advertisements[message.participant] = message
    return nil
  }

  func close(_ setting: AggregatorSetting) -> AggregatorShareKeys {
    let list = advertisements.values.sorted { $0.participant < $1.participant }
    return AggregatorShareKeys(
      advertisements: list,
      hash: setting.keys.advertisementsHash(list, parameters: setting.parameters))
  }
}
