import CryptoPrimitives
import SecureAggregation
import Testing

/// Stage 3: late, repeated, misshapen vectors; what a masked input gives away.
@Suite struct MaskedInputAttackTests {
  private let everybody = participants(5)

  @Test(
    "A vector that arrives after its sender was declared dropped is refused, and could not be opened anyway",
    arguments: TestGraph.allCases)
  func lateVector(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph, dimension: 50, modulusBits: 20)
    let inputs = inputs(rehearsal)
    let late = everybody[1]
    var held: ClientMessage?
    var receipt: Receipt?
    var opened: [ParticipantID: [ShareValue]] = [:]
    var advertisements: [KeyAdvertisement] = []
    let witness = try play(
      rehearsal, inputs: inputs,
      server: { message, _ in
        if case .advertisementList(let list) = message { advertisements = list.advertisements }
        return [message]
      },
      clients: { message, sender in
        if case .maskedInput = message, sender == late {
          held = message
          return []
        }
        if case .unmaskResponse(let response) = message {
          for entry in response.entries where entry.dealer == late {
            opened[sender, default: []].append(entry.share)
          }
        }
        return [message]
      },
      beforeClosing: { server in
        if server.stage == .unmask, let held { receipt = server.receive(held, from: late) }
      })
    let sum = try #require(witness.report.sum)
    #expect(receipt == .refused(.stageClosed))
    #expect(sum.survivors == everybody.filter { $0 != late })
    #expect(sum.sum == plainSum(of: inputs, over: sum.survivors, rehearsal.parameters))

    // The server now holds the late vector and the sender's mask seed. It takes every pairwise mask off …
    guard case .maskedInput(let vector)? = held else {
      Issue.record("nothing was held back")
      return
    }
    let holders = opened.keys.sorted().prefix(4)
    let seed = try #require(
      SecretSharing.reconstruct(
        shares: holders.compactMap { opened[$0]?.first },
        weights: SecretSharing.weights(points: holders.compactMap { rehearsal.parameters.sharePoint(of: $0) })
      ))
    let keys = KeyDerivation(suite: .aes256CTR, context: rehearsal.context)
    let maskKey = keys.maskKeyPair(seed: seed, of: late)
    var stripped = try RingVector(packed: vector.packed, count: 50, modulusBits: 20)
    var masks: [Mask] = []
    for peer in advertisements where peer.participant != late {
      let key = try #require(
        keys.pairMaskKey(maskKey, of: late, with: peer.maskPublicKey, of: peer.participant))
      masks.append(Mask(key: key, sign: late < peer.participant ? .minus : .plus))
    }
    MaskExpansion.apply(masks, to: &stripped, suite: .aes256CTR, threads: 1)
    // … and what is left is the input under the self mask, whose seed nobody reveals.
    let input = try #require(inputs[late])
    let agreeing = (0..<50).filter { stripped[$0] == input[$0] }.count
    #expect(agreeing < 5)
    // The reconstruction above is right: with the self mask gone too, the input stands there.
    let selfMaskSeed = selfMaskSeed(of: late, rehearsal)
    MaskExpansion.apply(
      [Mask(key: keys.selfMaskKey(seed: selfMaskSeed, of: late), sign: .minus)], to: &stripped,
      suite: .aes256CTR,
      threads: 1)
    #expect(stripped == input)
  }

  private func selfMaskSeed(of participant: ParticipantID, _ rehearsal: AggregationRehearsal) -> SecretBytes {
    var random = rehearsal.randomSource(of: participant)
    _ = random.bytes(32)
    return SecretBytes(count: 32, random: &random)
  }

  @Test("A withheld participant that comes back in time is in the sum; a dropped one is not", arguments: TestGraph.allCases)
  func dropped(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let inputs = inputs(rehearsal)
    let gone = everybody[2]
    let witness = try play(
      rehearsal, inputs: inputs,
      clients: { message, sender in sender == gone && message.stage == .maskedInput ? [] : [message] },
      beforeClosing: { server in
        if server.stage == .maskedInput {
          #expect(server.awaited == [gone])
          #expect(!server.isStageComplete && server.canProceed)
          server.drop(gone)
          #expect(server.isStageComplete)
          let message = ClientMessage.maskedInput(
            MaskedInput(
              context: rehearsal.context, participant: gone, packed: [UInt8](repeating: 0, count: 10)))
          #expect(server.receive(message, from: gone) == .refused(.notExpected))
        }
      })
    #expect(witness.report.sum?.survivors == everybody.filter { $0 != gone })
  }

  @Test("Oversized, truncated and padded vectors are refused and leave the sum as it was", arguments: TestGraph.allCases)
  func misshapenVectors(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph, dimension: 5, modulusBits: 19)  // 95 bits: 12 bytes, one bit of padding
    let inputs = inputs(rehearsal)
    func play(_ change: @escaping (inout [UInt8]) -> Void) throws -> Witness {
      try relay(rehearsal, inputs: inputs) { message, sender in
        guard case .maskedInput(var input) = message, sender == everybody[3] else { return [message] }
        change(&input.packed)
        return [.maskedInput(input)]
      }
    }
    let expected = plainSum(of: inputs, over: everybody.filter { $0 != everybody[3] }, rehearsal.parameters)
    for (change, reason) in [
      ({ $0.append(0) }, .wrongLength), ({ $0.removeLast() }, .wrongLength),
      ({ $0.removeAll() }, .wrongLength),
      ({ $0[11] |= 0x80 }, .nonZeroPadding),
    ] as [((inout [UInt8]) -> Void, AggregatorRefusal)] {
      let witness = try play(change)
      #expect(witness.report.serverRefusals[reason] == 1)
      #expect(witness.report.sum?.sum == expected)
    }
  }

  @Test("A repeated vector counts once, and a vector over another's connection not at all", arguments: TestGraph.allCases)
  func repeatedVector(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let inputs = inputs(rehearsal)
    var first: ClientMessage?
    let witness = try play(
      rehearsal, inputs: inputs,
      clients: { message, sender in
        guard case .maskedInput = message else { return [message] }
        defer { first = first ?? message }
        return [message, message] + (first.map { [$0] } ?? [])
      })
    #expect(witness.report.serverRefusals == [.duplicate: 5, .wrongSender: 4])
    #expect(witness.report.sum?.sum == plainSum(of: inputs, over: everybody, rehearsal.parameters))
  }

  @Test("A masked input looks the same whatever it holds: same length, no entry left bare", arguments: TestGraph.allCases)
  func supportIsHidden(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph, dimension: 4000, modulusBits: 16)
    let zero = RingVector(count: 4000, modulusBits: 16)
    var inputs = Dictionary(uniqueKeysWithValues: everybody.map { ($0, zero) })
    // An item that only one partner touched.
    var integers = [Int64](repeating: 0, count: 4000)
    integers[1234] = 5
    inputs[everybody[1]] = RingVector(integers: integers, modulusBits: 16)
    let witness = try play(rehearsal, inputs: inputs)
    var lengths: Set<Int> = []
    for case .maskedInput(let masked) in witness.sent.map(\.message) {
      lengths.insert(masked.packed.count)
      let vector = try RingVector(packed: masked.packed, count: 4000, modulusBits: 16)
      let zeros = (0..<4000).filter { vector[$0] == 0 }.count
      #expect(zeros < 8)
      // Uniform: the mean of 4000 entries of 16 bits has a standard deviation of 299.
      let mean = (0..<4000).reduce(0.0) { $0 + Double(vector[$1]) } / 4000
      #expect(abs(mean - 32767.5) < 1500)
    }
    #expect(lengths == [8000])
    #expect(witness.report.sum?.sum.centred()[1234] == 5)
  }

  @Test("Inputs at the edge of the ring wrap around exactly and disturb no other entry", arguments: TestGraph.allCases)
  func edgeOfTheRing(graph: TestGraph) throws {
    for modulusBits in [8, 32, 33, 62] {
      let rehearsal = try rehearsal(5, graph: graph, dimension: 3, modulusBits: modulusBits)
      let edge = Int64(1) << Int64(modulusBits - 1)
      let inputs = Dictionary(
        uniqueKeysWithValues: everybody.enumerated().map { index, participant in
          (
            participant,
            RingVector(integers: [Int64(index), index == 2 ? edge : 1, -7], modulusBits: modulusBits)
          )
        })
      let sum = try #require(try rehearsal.run(inputs: inputs).sum).sum
      #expect(sum.centred() == [10, -edge + 4, -35])
    }
  }

  @Test("Two attempts with the same input share no mask", arguments: TestGraph.allCases)
  func attemptsShareNothing(graph: TestGraph) throws {
    func masked(_ attempt: UInt32) throws -> [RingVector] {
      let rehearsal = try rehearsal(5, graph: graph, dimension: 100, modulusBits: 32, attempt: attempt)
      let zero = RingVector(count: 100, modulusBits: 32)
      let witness = try play(
        rehearsal, inputs: Dictionary(uniqueKeysWithValues: everybody.map { ($0, zero) }))
      return try witness.sent.compactMap {
        guard case .maskedInput(let input) = $0.message else { return nil }
        return try RingVector(packed: input.packed, count: 100, modulusBits: 32)
      }
    }
    for (one, two) in zip(try masked(0), try masked(1)) {
      #expect((0..<100).allSatisfy { one[$0] != two[$0] })
    }
  }
}
