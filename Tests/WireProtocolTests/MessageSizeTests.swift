internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation
internal import Testing
internal import WireProtocol

@Suite struct MessageSizeTests {
  /// A field of an outer message whose body asks for one empty entry with every two bytes.
  private func hollowList(outer: UInt8, entry: UInt8, entries: Int) -> [UInt8] {
    var length = 2 * entries
    var bytes = [outer << 3 | 2]
    while length >= 0x80 {
      bytes.append(UInt8(length & 0x7F) | 0x80)
      length >>= 7
    }
    bytes.append(UInt8(length))
    for _ in 0..<entries { bytes += [entry << 3 | 2, 0] }
    return bytes
  }

  @Test func `a list of a million hollow entries is refused before memory is taken for it`() {
    let bytes = hollowList(outer: 4, entry: 2, entries: 1 << 20)
    let error = #expect(throws: WireError.self) { try WireCodec.decodeCoordinatorMessage(bytes) }
    #expect(error?.field == "size")
    let partner = #expect(throws: WireError.self) { try WireCodec.decodePartnerMessage(bytes) }
    #expect(partner?.field == "size")
  }

  @Test func `many small lists that protobuf would merge into one count together`() {
    let bytes = (0..<200).flatMap { _ in hollowList(outer: 4, entry: 2, entries: 4000) }
    let error = #expect(throws: WireError.self) { try WireCodec.decodeCoordinatorMessage(bytes) }
    #expect(error?.field == "size")
  }

  @Test func `a list behind bytes that are no field is not taken for bulk`() {
    let bytes = hollowList(outer: 5, entry: 3, entries: 8) + [0x0B] + hollowList(outer: 5, entry: 3, entries: 1 << 20)
    let error = #expect(throws: WireError.self) { try WireCodec.decodePartnerMessage(bytes) }
    #expect(error?.field == "size")
  }

  @Test func `a vector larger than any list is taken`() throws {
    let context = try sampleContext()
    let packed = [UInt8](repeating: 0xAB, count: 3 << 20)
    for message in [
      PartnerMessage.aggregation(
        .maskedInput(MaskedInput(context: context, participant: ParticipantID(1), packed: packed))),
      .plainSum(PlainSum(context: context, participant: ParticipantID(1), packed: packed)),
    ] {
      #expect(try WireCodec.decodePartnerMessage(WireCodec.encode(message)) == message)
    }
  }

  @Test func `the deliveries of the largest roster are taken`() throws {
    let signature = try #require(Signature(bytes: [UInt8](repeating: 255, count: 64)))
    let sealed = try #require(SealedShares(bytes: [UInt8](repeating: 255, count: 160)))
    let count = AggregationParameters.participantsMax
    let first = UInt32.max - UInt32(count)
    let delivery = ShareDelivery(
      context: try sampleContext(),
      entries: (0..<count).map {
        ShareDelivery.Entry(
          dealer: ParticipantID(first + UInt32($0)), root: .zero, signature: signature, selfMaskCommitment: .zero,
          maskSeedCommitment: .zero, sealed: sealed, path: [Digest](repeating: .zero, count: 10))
      })
    let message = CoordinatorMessage.aggregation(.shareDelivery(delivery))
    #expect(try WireCodec.decodeCoordinatorMessage(WireCodec.encode(message)) == message)
  }

  private func sampleContext() throws -> AttemptContext {
    let session = try #require(SessionID(bytes: [UInt8](repeating: 7, count: 16)))
    return AttemptContext(session: session, round: .max, attempt: .max, binding: .zero)
  }
}
