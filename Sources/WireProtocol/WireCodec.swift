public import FederatedLearning
internal import Foundation
internal import SecureAggregation
internal import SwiftProtobuf

/// Messages of the engine to bytes and back (Protocols/tacit/v1).
///
/// Decoding checks every length and every closed list, so that an engine only ever sees values that hold together.
/// Unknown fields are ignored, as proto3 has it: nothing unsigned is in them.
public enum WireCodec {
  /// The largest message that is decoded: a masked input of 2^28 entries does not fit, one of 2^26 does.
  public static let messageBytesMax = 1 << 29

  public static func encode(_ message: CoordinatorMessage) -> [UInt8] {
    var wire = Tacit_V1_CoordinatorMessage()
    switch message {
    case .roundStart(let start): wire.roundStart = Tacit_V1_RoundStart(start)
    case .roundEnd(let end): wire.roundEnd = Tacit_V1_RoundEnd(end)
    case .aggregation(.advertisementList(let list)): wire.advertisementList = Tacit_V1_AdvertisementList(list)
    case .aggregation(.shareDelivery(let delivery)): wire.shareDelivery = Tacit_V1_ShareDelivery(delivery)
    case .aggregation(.survivorSet(let set)): wire.survivorSet = Tacit_V1_SurvivorSet(set)
    case .aggregation(.consistencySignatures(let signatures)):
      wire.consistencySignatures = Tacit_V1_ConsistencySignatures(signatures)
    case .aggregation(.abort(let abort)): wire.abort = Tacit_V1_Abort(abort)
    }
    return bytes(of: wire)
  }

  public static func encode(_ message: PartnerMessage) -> [UInt8] {
    var wire = Tacit_V1_PartnerMessage()
    switch message {
    case .refusal(let refusal): wire.refusal = Tacit_V1_RoundRefusal(refusal)
    case .plainSum(let sum): wire.plainSum = Tacit_V1_PlainSum(sum)
    case .aggregation(.keyAdvertisement(let keys)): wire.keyAdvertisement = Tacit_V1_KeyAdvertisement(keys)
    case .aggregation(.keyShares(let shares)): wire.keyShares = Tacit_V1_KeyShares(shares)
    case .aggregation(.maskedInput(let input)): wire.maskedInput = Tacit_V1_MaskedInput(input)
    case .aggregation(.consistencySignature(let signature)):
      wire.consistencySignature = Tacit_V1_ConsistencySignature(signature)
    case .aggregation(.unmaskResponse(let response)): wire.unmaskResponse = Tacit_V1_UnmaskResponse(response)
    case .aggregation(.abort(let abort)): wire.abort = Tacit_V1_Abort(abort)
    }
    return bytes(of: wire)
  }

  /// - Throws: `WireError` naming message and field.
  public static func decodeCoordinatorMessage(_ bytes: [UInt8]) throws(WireError) -> CoordinatorMessage {
    let wire: Tacit_V1_CoordinatorMessage = try parse(bytes, "CoordinatorMessage")
    switch wire.body {
    case .roundStart(let start): return .roundStart(try RoundStart(start))
    case .roundEnd(let end): return .roundEnd(try RoundEnd(end))
    case .advertisementList(let list): return .aggregation(.advertisementList(try .init(list)))
    case .shareDelivery(let delivery): return .aggregation(.shareDelivery(try .init(delivery)))
    case .survivorSet(let set): return .aggregation(.survivorSet(try .init(set)))
    case .consistencySignatures(let signatures): return .aggregation(.consistencySignatures(try .init(signatures)))
    case .abort(let abort): return .aggregation(.abort(try .init(abort)))
    case nil: throw WireError(message: "CoordinatorMessage", field: "body", reason: "is empty or of an unknown kind")
    }
  }

  /// - Throws: `WireError` naming message and field.
  public static func decodePartnerMessage(_ bytes: [UInt8]) throws(WireError) -> PartnerMessage {
    let wire: Tacit_V1_PartnerMessage = try parse(bytes, "PartnerMessage")
    switch wire.body {
    case .refusal(let refusal): return .refusal(try RoundRefusal(refusal))
    case .plainSum(let sum): return .plainSum(try PlainSum(sum))
    case .keyAdvertisement(let keys): return .aggregation(.keyAdvertisement(try .init(keys)))
    case .keyShares(let shares): return .aggregation(.keyShares(try .init(shares)))
    case .maskedInput(let input): return .aggregation(.maskedInput(try .init(input)))
    case .consistencySignature(let signature): return .aggregation(.consistencySignature(try .init(signature)))
    case .unmaskResponse(let response): return .aggregation(.unmaskResponse(try .init(response)))
    case .abort(let abort): return .aggregation(.abort(try .init(abort)))
    case nil: throw WireError(message: "PartnerMessage", field: "body", reason: "is empty or of an unknown kind")
    }
  }

  private static func bytes(of message: some SwiftProtobuf.Message) -> [UInt8] {
    // Serialising cannot fail: proto3 has no required fields and there are no extensions or Any.
    do { return try message.serializedBytes() } catch {
      preconditionFailure("a message of ours could not be serialised: \(error)")
    }
  }

  private static func parse<M: SwiftProtobuf.Message>(_ bytes: [UInt8], _ name: String) throws(WireError) -> M {
    guard bytes.count <= messageBytesMax else {
      throw WireError(message: name, field: "size", reason: "found \(bytes.count) bytes, at most \(messageBytesMax)")
    }
    do { return try M(serializedBytes: bytes) } catch {
      throw WireError(message: name, field: "bytes", reason: "not valid protobuf")
    }
  }
}
