import CryptoPrimitives
import SecureAggregation
import Testing

/// A lying server, with corrupt participants, against the drawn graph.
@Suite struct DrawnGraphAttackTests {
  private let everybody = participants(12)
  private var victim: ParticipantID { everybody[0] }

  // MARK: - Nobody chooses the graph

  @Test("A server that tries who is in, and corrupt ones that try keys, do not move one holder of an honest client")
  func grinding() throws {
    let honest = try drawnRehearsal()
    let full = try #require(try graph(of: honest)[victim]).holders
    var seen: Set<[ParticipantID]> = []
    for trial in 0..<64 {
      var random = KeyedRandomSource(insecureSeed: UInt64(trial))
      let left = Set((0..<3).map { _ in everybody[1 + Int(random.uniform(below: 11))] })
      // Corrupt participants advertise with other keys in every trial: another rehearsal's client under the same context.
      let corrupt = everybody[11]
      let witness = try play(
        honest, silentFrom: Dictionary(uniqueKeysWithValues: left.map { ($0, AggregationStage.advertiseKeys) }),
        clients: { message, sender in
          guard case .keyAdvertisement = message, sender == corrupt else { return [message] }
          return [.keyAdvertisement(honest.forged(by: corrupt, random: &random))]
        })
      let present = full.filter { !left.contains($0) }
      let dealt = witness.deals[victim]?.holders
      #expect(dealt == (present.count >= 5 ? present : nil), "\(trial): without \(left)")
      seen.insert(present)
    }
    #expect(seen.count > 20)
  }

  @Test("Draws are uniform: every other participant is drawn equally often, in every place, and never oneself")
  func uniformDraws() throws {
    let roster = participants(20)
    var counts = [Int](repeating: 0, count: 20)
    var firsts = [Int](repeating: 0, count: 20)
    var random = KeyedRandomSource(insecureSeed: 5)
    for _ in 0..<4000 {
      let draw = HolderDraw(6, for: roster[7], of: roster, random: &random).order
      #expect(Set(draw).count == 6)
      for (rank, id) in roster.enumerated() {
        if draw.contains(id) { counts[rank] += 1 }
        if draw[0] == id { firsts[rank] += 1 }
      }
    }
    #expect(counts[7] == 0 && firsts[7] == 0)
    // 4000 · 6/19 = 1263 ± 29 and 4000/19 = 211 ± 14: five deviations.
    for rank in roster.indices where rank != 7 {
      #expect(abs(counts[rank] - 1263) < 147, "rank \(rank): \(counts[rank])")
      #expect(abs(firsts[rank] - 211) < 71, "rank \(rank): \(firsts[rank])")
    }
  }

  // MARK: - Different graphs for different participants

  @Test("A server that changes what a dealer said of the graph is refused", arguments: [0, 1, 2, 3])
  func tamperedEntry(field: Int) throws {
    let witness = try play(
      try drawnRehearsal(),
      server: rewriting(
        victim,
        delivery: { delivery in
          switch field {
          case 0: delivery.entries[1].sharesMask.toggle()
          case 1: delivery.entries[1].leafIndex ^= 1
          case 2: delivery.entries[1].leafCount += 1
          default: delivery.entries[1].selfMaskCommitment = delivery.entries[1].selfMaskCommitment.flipped()
          }
        }))
    #expect(witness.refusal(of: victim) == (field == 2 ? .badShareSignature : .shareNotUnderRoot))
    #expect(!witness.committed.contains(victim))
  }

  @Test("A share that was dealt to another holder is refused")
  func anothersShare() throws {
    let deals = try graph(of: try drawnRehearsal())
    // A dealer that did not draw the victim.
    let dealer = try #require(deals.values.first { !$0.holders.contains(victim) && $0.dealer != victim })
    var stolen: ShareDelivery.Entry?
    let holder = dealer.holders[0]
    for isCollecting in [true, false] {
      let witness = try play(
        try drawnRehearsal(),
        server: { message, recipient in
          guard case .shareDelivery(var delivery) = message else { return [message] }
          if isCollecting, recipient == holder {
            stolen = delivery.entries.first { $0.dealer == dealer.dealer }
          }
          if !isCollecting, recipient == victim, let stolen {
            delivery.entries = (delivery.entries + [stolen]).sorted { $0.dealer < $1.dealer }
          }
          return [.shareDelivery(delivery)]
        })
      if !isCollecting { #expect(witness.refusal(of: victim) == .shareNotUnderRoot) }
    }
    #expect(stolen != nil)
  }

  @Test("Different lists of advertisements for two halves end before any input is committed")
  func splitAdvertisements() throws {
    let halves = Set(everybody.prefix(6))
    let witness = try play(
      try drawnRehearsal(minimumSurvivors: 7),
      server: { message, recipient in
        guard case .advertisementList(var list) = message else { return [message] }
        if halves.contains(recipient) { list.advertisements.removeLast() }
        return [.advertisementList(list)]
      })
    #expect(witness.committed.count < 8)
    #expect(witness.revealed.isEmpty)
  }

  @Test("Different sets of contributors for two clients lead to different transcripts, and no share of the misled is opened")
  func splitContributors() throws {
    let target = everybody[11]
    let witness = try play(
      try drawnRehearsal(), silentFrom: [target: .maskedInput],
      server: { message, recipient in
        guard case .shareDelivery(var delivery) = message, recipient == victim else { return [message] }
        delivery.contributors.removeAll { $0 == target }
        delivery.entries.removeAll { $0.dealer == target }
        return [.shareDelivery(delivery)]
      })
    // Its signature is on another transcript than everybody's: the honest part of the server refuses it.
    #expect(witness.report.serverRefusals[.badSignature] == 1)
    #expect(!witness.revealed.contains { $0.participant == victim })
  }

  @Test("An advertisement that is not signed is noticed by those who drew its sender, before they deal to it")
  func forgedAdvertisement() throws {
    let holder = try #require(try graph(of: try drawnRehearsal())[victim]).holders[0]
    let witness = try play(
      try drawnRehearsal(),
      server: rewriting(
        victim,
        list: { list in
          for index in list.indices where list[index].participant == holder {
            list[index].maskSeedCommitment = list[index].maskSeedCommitment.flipped()
          }
        }))
    #expect(witness.refusal(of: victim) == .badAdvertisementSignature)
    #expect(witness.suspects(of: victim) == [holder])
    #expect(witness.deals[victim] == nil)
  }

  @Test("A client vouches for the ledgers of those only whose signature it has checked")
  func verifiedAdvertisers() throws {
    let rehearsal = try drawnRehearsal()
    var list: AdvertisementList?
    _ = try play(rehearsal, server: rewriting(victim, list: { list = AdvertisementList(advertisements: $0) }))
    var session = try rehearsal.client(victim)
    #expect(session.verifiedAdvertisers.isEmpty)
    _ = session.advertise()
    guard case .send(.keyShares(let deal)) = session.receive(.advertisementList(try #require(list))) else {
      Issue.record("the victim does not deal")
      return
    }
    #expect(session.verifiedAdvertisers == Set(deal.holders))
  }

  // MARK: - Participants with too few neighbours

  @Test("A client of whose holders fewer than t advertised deals nothing")
  func tooFewAdvertise() throws {
    let holders = try #require(try graph(of: try drawnRehearsal())[victim]).holders
    for missing in [2, 3] {
      let witness = try play(
        try drawnRehearsal(),
        silentFrom: Dictionary(
          uniqueKeysWithValues: holders.prefix(missing).map { ($0, AggregationStage.advertiseKeys) }))
      #expect(witness.refusal(of: victim) == (missing == 3 ? .tooFewHolders : nil))
      #expect((witness.deals[victim] == nil) == (missing == 3))
    }
  }

  @Test("A client of whose holders fewer than t are said to contribute hands over no input")
  func tooFewContribute() throws {
    let holders = try #require(try graph(of: try drawnRehearsal())[victim]).holders
    for missing in [2, 3] {
      let gone = Set(holders.prefix(missing))
      let witness = try play(
        try drawnRehearsal(),
        server: rewriting(
          victim,
          delivery: {
            $0.contributors.removeAll(where: gone.contains)
            $0.entries.removeAll { gone.contains($0.dealer) }
          }))
      // The survivors are then none that it was told of.
      #expect(witness.refusal(of: victim) == (missing == 3 ? .tooFewHolders : .survivorNotContributor))
      #expect(witness.committed.contains(victim) == (missing == 2))
    }
  }

  @Test("A server that lets all mask peers of one client drop out, to be alone with it, gets no signature of it")
  func isolatedClient() throws {
    let rehearsal = try drawnRehearsal(minimumSurvivors: 7)
    let deals = try graph(of: rehearsal)
    let peers = Set(try #require(deals[victim]).maskPeers)
    #expect(peers.count == 5)
    let witness = try play(
      rehearsal, server: rewriting(survivors: { $0.survivors.removeAll(where: peers.contains) }))
    #expect(witness.refusal(of: victim) == .tooFewHolders)
    #expect(!witness.sent.contains { if case .consistencySignature = $0.message { $0.sender == victim } else { false } })
    #expect(witness.revealed.isEmpty)
    // As many as k − t may be missing: then the client signs, for at least one of its masks holds.
    let two = Set(peers.sorted().prefix(2))
    let tolerated = try play(rehearsal, silentFrom: Dictionary(uniqueKeysWithValues: two.map { ($0, .maskedInput) }))
    #expect(tolerated.refusal(of: victim) == nil)
  }

  // MARK: - Both secrets of one participant

  @Test("Holders that are told different survivor sets reveal no share that the others' would complete", arguments: 1..<7)
  func bothSecrets(misled: Int) throws {
    let rehearsal = try drawnRehearsal()
    let deals = try graph(of: rehearsal)
    let holders = try #require(deals[victim]).holders
    let told = Set(holders.prefix(misled))
    var signatures: [ParticipantID: Signature] = [:]
    // The server drops its own checks: whoever signs is handed the signatures of its own group.
    let witness = try play(
      rehearsal,
      server: { message, recipient in
        switch message {
        case .survivorSet(var set):
          if told.contains(recipient) { set.survivors.removeAll { $0 == victim } }
          return [.survivorSet(set)]
        case .consistencySignatures(let honest):
          let group = honest.entries.filter { told.contains($0.participant) == told.contains(recipient) }
          return [.consistencySignatures(ConsistencySignatures(context: honest.context, entries: group))]
        default: return [message]
        }
      },
      clients: { message, sender in
        if case .consistencySignature(let signature) = message { signatures[sender] = signature.signature }
        return [message]
      })
    #expect(signatures.count >= 11)
    let threshold = rehearsal.parameters.threshold
    let kinds = SecretKind.allCases.map { witness.revealed(of: victim, $0).count }
    #expect(kinds.min() ?? 0 < threshold, "\(kinds)")
    #expect(!witness.revealed(of: victim, .selfMask).contains { told.contains($0) })
    for response in witness.revealed {
      #expect(Set(response.entries.map(\.dealer)).count == response.entries.count)
    }
  }

  @Test("A client answers unmask once: asked again with another set it has nothing left to say")
  func asksTwice() throws {
    let witness = try play(
      try drawnRehearsal(),
      server: { message, _ in
        guard case .consistencySignatures = message else { return [message] }
        return [message, message]
      })
    #expect(witness.revealed.count == 12)
    for participant in everybody { #expect(witness.refusal(of: participant) == .sessionClosed) }
  }

  @Test("Signatures of others than its own holders open nothing, however many there are")
  func strangersSign() throws {
    let rehearsal = try drawnRehearsal()
    let own = Set(try #require(try graph(of: rehearsal)[victim]).holders)
    var all: [ConsistencySignatures.Entry] = []
    _ = try play(
      rehearsal,
      server: rewriting(signatures: { signatures in
        for entry in signatures.entries where !all.contains(entry) { all.append(entry) }
      }))
    all.sort { $0.participant < $1.participant }
    #expect(all.count == 12)
    let strangers = all.filter { !own.contains($0.participant) }
    let foreign = try play(rehearsal, server: rewriting(victim, signatures: { $0.entries = strangers }))
    #expect(foreign.refusal(of: victim) == .signerNotHolder)
    // t − 1 holders and its own signature are t signatures, and one too few.
    let few = all.filter { own.contains($0.participant) }.prefix(4) + all.filter { $0.participant == victim }
    let short = try play(
      rehearsal,
      server: rewriting(victim, signatures: { $0.entries = few.sorted { $0.participant < $1.participant } }))
    #expect(short.refusal(of: victim) == .tooFewSignatures)
    let anonymous = try play(
      rehearsal,
      server: rewriting(victim, signatures: { signatures in signatures.entries.removeAll { $0.participant == victim } }))
    #expect(anonymous.refusal(of: victim) == .ownSignatureMissing)
    for witness in [foreign, short, anonymous] { #expect(!witness.revealed.contains { $0.participant == victim }) }
  }

  // MARK: - Malformed deliveries

  @Test("Deliveries with a stranger, without oneself, out of order or with too few are refused")
  func deliveryShape() throws {
    func refusal(_ change: @escaping (inout ShareDelivery) -> Void) throws -> ClientRefusalReason? {
      try play(try drawnRehearsal(), server: rewriting(victim, delivery: change)).refusal(of: victim)
    }
    #expect(try refusal { $0.contributors.append(ParticipantID(1000)) } == .unknownDealer)
    #expect(try refusal { $0.contributors.removeFirst() } == .ownSharesChanged)
    #expect(try refusal { $0.contributors.swapAt(2, 3) } == .notAscending)
    #expect(try refusal { $0.contributors.insert($0.contributors[3], at: 3) } == .notAscending)
    #expect(try refusal { $0.contributors.removeLast(5) } == .tooFewParticipants)
    #expect(try refusal { $0.contributors = [] } == .tooFewParticipants)
    #expect(try refusal { $0.entries.swapAt(0, 1) } == .notAscending)
    #expect(
      try refusal { delivery in
        let dealer = delivery.entries[0].dealer
        delivery.contributors.removeAll { $0 == dealer }
      } == .unknownDealer)
    #expect(try refusal { $0.entries[0].sealed = nil } == .shareNotUnderRoot)
    let oneself = everybody[0]
    #expect(
      try refusal { delivery in
        var own = delivery.entries[0]
        own.dealer = oneself
        delivery.entries.insert(own, at: 0)
      } == .unknownDealer)
  }

  // MARK: - Lying participants against the server

  @Test("The server refuses deals to oneself, to the absent, to too many or too few, and with too many masks")
  func serverSide() throws {
    let liar = everybody[1]
    func refusals(_ change: @escaping (inout KeyShares) -> Void) throws -> [AggregatorRefusal: Int] {
      let witness = try relay(try drawnRehearsal(), silentFrom: [everybody[11]: .advertiseKeys]) { message, sender in
        guard case .keyShares(var shares) = message, sender == liar else { return [message] }
        change(&shares)
        return [.keyShares(shares)]
      }
      #expect(witness.report.sum?.survivors.contains(liar) != true)
      return witness.report.serverRefusals.filter { $0.key != .notExpected }
    }
    let everybody = everybody
    #expect(try refusals { $0.entries[0].holder = liar } == [.wrongHolders: 1])
    #expect(try refusals { $0.entries[$0.entries.count - 1].holder = everybody[11] } == [.wrongHolders: 1])
    #expect(try refusals { $0.entries.removeLast($0.entries.count - 4) } == [.wrongHolders: 1])
    #expect(try refusals { $0.entries.swapAt(0, 1) } == [.wrongHolders: 1])
    #expect(try refusals { $0.entries[0].sealed = nil } == [.wrongHolders: 1])
    #expect(
      try refusals { shares in
        let held = Set(shares.holders)
        for id in everybody.dropLast() where id != liar && !held.contains(id) {
          var entry = shares.entries[0]
          entry.holder = id
          shares.entries.append(entry)
        }
        shares.entries.sort { $0.holder < $1.holder }
      } == [.wrongHolders: 1])
    #expect(
      try refusals { shares in for index in shares.entries.indices { shares.entries[index].sharesMask = true } }
        == [.wrongHolders: 1])
    #expect(
      try refusals { shares in
        if let index = shares.entries.firstIndex(where: \.sharesMask) { shares.entries[index].sharesMask = false }
      } == [.wrongRoot: 1])
    #expect(try refusals { $0.signature = $0.signature.flipped() } == [.badSignature: 1])
  }

  @Test("A holder that lies about a share, or answers for others than its dealers, is out, and the sum is right without it")
  func lyingHolder() throws {
    let rehearsal = try drawnRehearsal()
    let liar = everybody[1]
    let given = inputs(rehearsal)
    for isFalseShare in [true, false] {
      let witness = try relay(rehearsal, inputs: given) { message, sender in
        guard case .unmaskResponse(var response) = message, sender == liar else { return [message] }
        if isFalseShare {
          response.entries[0].share = response.entries[0].share.flipped()
        } else {
          response.entries.removeLast()
        }
        return [.unmaskResponse(response)]
      }
      let sum = try #require(witness.report.sum)
      #expect(sum.suspects == (isFalseShare ? [liar] : []))
      #expect(sum.sum == plainSum(of: given, over: everybody, rehearsal.parameters))
      #expect(witness.report.serverRefusals == [isFalseShare ? .shareNotCommitted : .wrongDealers: 1])
    }
  }
}

extension AggregationRehearsal {
  /// Another advertisement of a participant, properly signed: what a corrupt one can make as many of as it likes.
  func forged(by participant: ParticipantID, random: inout KeyedRandomSource) -> KeyAdvertisement {
    guard let identity = identities[participant], let digest = Digest(bytes: random.bytes(32)) else {
      preconditionFailure("a participant of the rehearsal")
    }
    return KeyAdvertisement(
      signedBy: identity, suite: parameters.suite, context: context, participant: participant,
      channelPublicKey: X25519.SecretKey(scalar: SecretBytes(count: 32, random: &random)).publicKey,
      maskPublicKey: X25519.SecretKey(scalar: SecretBytes(count: 32, random: &random)).publicKey,
      selfMaskCommitment: digest, maskSeedCommitment: digest, ledger: .empty)
  }
}
