import CryptoPrimitives
import SecureAggregation
import Testing

/// Who is silent from which stage on: every case for n = 5, 6 and 7, sampled for larger n.
///
/// The complete sweep walks the tree of answering sets: U1, then U2 within U1, and so on to U5. Clients run for real
/// once for every prefix (U1, U2, U3) that does not abort; the server, a copyable value, is then fed every subset of
/// what they sent. A set below what the stage needs must abort there; every set at or above must go on; every complete
/// walk must end with exactly the plain sum over U3.
@Suite struct DropoutSweepTests {
  @Test(
    "Every set that answers at every stage gives the plain sum or an abort, completely", arguments: [5, 6, 7])
  func completeSweep(count: Int) throws {
    let rehearsal = try rehearsal(count, dimension: 3, modulusBits: 16)
    let everybody = rehearsal.parameters.participants
    let needed = rehearsal.parameters.fewestContributors
    let inputs = inputs(rehearsal)
    var sums = 0
    var aborts = 0
    let start = try standBefore(.advertiseKeys, rehearsal, inputs, [:])
    for first in subsets(of: everybody) {
      guard first.count >= needed else {
        aborts += try abortsEarly(start, first)
        continue
      }
      let advertised = try standBefore(.shareKeys, rehearsal, inputs, [.advertiseKeys: first])
      for second in subsets(of: first) {
        guard second.count >= needed else {
          aborts += try abortsEarly(advertised, second)
          continue
        }
        let shared = try standBefore(
          .maskedInput, rehearsal, inputs, [.advertiseKeys: first, .shareKeys: second])
        for third in subsets(of: second) {
          guard third.count >= needed else {
            aborts += try abortsEarly(shared, third)
            continue
          }
          let (sumCount, abortCount) = try sweepLateStages(
            rehearsal, inputs, [.advertiseKeys: first, .shareKeys: second, .maskedInput: third],
            survivors: third)
          sums += sumCount
          aborts += abortCount
        }
      }
    }
    // The number of walks follows from n and t alone.
    #expect((sums, aborts) == walks(count, contributors: needed, threshold: rehearsal.parameters.threshold))
  }

  /// How many walks U1 ⊇ … ⊇ U5 end with a sum and how many with an abort.
  private func walks(_ count: Int, contributors: Int, threshold: Int) -> (Int, Int) {
    func binomial(_ n: Int, _ k: Int) -> Int { (0..<k).reduce(1) { $0 * (n - $1) / ($1 + 1) } }
    func descend(_ size: Int, _ needs: ArraySlice<Int>) -> (Int, Int) {
      guard let need = needs.first else { return (1, 0) }
      return (0...size).reduce((0, 0)) { total, next in
        let below = next >= need ? descend(next, needs.dropFirst()) : (0, 1)
        return (total.0 + binomial(size, next) * below.0, total.1 + binomial(size, next) * below.1)
      }
    }
    return descend(count, [contributors, contributors, contributors, threshold, threshold])
  }

  /// A server at the beginning of a stage, and what every client that came so far sends it there.
  private struct Standing {
    let server: AggregatorSession
    let messages: [ParticipantID: ClientMessage]
  }

  private func standBefore(
    _ stage: AggregationStage, _ rehearsal: AggregationRehearsal, _ inputs: [ParticipantID: RingVector],
    _ answering: [AggregationStage: [ParticipantID]]
  ) throws -> Standing {
    var messages: [ParticipantID: ClientMessage] = [:]
    var caught: AggregatorSession?
    var network = AggregationRehearsal.Network()
    network.toServer = { message, sender in
      guard message.stage == stage else { return [(message, sender)] }
      messages[sender] = message
      return []
    }
    network.beforeClosing = { server in if server.stage == stage { caught = server } }
    _ = try rehearsal.run(inputs: inputs, silentFrom: silence(rehearsal, answering), network: network)
    return Standing(server: try #require(caught), messages: messages)
  }

  /// A set that is too small must abort; 1, so that cases can be counted.
  private func abortsEarly(_ standing: Standing, _ answering: [ParticipantID]) throws -> Int {
    var server = standing.server
    for sender in answering {
      #expect(server.receive(try #require(standing.messages[sender]), from: sender) == .accepted)
    }
    #expect(!server.canProceed)
    #expect(isAbort(server.closeStage()), "\(answering)")
    return 1
  }

  private func sweepLateStages(
    _ rehearsal: AggregationRehearsal, _ inputs: [ParticipantID: RingVector],
    _ answering: [AggregationStage: [ParticipantID]], survivors: [ParticipantID]
  ) throws -> (sums: Int, aborts: Int) {
    // One real run, in which nobody is silent any more after stage 3; the server is caught just before stage 4 is fed.
    var signatures: [ParticipantID: ClientMessage] = [:]
    var responses: [ParticipantID: ClientMessage] = [:]
    var caught: AggregatorSession?
    var network = AggregationRehearsal.Network()
    network.toServer = { message, sender in
      if case .consistencySignature = message { signatures[sender] = message }
      if case .unmaskResponse = message { responses[sender] = message }
      return [(message, sender)]
    }
    network.beforeClosing = { server in
      guard server.stage == .maskedInput else { return }
      caught = server
    }
    let full = try rehearsal.run(
      inputs: inputs, silentFrom: silence(rehearsal, answering), network: network)
    let expected = plainSum(of: inputs, over: survivors, rehearsal.parameters)
    #expect(full.sum?.sum == expected, "\(answering)")
    #expect(full.sum?.survivors == survivors)

    var beforeSignatures = try #require(caught)
    _ = beforeSignatures.closeStage()
    let threshold = rehearsal.parameters.threshold
    var sums = 0
    var aborts = 0
    for fourth in subsets(of: survivors) {
      var signed = beforeSignatures
      for sender in fourth {
        #expect(signed.receive(try #require(signatures[sender]), from: sender) == .accepted)
      }
      let action = signed.closeStage()
      guard fourth.count >= threshold else {
        #expect(isAbort(action))
        aborts += 1
        continue
      }
      for fifth in subsets(of: fourth) {
        var answered = signed
        for sender in fifth {
          #expect(answered.receive(try #require(responses[sender]), from: sender) == .accepted)
        }
        let ending = answered.closeStage()
        if fifth.count >= threshold {
          guard case .finish(let sum) = ending else {
            Issue.record("no sum: \(answering), \(fourth), \(fifth)")
            continue
          }
          #expect(sum.sum == expected && sum.survivors == survivors, "\(answering), \(fourth), \(fifth)")
          sums += 1
        } else {
          #expect(isAbort(ending))
          aborts += 1
        }
      }
    }
    return (sums, aborts)
  }

  private func isAbort(_ action: AggregatorAction) -> Bool {
    if case .abort(let abort, _) = action { abort.reason == .tooFewParticipants } else { false }
  }

  private func silence(
    _ rehearsal: AggregationRehearsal, _ answering: [AggregationStage: [ParticipantID]]
  ) -> [ParticipantID: AggregationStage] {
    var silent: [ParticipantID: AggregationStage] = [:]
    for stage in AggregationStage.allCases.reversed() {
      guard let answers = answering[stage] else { continue }
      for participant in rehearsal.parameters.participants where !answers.contains(participant) {
        silent[participant] = stage
      }
    }
    return silent
  }

  @Test(
    "Random dropouts at random stages among more participants give the plain sum or an abort",
    arguments: [10, 17, 30])
  func sampled(count: Int) throws {
    var random = KeyedRandomSource(insecureSeed: UInt64(count))
    var sums = 0
    for trial in 0..<12 {
      let rehearsal = try rehearsal(count, dimension: 4, modulusBits: 20, seed: UInt64(trial))
      let inputs = inputs(rehearsal, seed: UInt64(trial))
      let droppers = Int(random.uniform(below: UInt64(count / 2)))
      var silent: [ParticipantID: AggregationStage] = [:]
      for _ in 0..<droppers {
        let who = rehearsal.parameters.participants[Int(random.uniform(below: UInt64(count)))]
        silent[who] = AggregationStage.allCases[Int(random.uniform(below: 5))]
      }
      let report = try rehearsal.run(inputs: inputs, silentFrom: silent)
      let contributors = rehearsal.parameters.participants.filter { (silent[$0] ?? .unmask) > .maskedInput }
      let signing = contributors.filter { (silent[$0] ?? .unmask) > .consistencyCheck }
      let opening = signing.filter { silent[$0] == nil }
      let succeeds =
        contributors.count >= rehearsal.parameters.fewestContributors
        && opening.count >= rehearsal.parameters.threshold
      #expect((report.sum != nil) == succeeds, "\(silent)")
      if let sum = report.sum {
        #expect(sum.survivors == contributors)
        #expect(sum.sum == plainSum(of: inputs, over: contributors, rehearsal.parameters), "\(silent)")
        sums += 1
      }
    }
    #expect(sums > 2)
  }

  @Test(
    "Three partners have no recovery by default: one missing aborts the attempt, and the next one may do without"
  )
  func threePartners() throws {
    let rehearsal = try rehearsal(3)
    let inputs = inputs(rehearsal)
    #expect(try rehearsal.run(inputs: inputs).sum != nil)
    for stage in AggregationStage.allCases {
      let report = try rehearsal.run(inputs: inputs, silentFrom: [participants(3)[1]: stage])
      #expect(report.abort?.reason == .tooFewParticipants)
    }
  }
}
