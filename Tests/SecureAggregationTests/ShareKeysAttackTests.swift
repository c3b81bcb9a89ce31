import CryptoPrimitives
import SecureAggregation
import Testing

/// Stage 2: tampered and poisoned shares, forged roots, split views.
@Suite struct ShareKeysAttackTests {
  private let everybody = participants(5)
  private var victim: ParticipantID { everybody[0] }

  @Test(
    "A server that changes a delivered share is refused, and no dealer is blamed", arguments: [0, 1, 2, 3, 4])
  func tamperedDelivery(field: Int) throws {
    let witness = try play(
      try rehearsal(5),
      server: rewriting(
        victim,
        delivery: { delivery in
          switch field {
          case 0: delivery.entries[2].sealed = delivery.entries[2].sealed?.flipped(at: 77)
          case 1: delivery.entries[2].selfMaskCommitment = delivery.entries[2].selfMaskCommitment.flipped()
          case 2: delivery.entries[2].maskSeedCommitment = delivery.entries[2].maskSeedCommitment.flipped()
          case 3: delivery.entries[2].path[0] = delivery.entries[2].path[0].flipped()
          default: delivery.entries[2].sealed = nil
          }
        }))
    #expect(witness.refusal(of: victim) == .shareNotUnderRoot)
    #expect(witness.suspects(of: victim) == [])
    #expect(!witness.committed.contains(victim))
    // The others go on without it.
    #expect(witness.report.sum?.survivors == Array(everybody.dropFirst()))
  }

  @Test("A server that hands one holder another's share is refused")
  func swappedShares() throws {
    var stolen: ShareDelivery.Entry?
    let witness = try play(
      try rehearsal(5),
      server: rewriting(delivery: { delivery in
        // The second holder's entry of the third dealer goes to the third holder and so on.
        let kept = delivery.entries[4]
        if let stolen, stolen.path != kept.path { delivery.entries[4] = stolen }
        stolen = kept
      }))
    #expect(witness.refusal(of: everybody[1]) == .shareNotUnderRoot)
  }

  @Test("A forged root is refused, and so is a root signed for another list of advertisements")
  func forgedRoot() throws {
    let witness = try play(
      try rehearsal(5),
      server: rewriting(victim, delivery: { $0.entries[2].root = $0.entries[2].root.flipped() }))
    #expect(witness.refusal(of: victim) == .badShareSignature)
    let signature = try play(
      try rehearsal(5),
      server: rewriting(victim, delivery: { $0.entries[2].signature = $0.entries[2].signature.flipped() }))
    #expect(signature.refusal(of: victim) == .badShareSignature)
  }

  @Test("Different lists of advertisements for different clients end before any input is committed")
  func splitAdvertisements() throws {
    // Two clients are told of all five, three of four only.
    let witness = try play(
      try rehearsal(5, threshold: 3),
      server: { message, recipient in
        guard case .advertisementList(var list) = message else { return [message] }
        if recipient != everybody[0], recipient != everybody[4] { list.advertisements.removeLast() }
        return [.advertisementList(list)]
      })
    #expect(witness.committed.isEmpty)
    #expect(witness.revealed.isEmpty)
  }

  @Test("A dealer's ciphertext that does not open ends the attempt for its holder, which skips nobody")
  func poisonedCiphertext() throws {
    let dealer = DishonestDealer(try rehearsal(5), everybody[3])
    let victim = victim
    let witness = try dealer.play(
      .init(afterSealing: { holder, ciphertext in if holder == victim { ciphertext[0] ^= 1 } }))
    #expect(witness.refusal(of: victim) == .sharesDoNotOpen)
    #expect(witness.suspects(of: victim) == [everybody[3]])
    #expect(!witness.committed.contains(victim))
  }

  @Test(
    "Shares that are not the committed ones end the attempt for their holder", arguments: [0, 50, 80, 140])
  func poisonedShares(byte: Int) throws {
    let dealer = DishonestDealer(try rehearsal(5), everybody[3])
    let victim = victim
    let witness = try dealer.play(
      .init(beforeSealing: { holder, pair in if holder == victim { pair[byte] ^= 1 } }))
    #expect(witness.refusal(of: victim) == .shareCommitmentMismatch)
    #expect(witness.suspects(of: victim) == [everybody[3]])
    #expect(!witness.committed.contains(victim))
  }

  @Test("Shares with an element outside the field end the attempt for their holder", arguments: [0, 72])
  func nonCanonicalShares(start: Int) throws {
    let dealer = DishonestDealer(try rehearsal(5), everybody[3])
    let victim = victim
    let witness = try dealer.play(
      .init(beforeCommitting: { holder, pair in
        // 2^61 − 1 exactly, least significant byte first.
        if holder == victim {
          pair.replaceSubrange(start..<start + 8, with: [255, 255, 255, 255, 255, 255, 255, 31])
        }
      }))
    #expect(witness.refusal(of: victim) == .sharesNotCanonical)
    #expect(witness.suspects(of: victim) == [everybody[3]])
  }

  @Test("A delivery that leaves a client's own deal out, changes it or adds an unknown dealer is refused")
  func ownDeal() throws {
    let missing = try play(
      try rehearsal(5), server: rewriting(victim, delivery: { $0.entries.remove(at: 0) }))
    #expect(missing.refusal(of: victim) == .ownSharesChanged)
    let changed = try play(
      try rehearsal(5),
      server: rewriting(victim, delivery: { $0.entries[0].root = $0.entries[0].root.flipped() }))
    #expect(changed.refusal(of: victim) == .ownSharesChanged)
    let unknown = try play(
      try rehearsal(5), server: rewriting(victim, delivery: { $0.entries[4].dealer = ParticipantID(1000) }))
    #expect(unknown.refusal(of: victim) == .unknownDealer)
  }

  @Test("Deliveries out of order, with a dealer twice or with too few dealers are refused")
  func deliveryShape() throws {
    let reordered = try play(
      try rehearsal(5), server: rewriting(victim, delivery: { $0.entries.swapAt(1, 2) }))
    #expect(reordered.refusal(of: victim) == .notAscending)
    let repeated = try play(
      try rehearsal(5), server: rewriting(victim, delivery: { $0.entries.insert($0.entries[2], at: 2) }))
    #expect(repeated.refusal(of: victim) == .notAscending)
    let few = try play(try rehearsal(5), server: rewriting(victim, delivery: { $0.entries.removeLast(2) }))
    #expect(few.refusal(of: victim) == .tooFewParticipants)
  }

  @Test("The server refuses shares for the wrong holders, under a wrong root or with a wrong signature")
  func serverSide() throws {
    func refusals(_ change: @escaping (inout KeyShares) -> Void) throws -> [AggregatorRefusal: Int] {
      let witness = try relay(try rehearsal(5)) { message, sender in
        guard case .keyShares(var shares) = message, sender == everybody[1] else { return [message] }
        change(&shares)
        return [.keyShares(shares)]
      }
      // One that is refused is a dropout; the attempt goes on.
      #expect(witness.report.sum?.survivors == everybody.filter { $0 != everybody[1] })
      return witness.report.serverRefusals.filter { $0.key != .notExpected }
    }
    #expect(try refusals { $0.entries.swapAt(0, 2) } == [.wrongHolders: 1])
    #expect(try refusals { $0.entries.removeLast() } == [.wrongHolders: 1])
    #expect(try refusals { $0.entries.append($0.entries[0]) } == [.wrongHolders: 1])
    #expect(try refusals { $0.entries[0].sealed = nil } == [.wrongHolders: 1])
    #expect(try refusals { $0.entries[1].sealed = $0.entries[0].sealed } == [.wrongHolders: 1])
    #expect(try refusals { $0.entries[0].sealed = $0.entries[0].sealed?.flipped() } == [.wrongRoot: 1])
    #expect(
      try refusals { $0.entries[0].maskSeedCommitment = $0.entries[0].maskSeedCommitment.flipped() }
        == [.wrongRoot: 1])
    #expect(try refusals { $0.signature = $0.signature.flipped() } == [.badSignature: 1])
    #expect(
      try refusals {
        $0.context = AttemptContext(session: $0.context.session, round: 9, attempt: 0, binding: .zero)
      } == [.wrongContext: 1])
  }
}
