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
}
