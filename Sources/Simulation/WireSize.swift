internal import FederatedLearning
public import SecureAggregation
internal import WireProtocol

/// How long messages are as bytes on the wire.
public enum WireSize {
  /// Bytes of a client's message as partners send it.
  public static func bytes(_ message: ClientMessage) -> Int { WireCodec.encode(PartnerMessage.aggregation(message)).count }
}
