internal import ArgumentParser
internal import CommandSupport
internal import Foundation

/// `tacit bench`: costs measured on this machine, in CPU seconds, by the code that production uses.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure costs on this machine.",
    subcommands: [
      AggregationBenchCommand.self, AggregationServerCommand.self, TrainingBenchCommand.self, NoiseBench.self, ImportBench.self,
      Memory.self, Accountants.self,
    ])

  /// A long run of a small model.
  struct Memory: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Peak memory over many rounds: it must not grow with their number.")

    @Option(help: "Rounds.") var rounds = 1000

    func run() throws {
      try Failures.report {
        let run = try MemoryProbe(rounds: rounds).run()
        for (round, bytes) in run { Console.output("round \(round): \(bytes / 1024) KiB resident") }
      }
    }
  }
}

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
