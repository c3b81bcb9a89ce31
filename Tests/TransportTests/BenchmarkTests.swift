import Testing
import Transport

@Suite struct BenchmarkTests {
  @Test func `the benchmark uploads what it says`() async throws {
    let figures = try await TransportBenchmark.run(megabytes: 512, connections: 1)
    print("BENCH \(figures)")
    let f2 = try await TransportBenchmark.run(megabytes: 512, connections: 2)
    print("BENCH \(f2)")
    #expect(figures.bytes == 8_000_000)
  }
}
