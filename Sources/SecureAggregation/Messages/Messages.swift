/// Everything that a client sends.
public enum ClientMessage: Hashable, Sendable {
  case keyAdvertisement(KeyAdvertisement)
  case keyShares(KeyShares)
  case maskedInput(MaskedInput)
  case consistencySignature(ConsistencySignature)
  case unmaskResponse(UnmaskResponse)
  case abort(Abort)

  /// The stage that the message belongs to; `nil` for an abort, which belongs to all.
  public var stage: AggregationStage? {
    switch self {
    case .keyAdvertisement: .advertiseKeys
    case .keyShares: .shareKeys
    case .maskedInput: .maskedInput
    case .consistencySignature: .consistencyCheck
    case .unmaskResponse: .unmask
    case .abort: nil
    }
  }
}

/// Everything that the server sends.
public enum ServerMessage: Hashable, Sendable {
  case advertisementList(AdvertisementList)
  case shareDelivery(ShareDelivery)
  case survivorSet(SurvivorSet)
  case consistencySignatures(ConsistencySignatures)
  case abort(Abort)
}
