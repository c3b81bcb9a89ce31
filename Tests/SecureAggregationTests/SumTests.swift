import CryptoPrimitives
import SecureAggregation
import Testing

@Suite struct SumTests {
  @Test(
    "The unmasked sum equals the plain sum for every kind of lane and both suites",
    arguments: [2, 3, 16, 23, 31, 32, 33, 45, 57, 58, 62], KeystreamSuite.allCases)
  func sumIsExact(modulusBits: Int, suite: KeystreamSuite) throws {
    let rehearsal = try rehearsal(5, dimension: 71, modulusBits: modulusBits, suite: suite)
    let inputs = inputs(rehearsal)
    let report = try rehearsal.run(inputs: inputs, silentFrom: [participants(5)[2]: .maskedInput])
    let sum = try #require(report.sum)
    #expect(sum.survivors == participants(5).filter { $0 != participants(5)[2] })
    #expect(sum.sum == plainSum(of: inputs, over: sum.survivors, rehearsal.parameters))
    #expect(sum.suspects.isEmpty)
    #expect(report.clientRefusals.isEmpty)
    #expect(report.serverRefusals.isEmpty)
  }

  @Test("Vectors longer than several chunks give the same sum on one thread and on three")
  func threadsDoNotChangeTheSum() throws {
    for modulusBits in [20, 40] {
      var rehearsal = try rehearsal(4, dimension: 40_003, modulusBits: modulusBits)
      let inputs = inputs(rehearsal)
      let one = try #require(try rehearsal.run(inputs: inputs).sum)
      rehearsal.threads = 3
      let three = try #require(try rehearsal.run(inputs: inputs).sum)
      #expect(one == three)
      #expect(one.sum == plainSum(of: inputs, over: participants(4), rehearsal.parameters))
    }
  }

  @Test("One million entries")
  func million() throws {
    let rehearsal = try rehearsal(10, dimension: 1_000_000, modulusBits: 23)
    let inputs = inputs(rehearsal)
    for _ in 0..<3 {
      let clock = ContinuousClock()
      var c = clock.now
      var client = Duration.zero
      var server = Duration.zero
      var role: AggregationRehearsal.Role? = nil
      let report = try rehearsal.run(inputs: inputs, silentFrom: [participants(10)[4]: .maskedInput]) { r in
        let n = clock.now
        if case .client = role { client += n - c } else if role != nil { server += n - c }
        c = n
        role = r
      }
      server += clock.now - c
      print("client", client, "server", server)
      _ = report
    }
  }
}
