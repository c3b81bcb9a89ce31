import CryptoPrimitives
import SecureAggregation
import Testing

/// The drawn graph among honest parties: who deals to whom, and that sums are right whoever leaves.
@Suite struct DrawnGraphTests {
  @Test("Everybody deals to the k that it drew, flags m of them for a mask, and reveals shares of those who drew it")
  func dealsToItsDraw() throws {
    let rehearsal = try drawnRehearsal()
    let witness = try play(rehearsal)
    #expect(witness.report.sum?.sum == plainSum(of: inputs(rehearsal), over: participants(12), rehearsal.parameters))
    #expect(witness.deals.count == 12)
    for (dealer, deal) in witness.deals {
      #expect(deal.entries.count == 7 && deal.maskPeers.count == 5)
      #expect(!deal.holders.contains(dealer))
      #expect(deal.entries.allSatisfy { $0.sealed != nil })
    }
    for response in witness.revealed {
      let drewIt = witness.deals.values.filter { $0.holders.contains(response.participant) }.map(\.dealer).sorted()
      #expect(response.entries.map(\.dealer) == drewIt)
    }
    // The graph is not the complete one in disguise.
    #expect(witness.revealed.contains { $0.entries.count < 11 })
  }

  @Test("A masked input is the input under the self mask and the masks of the pair's draws, and under no other")
  func masksFollowTheDraw() throws {
    let rehearsal = try drawnRehearsal(dimension: 3)
    let parameters = rehearsal.parameters
    let given = inputs(rehearsal)
    let witness = try play(rehearsal, inputs: given)
    let keys = KeyDerivation(suite: parameters.suite, context: rehearsal.context)
    var secrets: [ParticipantID: (mask: X25519.SecretKey, selfMask: SecretBytes)] = [:]
    for id in parameters.participants {
      var random = rehearsal.randomSource(of: id)
      _ = random.bytes(32)
      let seed = SecretBytes(count: 32, random: &random)
      let maskSeed = SecretBytes(count: 32, random: &random)
      secrets[id] = (keys.maskKeyPair(seed: maskSeed, of: id), keys.selfMaskKey(seed: seed, of: id))
    }
    for case .maskedInput(let masked) in witness.sent.map(\.message) {
      let id = masked.participant
      let own = try #require(secrets[id])
      var masks = [Mask(key: own.selfMask, sign: .plus)]
      for peer in parameters.participants where peer != id {
        let isDrawn =
          witness.deals[id]?.maskPeers.contains(peer) == true || witness.deals[peer]?.maskPeers.contains(id) == true
        guard isDrawn, let other = secrets[peer] else { continue }
        let key = try #require(keys.pairMaskKey(own.mask, of: id, with: other.mask.publicKey, of: peer))
        masks.append(Mask(key: key, sign: id < peer ? .plus : .minus))
      }
      var expected = try #require(given[id])
      MaskExpansion.apply(masks, to: &expected, suite: parameters.suite, threads: 1)
      #expect(masked.packed == expected.packed(), "\(id)")
    }
  }

  @Test("Whoever leaves at whichever stage, the attempt ends with the plain sum of the survivors or with an abort")
  func dropouts() throws {
    var sums = 0
    var aborts = 0
    for trial in 0..<60 {
      var random = KeyedRandomSource(insecureSeed: UInt64(trial))
      let rehearsal = try drawnRehearsal(14, minimumSurvivors: 9, dimension: 3, seed: UInt64(trial))
      let everybody = rehearsal.parameters.participants
      let given = inputs(rehearsal, seed: UInt64(trial))
      var silent: [ParticipantID: AggregationStage] = [:]
      for _ in 0..<Int(random.uniform(below: 6)) {
        silent[everybody[Int(random.uniform(below: 14))]] = AggregationStage.allCases[Int(random.uniform(below: 5))]
      }
      let witness = try play(rehearsal, inputs: given, silentFrom: silent)
      guard let sum = witness.report.sum else {
        #expect(witness.report.abort?.reason == .tooFewParticipants && !silent.isEmpty, "\(trial): \(silent)")
        aborts += 1
        continue
      }
      sums += 1
      let sent = witness.committed.filter { (silent[$0] ?? .unmask) > .maskedInput }
      #expect(sum.survivors == sent.sorted(), "\(trial)")
      #expect(sum.sum == plainSum(of: given, over: sum.survivors, rehearsal.parameters), "\(trial): \(silent)")
      #expect(witness.report.clientRefusals.isEmpty, "\(trial): \(witness.report.clientRefusals)")
    }
    #expect(sums > 25 && aborts > 5, "\(sums) sums, \(aborts) aborts")
  }

  @Test("A dealer of whom too few holders are left when shares are handed out is left out, and the others go on")
  func strandedDealer() throws {
    var sums = 0
    for seed in 1..<12 {
      let rehearsal = try drawnRehearsal(24, minimumSurvivors: 13, seed: UInt64(seed))
      let victim = participants(24)[0]
      let leaving = try #require(try graph(of: rehearsal)[victim]).holders.prefix(3)
      let witness = try play(
        rehearsal, silentFrom: Dictionary(uniqueKeysWithValues: leaving.map { ($0, AggregationStage.shareKeys) }))
      #expect(!witness.committed.contains(victim), "\(seed)")
      #expect(witness.report.clientRefusals.isEmpty, "\(seed)")
      guard let sum = witness.report.sum else { continue }
      #expect(!sum.survivors.contains(victim))
      #expect(sum.sum == plainSum(of: inputs(rehearsal), over: sum.survivors, rehearsal.parameters))
      sums += 1
    }
    #expect(sums > 0)
  }

  @Test("A graph in which everybody draws everybody gives the sum of the complete graph")
  func drawsEverybody() throws {
    let drawn = try drawnRehearsal(5, holders: 4, maskDraws: 4, threshold: 3, minimumSurvivors: 3)
    let complete = try rehearsal(5)
    let silent = [participants(5)[2]: AggregationStage.maskedInput]
    let sums = try [drawn, complete].map { try $0.run(inputs: inputs($0), silentFrom: silent).sum?.sum }
    #expect(sums[0] != nil && sums[0] == sums[1])
  }

  @Test("Suites, rings and thread counts make no difference to the sum", arguments: [8, 32, 40])
  func rings(bits: Int) throws {
    let rehearsal = try drawnRehearsal(modulusBits: bits)
    let given = inputs(rehearsal)
    let silent = [participants(12)[4]: AggregationStage.maskedInput]
    var threaded = rehearsal
    threaded.threads = 3
    for each in [rehearsal, threaded] {
      let sum = try #require(try each.run(inputs: given, silentFrom: silent).sum)
      #expect(sum.sum == plainSum(of: given, over: sum.survivors, rehearsal.parameters))
      #expect(sum.survivors.count == 11)
    }
  }

  @Test("Parameters of a drawn graph that protect too little or cannot work are refused with a sentence")
  func parameters() throws {
    func message(_ count: Int, k: Int, m: Int, t: Int?, minimum: Int? = nil) -> String? {
      do throws(AggregationParameterError) {
        _ = try AggregationParameters(
          participants: participants(count), threshold: t, minimumSurvivors: minimum, dimension: 1, modulusBits: 8,
          graph: .drawn(holders: k, maskDraws: m))
        return nil
      } catch { return error.description }
    }
    #expect(message(12, k: 7, m: 5, t: 5) == nil)
    #expect(message(3, k: 2, m: 2, t: 2)?.contains("4 to 20000") == true)
    #expect(message(12, k: 12, m: 5, t: 7)?.contains("expected 2 to 11") == true)
    #expect(message(12, k: 8, m: 8, t: 4)?.contains("more than half") == true)
    #expect(message(12, k: 7, m: 5, t: 8)?.contains("at most all") == true)
    #expect(message(12, k: 7, m: 2, t: 5)?.contains("expected 3 to 7") == true)
    #expect(message(12, k: 7, m: 8, t: 5)?.contains("expected 3 to 7") == true)
    #expect(message(12, k: 7, m: 5, t: 5, minimum: 6)?.contains("must lie in 7...12") == true)
    #expect(
      try AggregationParameters(
        participants: participants(40), dimension: 1, modulusBits: 8, graph: .drawn(holders: 9, maskDraws: 6)
      ).minimumSurvivors == 36)
  }
}
