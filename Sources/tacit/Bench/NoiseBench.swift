internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import Foundation
internal import Simulation

/// `tacit bench noise`: exact draws of the discrete Gaussian, on one core.
struct NoiseBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "noise", abstract: "Exact discrete Gaussian noise: CPU seconds and memory, on one core.",
    discussion: """
      The draws are those of a release: added to a vector that stands already, from the operating system's generator and from
      the stream that is keyed by it.
      """)

  @Option(help: "Draws.") var count = 1_000_000
  @Option(help: "Standard deviation in grid units.") var sigma = 1e4
  @Option(help: "Repetitions; the median is printed.") var repeats = 5
  @Option(help: "text or json.") var format: OutputFormat = .text

  struct Row: Encodable {
    let source: String
    let count: Int
    let sigma: Double
    let cpuSeconds: Double
    /// Resident memory after all repetitions beyond that before them, without the vector itself.
    let grownBytes: Int
    /// Empirical variance over σ²: 1 ± 4·√(2/count).
    let varianceRatio: Double
  }

  func run() throws {
    try Failures.report {
      guard count >= 1, count <= 1 << 28, repeats >= 1, sigma >= 1, sigma <= 2e9 else {
        throw CommandFailure(.usage, "expected 1 to 2^28 draws, at least 1 repetition and σ from 1 to 2e9")
      }
      var system = SystemRandomSource()
      var keyed = KeyedRandomSource(key: system.bytes(32))
      let rows = [measure("operating system", &system), measure("keyed stream", &keyed)]
      switch format {
      case .json: try Console.outputJSON(rows)
      case .text:
        for row in rows {
          let cost = String(format: "%.4f s CPU (median of %d)", row.cpuSeconds, repeats)
          let ratio = String(format: "%.4f", row.varianceRatio)
          Console.output(
            "\(row.count) draws at σ = \(sigma) from the \(row.source): \(cost), \(row.grownBytes / 1024) KiB of memory, variance/σ² = \(ratio)"
          )
        }
      }
    }
  }

  private func measure(_ name: String, _ random: inout some RandomSource) -> Row {
    let sampler = DiscreteGaussianSampler(sigmaSquared: Int64((sigma * sigma).rounded()))
    var values = [Int64](repeating: 0, count: count)
    for index in values.indices { values[index] = Int64(index & 1) }
    let before = MemoryProbe.residentBytes()
    var seconds: [Double] = []
    var squares = 0.0
    for _ in 0..<repeats {
      for index in values.indices { values[index] = 0 }
      let began = StageMeter.processCPU()
      sampler.add(to: &values, random: &random)
      seconds.append(StageMeter.processCPU() - began)
      squares += values.reduce(0.0) { $0 + Double($1) * Double($1) }
    }
    return Row(
      source: name, count: count, sigma: sigma, cpuSeconds: median(seconds),
      grownBytes: max(0, MemoryProbe.residentBytes() - before),
      varianceRatio: squares / Double(count * repeats) / (sigma * sigma))
  }
}
