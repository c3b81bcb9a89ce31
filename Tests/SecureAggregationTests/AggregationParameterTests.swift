import CryptoPrimitives
import SecureAggregation
import Testing

@Suite struct AggregationParameterTests {
  @Test(
    "The default threshold is ⌊2n/3⌋ + 1, at most n",
    arguments: [(2, 2), (3, 3), (4, 3), (5, 4), (7, 5), (10, 7), (50, 34)])
  func defaultThreshold(count: Int, threshold: Int) throws {
    let parameters = try AggregationParameters(
      participants: participants(count), dimension: 1, modulusBits: 8, allowTwoParties: true)
    #expect(parameters.threshold == threshold)
    #expect(parameters.minimumSurvivors == (count == 2 ? 2 : threshold))
  }

  @Test("Participants come in any order and leave in ascending order, with share points from 1")
  func order() throws {
    let parameters = try AggregationParameters(
      participants: participants(4).reversed(), dimension: 1, modulusBits: 8)
    #expect(parameters.participants == participants(4))
    #expect(participants(4).map { parameters.sharePoint(of: $0) } == [1, 2, 3, 4])
    #expect(parameters.sharePoint(of: ParticipantID(4)) == nil)
  }

  private func message(
    _ ids: [ParticipantID], threshold: Int? = nil, minimumSurvivors: Int? = nil, dimension: Int = 4,
    bits: Int = 8
  ) -> String? {
    do {
      _ = try AggregationParameters(
        participants: ids, threshold: threshold, minimumSurvivors: minimumSurvivors, dimension: dimension,
        modulusBits: bits)
      return nil
    } catch {
      return error.description
    }
  }

  @Test("Parameters that protect too little or cannot work are refused with a sentence")
  func refusals() throws {
    #expect(message(participants(2))?.contains("at least 3 participants, found 2") == true)
    #expect(message([])?.contains("found 0") == true)
    #expect(
      message([ParticipantID(1), ParticipantID(2), ParticipantID(1)])?.contains("listed twice") == true)
    #expect(message(participants(1001))?.contains("at most 1000") == true)
    #expect(message(participants(6), threshold: 3)?.contains("more than half") == true)
    #expect(message(participants(6), threshold: 7)?.contains("at most all") == true)
    #expect(message(participants(6), threshold: 4) == nil)
    #expect(message(participants(6), minimumSurvivors: 4)?.contains("must lie in 5...6") == true)
    #expect(message(participants(6), minimumSurvivors: 7)?.contains("must lie in 5...6") == true)
    #expect(
      message(participants(3), threshold: 2, minimumSurvivors: 2)?.contains("must lie in 3...3") == true)
    #expect(message(participants(3), dimension: 0)?.contains("dimension is 0") == true)
    #expect(message(participants(3), dimension: 1 << 29)?.contains("dimension") == true)
    #expect(message(participants(3), bits: 1)?.contains("1 bits") == true)
    #expect(message(participants(3), bits: 63)?.contains("63 bits") == true)
  }

  @Test("A roster that is not the plan's, a shared identity and a wrong key are refused with a sentence")
  func rosters() throws {
    let rehearsal = try rehearsal(3)
    let everybody = participants(3)
    var short = rehearsal.roster
    short[everybody[0]] = nil
    #expect(throws: AggregationParameterError.self) {
      try AggregatorSession(parameters: rehearsal.parameters, context: rehearsal.context, roster: short)
    }
    var shared = rehearsal.roster
    shared[everybody[0]] = shared[everybody[1]]
    #expect(throws: AggregationParameterError.self) {
      try AggregatorSession(parameters: rehearsal.parameters, context: rehearsal.context, roster: shared)
    }
    func client(_ id: ParticipantID, key: ParticipantID) throws {
      _ = try ClientSession(
        parameters: rehearsal.parameters, context: rehearsal.context, participant: id,
        signingKey: try #require(rehearsal.identities[key]), roster: rehearsal.roster, ledger: .empty,
        random: rehearsal.randomSource(of: id))
    }
    #expect(throws: AggregationParameterError.self) { try client(everybody[0], key: everybody[1]) }
    #expect(throws: AggregationParameterError.self) { try client(ParticipantID(1), key: everybody[0]) }
    try client(everybody[0], key: everybody[0])
  }

  @Test("Two parties sum when the plan allows it explicitly")
  func twoParties() throws {
    let parameters = try AggregationParameters(
      participants: participants(2), dimension: 5, modulusBits: 16, allowTwoParties: true)
    let rehearsal = AggregationRehearsal(parameters: parameters, seed: 1)
    let inputs = inputs(rehearsal)
    #expect(
      try rehearsal.run(inputs: inputs).sum?.sum == plainSum(of: inputs, over: participants(2), parameters))
  }
}
