import CryptoPrimitives
import SecureAggregation
import Testing

/// Stage 4: a server that tells partners different survivor sets, and every set that a client must not sign.
@Suite struct ConsistencyAttackTests {
  private let everybody = participants(5)
  private var victim: ParticipantID { everybody[0] }

  @Test(
    "A server that tells partners different survivor sets learns no share at all", arguments: [1, 2, 3, 4])
  func splitSurvivorSets(misled: Int) throws {
    // The last participant's input has arrived. `misled` clients are told that it has dropped, the others that it has
    // not: with both answers the server could open both of its secrets.
    let target = everybody[4]
    let told = Set(everybody.prefix(misled))
    let witness = try play(
      try rehearsal(5),
      server: { message, recipient in
        guard case .survivorSet(var set) = message, told.contains(recipient) else { return [message] }
        set.survivors.removeAll { $0 == target }
        return [.survivorSet(set)]
      })
    assertNeverBothKinds(witness)
    #expect(Set(witness.revealed.flatMap(\.entries).filter { $0.dealer == target }.map(\.kind)).count <= 1)
    // Four that were told the same are t: they finish without the fifth. Smaller groups do not.
    #expect((witness.report.sum != nil) == (misled == 1))
    #expect(!witness.revealed.contains { told.contains($0.participant) })
  }

  @Test("Nor does it when it shows each group only the signatures that fit", arguments: [1, 2, 3])
  func splitSurvivorSetsSorted(misled: Int) throws {
    let target = everybody[4]
    let told = Set(everybody.prefix(misled))
    let rehearsal = try rehearsal(5)
    // By hand: collect both groups' signatures past the honest server's checks, and hand each its own.
    var signatures: [ParticipantID: Signature] = [:]
    let witness = try play(
      rehearsal,
      server: { message, recipient in
        switch message {
        case .survivorSet(var set):
          if told.contains(recipient) { set.survivors.removeAll { $0 == target } }
          return [.survivorSet(set)]
        default: return [message]
        }
      },
      clients: { message, sender in
        if case .consistencySignature(let signature) = message { signatures[sender] = signature.signature }
        return [message]
      })
    #expect(signatures.count == 5)
    // Every client, driven by a server without scruples, refuses: neither group holds t = 4 signatures.
    for group in [told, Set(everybody).subtracting(told)] where group.count < 4 {
      let entries = group.sorted().compactMap { id in
        signatures[id].map { ConsistencySignatures.Entry(participant: id, signature: $0) }
      }
      let again = try play(
        rehearsal,
        server: { message, recipient in
          switch message {
          case .survivorSet(var set):
            if told.contains(recipient) { set.survivors.removeAll { $0 == target } }
            // The client answers with a signature that the honest server refuses; it is handed its group's at once.
            let forged = ConsistencySignatures(context: rehearsal.context, entries: entries)
            return group.contains(recipient)
              ? [.survivorSet(set), .consistencySignatures(forged)] : [.survivorSet(set)]
          default: return [message]
          }
        })
      for member in group { #expect(again.refusal(of: member) == .tooFewSignatures) }
      #expect(!again.revealed.contains { group.contains($0.participant) })
    }
    assertNeverBothKinds(witness)
  }

  private func assertNeverBothKinds(_ witness: Witness) {
    var kinds: [ParticipantID: [ParticipantID: Set<SecretKind>]] = [:]
    for response in witness.revealed {
      for entry in response.entries {
        kinds[response.participant, default: [:]][entry.dealer, default: []].insert(entry.kind)
      }
    }
    #expect(kinds.values.allSatisfy { $0.values.allSatisfy { $0.count == 1 } })
    // And over all clients together fewer than t shares of at least one kind.
    for dealer in everybody {
      let all = witness.revealed.flatMap(\.entries).filter { $0.dealer == dealer }
      let counts = SecretKind.allCases.map { kind in all.filter { $0.kind == kind }.count }
      #expect(counts.min() == 0 || counts.allSatisfy { $0 < 4 } || counts.filter { $0 >= 4 }.count < 2)
    }
  }

  @Test("A survivor set that leaves the client out is not signed")
  func selfLeftOut() throws {
    let witness = try play(
      try rehearsal(5), server: rewriting(victim, survivors: { set in set.survivors.removeFirst() }))
    #expect(witness.refusal(of: victim) == .selfNotSurvivor)
    #expect(!witness.revealed.contains { $0.participant == victim })
  }

  @Test("A survivor set with somebody who shared no keys is not signed")
  func strangerInTheSet() throws {
    let stranger = try play(
      try rehearsal(5), server: rewriting(victim, survivors: { $0.survivors.append(ParticipantID(1000)) }))
    #expect(stranger.refusal(of: victim) == .survivorNotContributor)
    let dropped = try play(
      try rehearsal(5), silentFrom: [everybody[4]: .shareKeys],
      server: rewriting(victim, survivors: { $0.survivors.append(everybody[4]) }))
    #expect(dropped.refusal(of: victim) == .survivorNotContributor)
  }

  @Test("A survivor set below n_min or below t is not signed")
  func smallSurvivorSet() throws {
    let minimum = try play(
      try rehearsal(5, threshold: 3, minimumSurvivors: 5),
      server: rewriting(survivors: { $0.survivors.removeLast() }))
    for participant in everybody.prefix(4) { #expect(minimum.refusal(of: participant) == .tooFewSurvivors) }
    let threshold = try play(try rehearsal(5), server: rewriting(survivors: { $0.survivors.removeLast(2) }))
    for participant in everybody.prefix(3) { #expect(threshold.refusal(of: participant) == .tooFewSurvivors) }
    #expect(threshold.revealed.isEmpty)
  }

  @Test("A survivor set out of order or with somebody twice is not signed")
  func survivorSetShape() throws {
    let reordered = try play(
      try rehearsal(5), server: rewriting(victim, survivors: { $0.survivors.swapAt(1, 2) }))
    #expect(reordered.refusal(of: victim) == .notAscending)
    let repeated = try play(
      try rehearsal(5),
      server: rewriting(victim, survivors: { $0.survivors = [$0.survivors[0]] + $0.survivors.dropLast() }))
    #expect(repeated.refusal(of: victim) == .notAscending)
  }

  @Test("Fewer than t signatures open nothing")
  func fewSignatures() throws {
    let witness = try play(try rehearsal(5), server: rewriting(signatures: { $0.entries.removeLast(2) }))
    for participant in everybody.prefix(3) { #expect(witness.refusal(of: participant) == .tooFewSignatures) }
    for participant in everybody.suffix(2) {
      #expect(witness.refusal(of: participant) == .ownSignatureMissing)
    }
    #expect(witness.revealed.isEmpty)
  }

  @Test("One signature cannot be counted twice, in any order")
  func repeatedSignature() throws {
    let witness = try play(
      try rehearsal(5),
      server: rewriting(signatures: {
        $0.entries = [$0.entries[0], $0.entries[1], $0.entries[1], $0.entries[2]]
      }))
    for participant in everybody { #expect(witness.refusal(of: participant) == .notAscending) }
    #expect(witness.revealed.isEmpty)
  }

  @Test("A signature under another's name, a forged one and one of a stranger are refused")
  func forgedSignatures() throws {
    let renamed = try play(
      try rehearsal(5),
      server: rewriting(victim, signatures: { $0.entries[1].signature = $0.entries[2].signature }))
    #expect(renamed.refusal(of: victim) == .badConsistencySignature)
    let forged = try play(
      try rehearsal(5),
      server: rewriting(victim, signatures: { $0.entries[1].signature = $0.entries[1].signature.flipped() }))
    #expect(forged.refusal(of: victim) == .badConsistencySignature)
    let stranger = try play(
      try rehearsal(5),
      server: rewriting(victim, signatures: { $0.entries[4].participant = ParticipantID(1000) }))
    #expect(stranger.refusal(of: victim) == .signerNotSurvivor)
  }

  @Test("Signatures of an earlier attempt are refused")
  func replayedSignatures() throws {
    var old: ConsistencySignatures?
    _ = try play(try rehearsal(5, attempt: 0), server: rewriting(signatures: { old = $0 }))
    let context = try rehearsal(5, attempt: 1).context
    let entries = try #require(old).entries
    let witness = try play(
      try rehearsal(5, attempt: 1),
      server: rewriting(signatures: { $0 = ConsistencySignatures(context: context, entries: entries) }))
    for participant in everybody { #expect(witness.refusal(of: participant) == .badConsistencySignature) }
    let relabelled = try play(
      try rehearsal(5, attempt: 1),
      server: rewriting(signatures: {
        $0.context = AttemptContext(session: context.session, round: 0, attempt: 0, binding: context.binding)
      }))
    for participant in everybody { #expect(relabelled.refusal(of: participant) == .wrongContext) }
  }

  @Test("The server refuses a consistency signature on anything but its survivor set")
  func serverSide() throws {
    let witness = try relay(try rehearsal(5)) { message, sender in
      guard case .consistencySignature(var signature) = message, sender == everybody[2] else {
        return [message]
      }
      signature.signature = signature.signature.flipped()
      return [.consistencySignature(signature)]
    }
    #expect(witness.report.serverRefusals[.badSignature] == 1)
    #expect(witness.report.sum?.survivors == everybody)
  }
}
