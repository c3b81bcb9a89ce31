import Testing
import Transport

@Suite struct BenchmarkTests {
  @Test func `the benchmark uploads what it says`() async throws {
    let figures = try await TransportBenchmark.run(megabytes: 12, connections: 2)
    #expect(figures.bytes == 12_000_000)
    #expect(figures.megabytesPerSecond > 0)
  }
}
