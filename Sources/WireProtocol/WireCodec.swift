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

  /// The most bytes outside of the messages that hold a model or a vector. What is left is lists with an entry for each
  /// participant, 700 kB for a thousand; a decoded entry takes far more memory than the two bytes that can ask for one.
  public static let listBytesMax = 1 << 20

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
    let wire: Tacit_V1_CoordinatorMessage = try parse(bytes, "CoordinatorMessage", bulk: [1])
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
    let wire: Tacit_V1_PartnerMessage = try parse(bytes, "PartnerMessage", bulk: [2, 5])
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

  /// - Parameter bulk: the fields that hold one model or one vector and no list: round_start; plain_sum, masked_input.
  private static func parse<M: SwiftProtobuf.Message>(
    _ bytes: [UInt8], _ name: String, bulk: Set<UInt64>
  ) throws(WireError) -> M {
    guard bytes.count <= messageBytesMax else {
      throw WireError(message: name, field: "size", reason: "found \(bytes.count) bytes, at most \(messageBytesMax)")
    }
    let listBytes = bytes.count - bulkBytes(of: bytes, in: bulk)
    guard listBytes <= listBytesMax else {
      throw WireError(message: name, field: "size", reason: "found lists of \(listBytes) bytes, at most \(listBytesMax)")
    }
    do { return try M(serializedBytes: bytes) } catch {
      throw WireError(message: name, field: "bytes", reason: "not valid protobuf")
    }
  }

  /// Bytes inside the top-level fields `bulk`. Reading ends at the first byte that is no field: what follows is no bulk.
  private static func bulkBytes(of bytes: [UInt8], in bulk: Set<UInt64>) -> Int {
    var position = 0
    var total = 0
    while let tag = varint(bytes, &position) {
      let length: UInt64
      switch tag & 7 {
      case 0:
        guard varint(bytes, &position) != nil else { return total }
        length = 0
      case 1: length = 8
      case 2:
        guard let found = varint(bytes, &position) else { return total }
        length = found
      case 5: length = 4
      default: return total
      }
      guard length <= UInt64(bytes.count - position) else { return total }
      position += Int(length)
      if tag & 7 == 2, bulk.contains(tag >> 3) { total += Int(length) }
    }
    return total
  }

  private static func varint(_ bytes: [UInt8], _ position: inout Int) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard position < bytes.count else { return nil }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
}
