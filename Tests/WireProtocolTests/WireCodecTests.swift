internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation
internal import Testing
internal import WireProtocol

/// Random messages of every kind.
struct MessageMaker {
  var random: KeyedRandomSource

  init(seed: UInt64) { random = KeyedRandomSource(insecureSeed: seed) }

  mutating func number(_ bound: UInt64) -> Int { Int(random.uniform(below: bound)) }
  mutating func fixed<T: FixedBytes>(_ type: T.Type = T.self) -> T {
    while true {
      // Field elements are below 2^61 − 1: five words of 60 bits and less are shares in the one form that they have.
      var bytes = random.bytes(T.byteCount)
      if T.self == ShareValue.self { for word in 0..<5 { bytes[8 * word + 7] &= 0x0F } }
      if let value = T(bytes: bytes) { return value }
    }
  }
  mutating func participant() -> ParticipantID { ParticipantID(UInt32(number(1 << 32))) }
  mutating func context() -> AttemptContext {
    AttemptContext(session: fixed(), round: UInt32(number(3)), attempt: UInt32(number(1 << 32)), binding: fixed())
  }
  mutating func list<T>(_ bound: UInt64, _ make: (inout MessageMaker) -> T) -> [T] {
    (0..<number(bound)).map { _ in make(&self) }
  }
  mutating func abort() -> Abort {
    Abort(
      context: context(), reason: AbortReason.allCases[number(UInt64(AbortReason.allCases.count))],
      suspects: list(4) { $0.participant() })
  }
  mutating func release() -> ModelRelease {
    ModelRelease(
      session: fixed(), version: UInt32(number(9)), round: UInt32(number(9)), attempt: UInt32(number(9)), planHash: fixed(),
      modelHash: fixed(), ledgerSize: random.nextUInt64(), ledgerHead: fixed(), signature: fixed())
  }
  mutating func evaluation() -> ReleasedEvaluation {
    ReleasedEvaluation(
      entries: list(12) { Int64(bitPattern: $0.random.nextUInt64()) }, previousHead: fixed(), outcome: random.bytes(number(500)))
  }
  mutating func advertisement() -> KeyAdvertisement {
    KeyAdvertisement(
      version: UInt16(number(65536)), suite: UInt8(number(256)), context: context(), participant: participant(),
      channelPublicKey: fixed(), maskPublicKey: fixed(), selfMaskCommitment: fixed(), maskSeedCommitment: fixed(),
      ledger: LedgerHead(size: random.nextUInt64(), head: fixed()), signature: fixed())
  }

  /// One of the kinds that coordinators send, by number.
  mutating func coordinatorMessage(_ kind: Int) -> CoordinatorMessage {
    switch kind {
    case 0:
      .roundStart(
        RoundStart(
          session: fixed(), round: UInt32(number(9)), attempt: UInt32(number(9)), planHash: fixed(),
          model: random.bytes(number(300)), ledgerSize: random.nextUInt64(), ledgerHead: fixed(), signature: fixed()))
    case 1:
      .roundEnd(
        number(2) == 0
          ? RoundEnd(
            context: context(), abortReason: nil, release: release(), evaluation: number(2) == 0 ? nil : evaluation())
          : RoundEnd(context: context(), abortReason: AttemptAbort.allCases[number(UInt64(AttemptAbort.allCases.count))]))
    case 2: .aggregation(.advertisementList(AdvertisementList(advertisements: list(4) { $0.advertisement() })))
    case 3:
      .aggregation(
        .shareDelivery(
          ShareDelivery(
            context: context(), contributors: list(5) { $0.participant() },
            entries: list(4) { maker in
              ShareDelivery.Entry(
                dealer: maker.participant(), root: maker.fixed(), signature: maker.fixed(),
                selfMaskCommitment: maker.fixed(), maskSeedCommitment: maker.fixed(),
                sealed: maker.number(3) == 0 ? nil : maker.fixed(), path: maker.list(5) { $0.fixed() },
                sharesMask: maker.number(2) == 0, leafIndex: UInt32(maker.number(9)), leafCount: UInt32(maker.number(9)))
            })))
    case 4: .aggregation(.survivorSet(SurvivorSet(context: context(), survivors: list(9) { $0.participant() })))
    case 5:
      .aggregation(
        .consistencySignatures(
          ConsistencySignatures(
            context: context(),
            entries: list(5) { ConsistencySignatures.Entry(participant: $0.participant(), signature: $0.fixed()) })))
    default: .aggregation(.abort(abort()))
    }
  }

  /// One of the kinds that partners send, by number.
  mutating func partnerMessage(_ kind: Int) -> PartnerMessage {
    switch kind {
    case 0:
      .refusal(
        RoundRefusal(
          session: fixed(), round: UInt32(number(9)), attempt: UInt32(number(9)), participant: participant(),
          reason: PartnerRefusal.allCases[number(UInt64(PartnerRefusal.allCases.count))]))
    case 1: .plainSum(PlainSum(context: context(), participant: participant(), packed: random.bytes(number(99))))
    case 2: .aggregation(.keyAdvertisement(advertisement()))
    case 3:
      .aggregation(
        .keyShares(
          KeyShares(
            context: context(), dealer: participant(), root: fixed(), signature: fixed(),
            entries: list(4) { maker in
              KeyShares.Entry(
                holder: maker.participant(), selfMaskCommitment: maker.fixed(), maskSeedCommitment: maker.fixed(),
                sealed: maker.number(3) == 0 ? nil : maker.fixed(), sharesMask: maker.number(2) == 0)
            })))
    case 4:
      .aggregation(
        .maskedInput(MaskedInput(context: context(), participant: participant(), packed: random.bytes(number(99)))))
    case 5:
      .aggregation(
        .consistencySignature(
          ConsistencySignature(context: context(), participant: participant(), signature: fixed())))
    case 6:
      .aggregation(
        .unmaskResponse(
          UnmaskResponse(
            context: context(), participant: participant(),
            entries: list(4) { maker in
              UnmaskResponse.Entry(
                dealer: maker.participant(), kind: SecretKind.allCases[maker.number(2)], share: maker.fixed(),
                salt: maker.fixed())
            })))
    default: .aggregation(.abort(abort()))
    }
  }
}

@Suite struct WireCodecTests {
  @Test(arguments: 0..<7) func `what a coordinator sends survives the wire`(kind: Int) throws {
    var maker = MessageMaker(seed: UInt64(kind))
    for _ in 0..<200 {
      let message = maker.coordinatorMessage(kind)
      let bytes = WireCodec.encode(message)
      #expect(try WireCodec.decodeCoordinatorMessage(bytes) == message)
    }
  }

  @Test(arguments: 0..<8) func `what a partner sends survives the wire`(kind: Int) throws {
    var maker = MessageMaker(seed: 100 + UInt64(kind))
    for _ in 0..<200 {
      let message = maker.partnerMessage(kind)
      let bytes = WireCodec.encode(message)
      #expect(try WireCodec.decodePartnerMessage(bytes) == message)
    }
  }

  @Test func `an empty message and one of an unknown kind are refused by name`() {
    for bytes in [[], [0x7A, 0x00]] as [[UInt8]] {
      #expect(
        throws: WireError(message: "CoordinatorMessage", field: "body", reason: "is empty or of an unknown kind")
      ) { try WireCodec.decodeCoordinatorMessage(bytes) }
      #expect(throws: WireError(message: "PartnerMessage", field: "body", reason: "is empty or of an unknown kind")) {
        try WireCodec.decodePartnerMessage(bytes)
      }
    }
  }

  /// One length-delimited field; all lengths here are below 128 · 128.
  private func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
    let length: [UInt8] =
      content.count < 128 ? [UInt8(content.count)] : [UInt8(content.count & 127) | 128, UInt8(content.count >> 7)]
    return [number << 3 | 2] + length + content
  }
  private func varint(_ number: UInt8, _ value: UInt64) -> [UInt8] {
    var bytes = [number << 3]
    var rest = value
    while rest >= 128 {
      bytes.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
  private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
  private var context: [UInt8] { field(1, zeros(16)) + field(4, zeros(32)) }

  @Test func `a field of the wrong length is refused by message and field`() {
    func coordinator(_ message: String, _ name: String, _ kind: UInt8, _ body: [UInt8]) {
      do {
        _ = try WireCodec.decodeCoordinatorMessage(field(kind, body))
        Issue.record("accepted; expected an objection to \(message).\(name)")
      } catch { #expect((error.message, error.field) == (message, name), "\(error)") }
    }
    func partner(_ message: String, _ name: String, _ kind: UInt8, _ body: [UInt8]) {
      do {
        _ = try WireCodec.decodePartnerMessage(field(kind, body))
        Issue.record("accepted; expected an objection to \(message).\(name)")
      } catch { #expect((error.message, error.field) == (message, name), "\(error)") }
    }
    for count in [0, 15, 17, 32] { coordinator("RoundStart", "session", 1, field(1, zeros(count))) }
    let start = field(1, zeros(16))
    coordinator("RoundStart", "plan_hash", 1, start + field(4, zeros(31)))
    coordinator("RoundStart", "ledger_head", 1, start + field(4, zeros(32)) + field(7, zeros(33)))
    coordinator("RoundStart", "signature", 1, start + field(4, zeros(32)) + field(7, zeros(32)) + field(8, zeros(63)))
    coordinator("RoundEnd", "context", 2, [])
    coordinator("RoundEnd", "context.session", 2, field(1, field(4, zeros(32))))
    coordinator("RoundEnd", "context.binding", 2, field(1, field(1, zeros(16)) + field(4, zeros(31))))
    coordinator("RoundEnd", "abort_reason", 2, field(1, context) + varint(2, 4))
    coordinator("RoundEnd", "abort_reason", 2, field(1, context) + varint(2, 256))
    coordinator("RoundEnd", "release", 2, field(1, context))
    coordinator("RoundEnd", "release", 2, field(1, context) + varint(2, 1) + field(3, []))
    coordinator("ModelRelease", "session", 2, field(1, context) + field(3, []))
    coordinator("ModelRelease", "plan_hash", 2, field(1, context) + field(3, field(1, zeros(16)) + field(5, zeros(31))))
    let release = field(1, zeros(16)) + field(5, zeros(32)) + field(6, zeros(32))
    coordinator("ModelRelease", "ledger_head", 2, field(1, context) + field(3, release))
    coordinator("ModelRelease", "signature", 2, field(1, context) + field(3, release + field(8, zeros(32)) + field(9, zeros(63))))
    let released =
      field(1, context) + field(3, release + field(8, zeros(32)) + field(9, zeros(64)))
    coordinator("RoundEnd", "evaluation", 2, field(1, context) + varint(2, 1) + field(4, field(2, zeros(32))))
    coordinator("ReleasedEvaluation", "previous_head", 2, released + field(4, []))
    coordinator("ReleasedEvaluation", "previous_head", 2, released + field(4, field(2, zeros(31))))
    coordinator("ReleasedEvaluation", "outcome", 2, released + field(4, field(2, zeros(32)) + field(3, zeros(4097))))
    coordinator("Abort", "reason", 7, field(1, context))
    coordinator("Abort", "reason", 7, field(1, context) + varint(2, 255))
    coordinator("Abort", "reason", 7, field(1, context) + varint(2, 4_294_967_295))
    coordinator("SurvivorSet", "context", 5, varint(2, 3))
    coordinator("ConsistencySignatures", "entries.signature", 6, field(1, context) + field(2, field(2, zeros(63))))
    coordinator("KeyAdvertisement", "version", 3, field(1, varint(1, 65_536)))
    coordinator("KeyAdvertisement", "suite", 3, field(1, varint(2, 300)))
    coordinator("KeyAdvertisement", "context", 3, field(1, varint(1, 1)))
    coordinator("ShareDelivery", "entries.root", 4, field(1, context) + field(2, field(2, zeros(31))))
    coordinator(
      "ShareDelivery", "entries.path", 4,
      field(1, context) + field(2, field(2, zeros(32)) + field(7, zeros(31))))
    coordinator(
      "ShareDelivery", "entries.sealed", 4,
      field(1, context)
        + field(
          2,
          field(2, zeros(32)) + field(3, zeros(64)) + field(4, zeros(32)) + field(5, zeros(32)) + field(6, zeros(159))))
    partner("RoundRefusal", "reason", 1, field(1, zeros(16)))
    partner("RoundRefusal", "reason", 1, field(1, zeros(16)) + varint(5, 19))
    partner("RoundRefusal", "reason", 1, field(1, zeros(16)) + varint(5, 1 << 31))
    partner("RoundRefusal", "session", 1, field(1, zeros(3)) + varint(5, 1))
    partner("PlainSum", "context", 2, field(3, zeros(3)))
    partner("MaskedInput", "context", 5, [])
    partner("MaskedInput", "digest", 5, field(1, context) + field(3, zeros(3)))
    partner("MaskedInput", "packed", 5, field(1, context) + field(3, zeros(3)) + field(4, zeros(32)))
    partner("PlainSum", "packed", 2, field(1, context) + field(3, zeros(3)) + field(4, zeros(32)))
    partner("ConsistencySignature", "signature", 6, field(1, context) + field(3, zeros(65)))
    partner("UnmaskResponse", "entries.kind", 7, field(1, context) + field(3, varint(2, 3)))
    partner("UnmaskResponse", "entries.kind", 7, field(1, context) + field(3, varint(1, 1)))
    partner("UnmaskResponse", "entries.share", 7, field(1, context) + field(3, varint(2, 1) + field(3, zeros(39))))
    partner(
      "UnmaskResponse", "entries.share", 7,
      field(1, context) + field(3, varint(2, 1) + field(3, [UInt8](repeating: 255, count: 40)) + field(4, zeros(32))))
    partner(
      "UnmaskResponse", "entries.salt", 7,
      field(1, context) + field(3, varint(2, 1) + field(3, zeros(40)) + field(4, zeros(31))))
    partner("KeyShares", "entries.self_mask_commitment", 4, field(1, context) + field(5, varint(1, 1)))
    partner("KeyShares", "root", 4, field(1, context))
  }

  @Test func `cut anywhere, no message decodes to what was sent`() {
    var maker = MessageMaker(seed: 7)
    for kind in 0..<8 {
      let message = maker.partnerMessage(kind)
      let bytes = WireCodec.encode(message)
      for count in bytes.indices {
        #expect((try? WireCodec.decodePartnerMessage(Array(bytes.prefix(count)))) == nil)
      }
    }
    for kind in 0..<7 {
      let bytes = WireCodec.encode(maker.coordinatorMessage(kind))
      for count in bytes.indices {
        #expect((try? WireCodec.decodeCoordinatorMessage(Array(bytes.prefix(count)))) == nil)
      }
    }
  }

  @Test func `no bytes crash the codec`() {
    var maker = MessageMaker(seed: 3)
    for _ in 0..<10_000 {
      let bytes = maker.random.bytes(maker.number(200))
      _ = try? WireCodec.decodePartnerMessage(bytes)
      _ = try? WireCodec.decodeCoordinatorMessage(bytes)
    }
  }

  @Test func `damaged messages decode to something that encodes again, or not at all`() throws {
    var maker = MessageMaker(seed: 4)
    for round in 0..<10_000 {
      var bytes =
        round.isMultiple(of: 2)
        ? WireCodec.encode(maker.partnerMessage(round / 2 % 8)) : WireCodec.encode(maker.coordinatorMessage(round / 2 % 7))
      for _ in 0...maker.number(3) {
        bytes[maker.number(UInt64(bytes.count))] ^= UInt8(1 << maker.number(8))
      }
      if let message = try? WireCodec.decodePartnerMessage(bytes) {
        #expect(try WireCodec.decodePartnerMessage(WireCodec.encode(message)) == message)
      }
      if let message = try? WireCodec.decodeCoordinatorMessage(bytes) {
        #expect(try WireCodec.decodeCoordinatorMessage(WireCodec.encode(message)) == message)
      }
    }
  }

  @Test func `a bit damaged in a vector is noticed`() throws {
    for kind in [1, 4] {
      var maker = MessageMaker(seed: 9)
      let message = maker.partnerMessage(kind)
      let bytes = WireCodec.encode(message)
      for bit in 0..<bytes.count * 8 {
        var damaged = bytes
        damaged[bit / 8] ^= 1 << UInt8(bit % 8)
        switch (try? WireCodec.decodePartnerMessage(damaged), message) {
        case (.aggregation(.maskedInput(let found))?, .aggregation(.maskedInput(let sent))):
          #expect(found.packed == sent.packed && !found.packed.isEmpty)
        case (.plainSum(let found)?, .plainSum(let sent)): #expect(found.packed == sent.packed)
        default: break
        }
      }
    }
  }

  @Test func `groups nested without end are refused`() {
    let deep = [UInt8](repeating: 0x7B, count: 100_000)
    #expect(throws: WireError.self) { try WireCodec.decodePartnerMessage(deep) }
    #expect(throws: WireError.self) { try WireCodec.decodeCoordinatorMessage(deep) }
  }
}
