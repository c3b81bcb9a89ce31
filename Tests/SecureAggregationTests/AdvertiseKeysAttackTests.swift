import CryptoPrimitives
import SecureAggregation
import Testing

/// Stage 1: forged keys, Sybils, a server in the middle, small cohorts, other plans.
@Suite struct AdvertiseKeysAttackTests {
  private let everybody = participants(5)

  private func otherKey(_ seed: UInt64 = 42) -> X25519.PublicKey {
    var random = KeyedRandomSource(insecureSeed: seed)
    return X25519.SecretKey(scalar: SecretBytes(count: 32, random: &random)).publicKey
  }

  @Test(
    "A server in the middle that swaps a peer's keys is refused by everybody", arguments: [0, 1, 2, 3, 4], TestGraph.allCases)
  func serverInTheMiddle(field: Int, graph: TestGraph) throws {
    let key = otherKey()
    let victim = everybody[2]
    let witness = try play(
      try rehearsal(5, graph: graph),
      server: rewriting(list: { list in
        switch field {
        case 0: list[2].channelPublicKey = key
        case 1: list[2].maskPublicKey = key
        case 2: list[2].selfMaskCommitment = list[2].selfMaskCommitment.flipped()
        case 3: list[2].maskSeedCommitment = list[2].maskSeedCommitment.flipped()
        default: list[2].ledger = LedgerHead(size: 1, head: .zero)
        }
      }))
    for participant in everybody where graph == .complete || participant != victim {
      #expect(witness.refusal(of: participant) == .badAdvertisementSignature)
      #expect(witness.suspects(of: participant) == [victim])
    }
    // In a drawn graph a client looks at the signatures of its holders, and it is none of them.
    if graph == .drawn { #expect(witness.refusal(of: victim) == .ownAdvertisementChanged) }
    #expect(witness.committed.isEmpty)
  }

  @Test("A Sybil outside the roster is refused, however well it signs", arguments: TestGraph.allCases)
  func sybil(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let key = SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 9, count: 32)))
    let sybil = KeyAdvertisement(
      signedBy: key, suite: .aes256CTR, context: rehearsal.context, participant: ParticipantID(1000),
      channelPublicKey: otherKey(1), maskPublicKey: otherKey(2), selfMaskCommitment: .zero,
      maskSeedCommitment: .zero, ledger: .empty)
    let witness = try play(rehearsal, server: rewriting(list: { $0.append(sybil) }))
    for participant in everybody { #expect(witness.refusal(of: participant) == .unknownParticipant) }
  }

  @Test(
    "An impostor that signs for an enrolled participant with a key of its own is refused by both sides",
    arguments: TestGraph.allCases)
  func impostor(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let key = SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 9, count: 32)))
    let impostor = KeyAdvertisement(
      signedBy: key, suite: .aes256CTR, context: rehearsal.context, participant: everybody[1],
      channelPublicKey: otherKey(1), maskPublicKey: otherKey(2), selfMaskCommitment: .zero,
      maskSeedCommitment: .zero, ledger: .empty)
    let fooled = try play(rehearsal, server: rewriting(list: { $0[1] = impostor }))
    #expect(fooled.refusal(of: everybody[0]) == .badAdvertisementSignature)
    let honest = try relay(rehearsal) { message, sender in
      if case .keyAdvertisement = message, sender == everybody[1] { return [.keyAdvertisement(impostor)] }
      return [message]
    }
    #expect(honest.report.serverRefusals[.badSignature] == 1)
  }

  @Test("Advertisements out of order or listed twice are refused", arguments: TestGraph.allCases)
  func orderAndRepetition(graph: TestGraph) throws {
    let reordered = try play(try rehearsal(5, graph: graph), server: rewriting(list: { $0.swapAt(0, 1) }))
    let repeated = try play(try rehearsal(5, graph: graph), server: rewriting(list: { $0.insert($0[3], at: 3) }))
    for participant in everybody {
      #expect(reordered.refusal(of: participant) == .notAscending)
      #expect(repeated.refusal(of: participant) == .notAscending)
    }
  }

  @Test("An advertisement of an earlier attempt is refused by both sides", arguments: TestGraph.allCases)
  func replayedAdvertisement(graph: TestGraph) throws {
    var old: [KeyAdvertisement] = []
    _ = try play(try rehearsal(5, graph: graph, attempt: 0), server: rewriting(list: { old = $0 }))
    let rehearsal = try rehearsal(5, graph: graph, attempt: 1)
    let fooled = try play(rehearsal, server: rewriting(list: { $0[1] = old[1] }))
    for participant in everybody { #expect(fooled.refusal(of: participant) == .wrongContext) }
    let honest = try relay(rehearsal) { message, sender in
      if case .keyAdvertisement = message, sender == everybody[1] { return [.keyAdvertisement(old[1])] }
      return [message]
    }
    #expect(honest.report.serverRefusals[.wrongContext] == 1)
  }

  @Test("Relabelling an old advertisement for this attempt or this plan breaks its signature", arguments: TestGraph.allCases)
  func relabelledAdvertisement(graph: TestGraph) throws {
    var old: [KeyAdvertisement] = []
    _ = try play(try rehearsal(5, graph: graph, attempt: 0), server: rewriting(list: { old = $0 }))
    let rehearsal = try rehearsal(5, graph: graph, attempt: 1)
    let witness = try play(
      rehearsal,
      server: rewriting(list: { list in
        list[1] = old[1]
        list[1].context = rehearsal.context
      }))
    #expect(witness.refusal(of: everybody[0]) == .badAdvertisementSignature)
  }

  @Test("Partners who were given different models or plans do not finish a round", arguments: TestGraph.allCases)
  func differentPlans(graph: TestGraph) throws {
    // The server shows everybody's advertisements under the context that the recipient expects.
    let rehearsal = try rehearsal(5, graph: graph)
    var list: [KeyAdvertisement] = []
    _ = try play(rehearsal, server: rewriting(list: { list = $0 }))
    let other = AttemptContext(
      session: rehearsal.context.session, round: 0, attempt: 0,
      binding: SHA256.hash(Array("another model".utf8)))
    var session = try ClientSession(
      parameters: rehearsal.parameters, context: other, participant: everybody[0],
      signingKey: try #require(rehearsal.identities[everybody[0]]), roster: rehearsal.roster, ledger: .empty,
      random: rehearsal.randomSource(of: everybody[0]))
    guard case .send(.keyAdvertisement(let own)) = session.advertise() else {
      Issue.record("no advertisement")
      return
    }
    // Honestly relayed, both sides see another context.
    var server = try AggregatorSession(
      parameters: rehearsal.parameters, context: rehearsal.context, roster: rehearsal.roster)
    #expect(server.receive(.keyAdvertisement(own), from: everybody[0]) == .refused(.wrongContext))
    // Relabelled by a lying server, the signatures do not fit.
    var relabelled = list
    relabelled[0] = own
    for index in 1..<5 { relabelled[index].context = other }
    let action = session.receive(.advertisementList(AdvertisementList(advertisements: relabelled)))
    guard case .refuse(let refusal) = action else {
      Issue.record("accepted another plan's advertisements")
      return
    }
    #expect(refusal.reason == .badAdvertisementSignature)
    expectTrue(session.isClosed)
  }

  @Test("A client whose own advertisement is left out or replaced by a clone's notices", arguments: TestGraph.allCases)
  func clonedClient(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let missing = try play(rehearsal, server: rewriting(everybody[0], list: { $0.remove(at: 0) }))
    #expect(missing.refusal(of: everybody[0]) == .ownAdvertisementChanged)
    // A clone with the same identity, in the same attempt, with other keys.
    let clone = KeyAdvertisement(
      signedBy: try #require(rehearsal.identities[everybody[0]]), suite: .aes256CTR,
      context: rehearsal.context,
      participant: everybody[0], channelPublicKey: otherKey(1), maskPublicKey: otherKey(2),
      selfMaskCommitment: .zero, maskSeedCommitment: .zero, ledger: .empty)
    let cloned = try play(rehearsal, server: rewriting(list: { $0[0] = clone }))
    #expect(cloned.refusal(of: everybody[0]) == .ownAdvertisementChanged)
    #expect(cloned.committed.isEmpty)
  }

  @Test("A cohort below the plan's threshold or n_min is refused by the clients themselves", arguments: TestGraph.allCases)
  func smallCohort(graph: TestGraph) throws {
    let byThreshold = try play(try rehearsal(5, graph: graph), server: rewriting(list: { $0.removeLast(2) }))
    for participant in everybody.prefix(3) {
      #expect(byThreshold.refusal(of: participant) == .tooFewParticipants)
    }
    let byMinimum = try play(
      try rehearsal(5, graph: graph, threshold: 3, minimumSurvivors: 5), server: rewriting(list: { $0.removeLast() }))
    for participant in everybody.prefix(4) {
      #expect(byMinimum.refusal(of: participant) == .tooFewParticipants)
    }
  }

  @Test("Another version or suite is refused, and relabelling breaks the signature", arguments: TestGraph.allCases)
  func downgrade(graph: TestGraph) throws {
    let version = try play(try rehearsal(5, graph: graph), server: rewriting(list: { $0[1].version = 0 }))
    #expect(version.refusal(of: everybody[0]) == .wrongVersion)
    let suite = try play(try rehearsal(5, graph: graph), server: rewriting(list: { $0[1].suite = 2 }))
    #expect(suite.refusal(of: everybody[0]) == .wrongSuite)
    // Everybody advertises suite 2; the server relabels it as suite 1, which this client uses.
    let other = try rehearsal(5, graph: graph, suite: .chaCha20)
    var list: [KeyAdvertisement] = []
    _ = try play(other, server: rewriting(list: { list = $0 }))
    let relabelled = try play(
      try rehearsal(5, graph: graph),
      server: rewriting(
        everybody[0],
        list: { own in
          for index in 1..<5 {
            own[index] = list[index]
            own[index].suite = 1
          }
        }))
    #expect(relabelled.refusal(of: everybody[0]) == .badAdvertisementSignature)
    let report = try relay(try rehearsal(5, graph: graph)) { message, sender in
      guard case .keyAdvertisement(var advertisement) = message else { return [message] }
      if sender == everybody[0] { advertisement.version = 7 }
      if sender == everybody[1] { advertisement.suite = 7 }
      return [.keyAdvertisement(advertisement)]
    }.report
    #expect(report.serverRefusals[.wrongVersion] == 1 && report.serverRefusals[.wrongSuite] == 1)
  }

  @Test(
    "A key of small order is kept out by an honest server and refused behind a lying one", arguments: [0, 1], TestGraph.allCases)
  func weakKey(field: Int, graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let weak = try #require(X25519.PublicKey(bytes: [1] + [UInt8](repeating: 0, count: 31)))
    let advertisement = KeyAdvertisement(
      signedBy: try #require(rehearsal.identities[everybody[4]]), suite: .aes256CTR,
      context: rehearsal.context,
      participant: everybody[4], channelPublicKey: field == 0 ? weak : otherKey(1),
      maskPublicKey: field == 1 ? weak : otherKey(2), selfMaskCommitment: .zero, maskSeedCommitment: .zero,
      ledger: .empty)
    let honest = try relay(rehearsal) { message, sender in
      if case .keyAdvertisement = message, sender == everybody[4] {
        return [.keyAdvertisement(advertisement)]
      }
      return [message]
    }
    #expect(honest.report.serverRefusals[.weakPublicKey] == 1)
    #expect(honest.report.sum?.survivors == Array(everybody.prefix(4)))
    let lying = try play(rehearsal, server: rewriting(list: { $0[4] = advertisement }))
    for participant in everybody.prefix(4) {
      #expect(lying.refusal(of: participant) == .weakPublicKey)
      #expect(lying.suspects(of: participant) == [everybody[4]])
    }
  }

  @Test(
    "The server takes an advertisement from its owner's connection only, once, and from the enrolled only",
    arguments: TestGraph.allCases)
  func connections(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    var list: [KeyAdvertisement] = []
    _ = try play(rehearsal, server: rewriting(list: { list = $0 }))
    var server = try AggregatorSession(
      parameters: rehearsal.parameters, context: rehearsal.context, roster: rehearsal.roster)
    #expect(server.receive(.keyAdvertisement(list[0]), from: everybody[1]) == .refused(.wrongSender))
    #expect(server.receive(.keyAdvertisement(list[0]), from: ParticipantID(1)) == .refused(.notEnrolled))
    #expect(server.receive(.keyAdvertisement(list[0]), from: everybody[0]) == .accepted)
    #expect(server.receive(.keyAdvertisement(list[0]), from: everybody[0]) == .refused(.duplicate))
    #expect(server.refusals == [.wrongSender: 1, .notEnrolled: 1, .duplicate: 1])
    #expect(server.awaited == Array(everybody.dropFirst()))
  }
}
