import CryptoPrimitives
import Testing

@Suite("The faster suite, measured")
struct SuiteProbeTests {
  @Test("The suite with the smaller median is taken, and the one with the smaller number where they are equal")
  func choice() {
    #expect(SuiteProbe { $0 == .aes256CTR ? 2 : 1 }.fastest == .chaCha20)
    #expect(SuiteProbe { $0 == .aes256CTR ? 1 : 2 }.fastest == .aes256CTR)
    #expect(SuiteProbe { _ in 1 }.fastest == .aes256CTR)
  }

  @Test("Single slow rounds, as a busy machine has them, change nothing")
  func outliers() {
    var calls: [KeystreamSuite: Int] = [:]
    let probe = SuiteProbe(rounds: 9) { suite in
      calls[suite, default: 0] += 1
      let isDisturbed = calls[suite, default: 0].isMultiple(of: 3)
      return suite == .chaCha20 ? (isDisturbed ? 100 : 1) : 2
    }
    #expect(calls == [.aes256CTR: 9, .chaCha20: 9])
    #expect(probe.seconds == [.aes256CTR: 2, .chaCha20: 1])
    #expect(probe.fastest == .chaCha20)
    #expect(probe.gigabytesPerSecond(.chaCha20) == Double(SuiteProbe.bytesPerRound) / 1e9)
  }

  @Test("The suites take turns, so that a change of the processor's speed hits both")
  func turns() {
    var order: [KeystreamSuite] = []
    _ = SuiteProbe(rounds: 3) { suite in
      order.append(suite)
      return 1
    }
    #expect(order == [.aes256CTR, .chaCha20, .aes256CTR, .chaCha20, .aes256CTR, .chaCha20])
  }

  @Test("The machine's own measurement takes time for either suite")
  func machine() {
    let probe = SuiteProbe(rounds: 1)
    for suite in KeystreamSuite.allCases {
      #expect(probe.gigabytesPerSecond(suite) > 0 && probe.gigabytesPerSecond(suite).isFinite)
    }
  }
}
