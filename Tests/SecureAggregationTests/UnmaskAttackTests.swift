import CryptoPrimitives
import SecureAggregation
import Testing

/// Stage 5: a server that asks twice, holders and dealers that lie.
@Suite struct UnmaskAttackTests {
  private let everybody = participants(5)

  @Test("A client answers unmask once, and never with both kinds of share for one peer")
  func asksTwice() throws {
    let rehearsal = try rehearsal(5)
    var repeated: ServerMessage?
    let witness = try play(
      rehearsal, silentFrom: [everybody[4]: .maskedInput],
      server: { message, _ in
        if case .consistencySignatures = message {
          repeated = message
          return [message, message]
        }
        return [message]
      })
    #expect(repeated != nil)
    #expect(witness.revealed.count == 4)
    for participant in everybody.prefix(4) { #expect(witness.refusal(of: participant) == .sessionClosed) }
    for response in witness.revealed {
      #expect(response.entries.map(\.dealer) == everybody)
      #expect(
        response.entries.map(\.kind) == [.selfMask, .selfMask, .selfMask, .selfMask, .maskSeed])
    }
  }

  @Test("A holder that lies about a share is named, and the sum is right without it", arguments: [0, 1, 2])
  func lyingHolder(field: Int) throws {
    let rehearsal = try rehearsal(5)
    let inputs = inputs(rehearsal)
    let liar = everybody[1]
    let witness = try play(
      rehearsal, inputs: inputs,
      clients: { message, sender in
        guard case .unmaskResponse(var response) = message, sender == liar else { return [message] }
        switch field {
        case 0: response.entries[3].share = response.entries[3].share.flipped()
        case 1: response.entries[3].salt = response.entries[3].salt.flipped()
        default: response.entries[3].share = response.entries[2].share
        }
        return [.unmaskResponse(response)]
      })
    let sum = try #require(witness.report.sum)
    #expect(sum.suspects == [liar])
    #expect(sum.sum == plainSum(of: inputs, over: everybody, rehearsal.parameters))
    #expect(witness.report.serverRefusals == [.shareNotCommitted: 1])
  }

  @Test("Too many lying holders abort the attempt and are all named")
  func manyLyingHolders() throws {
    let liars = [everybody[1], everybody[3]]
    let witness = try relay(try rehearsal(5)) { message, sender in
      guard case .unmaskResponse(var response) = message, liars.contains(sender) else { return [message] }
      response.entries[0].share = response.entries[0].share.flipped()
      return [.unmaskResponse(response)]
    }
    #expect(witness.report.abort?.reason == .tooFewParticipants)
    #expect(witness.report.abort?.suspects == liars)
  }

  @Test("A lying holder cannot correct itself with a second answer")
  func secondAnswer() throws {
    let liar = everybody[1]
    let witness = try relay(try rehearsal(5)) { message, sender in
      guard case .unmaskResponse(let honest) = message, sender == liar else { return [message] }
      var response = honest
      response.entries[0].share = response.entries[0].share.flipped()
      return [.unmaskResponse(response), .unmaskResponse(honest)]
    }
    #expect(witness.report.serverRefusals == [.shareNotCommitted: 1, .notExpected: 1])
    #expect(witness.report.sum?.suspects == [liar])
  }

  @Test("A dealer whose shares open another self-mask seed than it committed to is named, and nobody else")
  func lyingDealerSelfMask() throws {
    let dealer = DishonestDealer(try rehearsal(5), everybody[3])
    let other = SecretBytes(copying: [UInt8](repeating: 7, count: 32))
    let witness = try dealer.play(.init(selfMaskSeed: other))
    #expect(witness.report.abort?.reason == .dealerLied)
    #expect(witness.report.abort?.suspects == [everybody[3]])
  }

  @Test("A dealer whose shares lie on no polynomial of degree t − 1 is named, and nobody else")
  func inconsistentDealer() throws {
    let dealer = DishonestDealer(try rehearsal(5), everybody[3])
    let holder = everybody[0]
    let witness = try dealer.play(.init(beforeCommitting: { id, pair in if id == holder { pair[9] ^= 1 } }))
    #expect(witness.report.abort?.reason == .dealerLied)
    #expect(witness.report.abort?.suspects == [everybody[3]])
  }

  @Test("A dropped dealer whose shares open another mask seed than it committed to is named")
  func lyingDealerMaskSeed() throws {
    let dealer = DishonestDealer(try rehearsal(5), everybody[3])
    let other = SecretBytes(copying: [UInt8](repeating: 7, count: 32))
    let witness = try dealer.play(.init(maskSeed: other), silentFrom: [everybody[3]: .maskedInput])
    #expect(witness.report.abort?.reason == .dealerLied)
    #expect(witness.report.abort?.suspects == [everybody[3]])
    // The same dealer telling the truth: the attempt ends with the sum of the others.
    let honest = try dealer.play(.init(), silentFrom: [everybody[3]: .maskedInput])
    #expect(honest.report.sum?.survivors == everybody.filter { $0 != everybody[3] })
  }

  @Test(
    "A dealer whose mask key or seed commitment is not its seed's is named when it drops",
    arguments: [true, false])
  func maskKeyNotFromSeed(wrongKey: Bool) throws {
    let rehearsal = try rehearsal(5)
    let liar = everybody[3]
    // Keys as the liar's session draws them, but another mask key or commitment in the signed advertisement.
    var random = rehearsal.randomSource(of: liar)
    let keys = KeyDerivation(suite: .aes256CTR, context: rehearsal.context)
    let channel = X25519.SecretKey(scalar: SecretBytes(count: 32, random: &random))
    let selfMaskSeed = SecretBytes(count: 32, random: &random)
    let maskSeed = SecretBytes(count: 32, random: &random)
    let chosen = X25519.SecretKey(scalar: SecretBytes(copying: [UInt8](repeating: 5, count: 32)))
    let advertisement = KeyAdvertisement(
      signedBy: try #require(rehearsal.identities[liar]), suite: .aes256CTR, context: rehearsal.context,
      participant: liar, channelPublicKey: channel.publicKey,
      maskPublicKey: wrongKey ? chosen.publicKey : keys.maskKeyPair(seed: maskSeed, of: liar).publicKey,
      selfMaskCommitment: keys.seedCommitment(.selfMask, seed: selfMaskSeed, of: liar),
      maskSeedCommitment: wrongKey ? keys.seedCommitment(.maskSeed, seed: maskSeed, of: liar) : .zero,
      ledger: .empty)
    var list: [KeyAdvertisement] = []
    let witness = try play(
      rehearsal,
      server: { message, recipient in
        guard case .advertisementList(let found) = message else { return recipient == liar ? [] : [message] }
        list = found.advertisements
        return recipient == liar ? [] : [message]
      },
      clients: { message, sender in
        if case .keyAdvertisement = message, sender == liar { return [.keyAdvertisement(advertisement)] }
        return [message]
      },
      beforeClosing: { server in
        guard server.stage == .shareKeys else { return }
        let deal = try? DishonestDealer(rehearsal, liar).keyShares(for: list, .init())
        if let deal { #expect(server.receive(.keyShares(deal), from: liar) == .accepted) }
      })
    #expect(witness.report.abort?.reason == .dealerLied)
    #expect(witness.report.abort?.suspects == [liar])
  }

  @Test("A response with the wrong kind of share, a dealer missing, twice or out of order is refused")
  func misshapenResponses() throws {
    func refusals(_ change: @escaping (inout UnmaskResponse) -> Void) throws -> [AggregatorRefusal: Int] {
      let witness = try relay(try rehearsal(5), silentFrom: [everybody[4]: .maskedInput]) { message, sender in
        guard case .unmaskResponse(var response) = message, sender == everybody[2] else { return [message] }
        change(&response)
        return [.unmaskResponse(response)]
      }
      #expect(witness.report.abort?.reason == .tooFewParticipants)
      return witness.report.serverRefusals
    }
    #expect(try refusals { $0.entries[4].kind = .selfMask } == [.wrongDealers: 1])
    #expect(try refusals { $0.entries[0].kind = .maskSeed } == [.wrongDealers: 1])
    #expect(try refusals { $0.entries.removeLast() } == [.wrongDealers: 1])
    #expect(try refusals { $0.entries.append($0.entries[0]) } == [.wrongDealers: 1])
    #expect(try refusals { $0.entries.swapAt(0, 1) } == [.wrongDealers: 1])
    #expect(try refusals { $0.participant = everybody[1] } == [.wrongSender: 1])
  }
}
