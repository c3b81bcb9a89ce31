internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import SecureAggregation
internal import Simulation

/// `tacit bench`: costs measured on this machine, in CPU seconds, by the code that production uses.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure costs on this machine.",
    subcommands: [Aggregation.self, NoiseBench.self, Memory.self, Accountants.self])

  /// One secure sum with all parties in one process.
  struct Aggregation: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "One secure sum, all parties in one process: CPU seconds of clients and server.")

    @Option(help: "Participants.") var participants = 10
    @Option(help: "Entries of each vector.") var dimension = 1_000_000
    @Option(help: "Bits of the ring.") var bits = 23
    @Option(help: "Participants that leave after sharing keys.") var dropouts = 1
    @Option(help: "Repetitions; the median is printed.") var repeats = 5
    @Option(help: "text or json.") var format: OutputFormat = .text

    func validate() throws {
      guard participants >= 3, dimension >= 1, repeats >= 1, dropouts >= 0, dropouts < participants else {
        throw ValidationError("expected at least 3 participants, 1 entry, 1 repetition, and fewer dropouts than participants")
      }
    }

    func run() throws {
      try Failures.report {
        let parameters: AggregationParameters
        do throws(AggregationParameterError) {
          parameters = try AggregationParameters(
            participants: (1...UInt32(participants)).map { ParticipantID($0) }, dimension: dimension, modulusBits: bits)
        } catch { throw CommandFailure(.usage, error.description) }
        var totals: [Double] = []
        var clients: [Double] = []
        var servers: [Double] = []
        for repeatIndex in 0..<repeats {
          let cost = try measure(parameters, seed: UInt64(repeatIndex))
          clients.append(cost.clients / Double(participants))
          servers.append(cost.server)
          totals.append(cost.clients + cost.server)
        }
        let row = AggregationRow(
          work: "\(participants) x \(dimension) entries of \(bits) bits, \(dropouts) dropped out",
          clientSeconds: median(clients), serverSeconds: median(servers), totalSeconds: median(totals),
          uploadBytes: RingVector.packedByteCount(count: dimension, modulusBits: bits))
        switch format {
        case .json:
          let encoder = JSONEncoder()
          encoder.outputFormatting = .sortedKeys
          Console.output(String(decoding: try encoder.encode(row), as: UTF8.self))
        case .text:
          Console.output(row.work)
          Console.output(String(format: "  one client  %8.4f s CPU", row.clientSeconds))
          Console.output(String(format: "  server      %8.4f s CPU", row.serverSeconds))
          Console.output(String(format: "  all parties %8.4f s CPU (median of %d)", row.totalSeconds, repeats))
          Console.output("  upload      \(row.uploadBytes) bytes for the vector of one client")
        }
      }
    }

    private func measure(_ parameters: AggregationParameters, seed: UInt64) throws -> (clients: Double, server: Double) {
      let rehearsal = AggregationRehearsal(parameters: parameters, seed: seed)
      var generator = SplitMix64(seed: seed)
      var inputs: [ParticipantID: RingVector] = [:]
      var expected = RingVector(count: dimension, modulusBits: bits)
      let leaving = Set(parameters.participants.suffix(dropouts))
      for participant in parameters.participants {
        let input = RingVector(
          integers: (0..<dimension).map { _ in Int64(generator.next() & 0xFFFF) }, modulusBits: bits)
        if !leaving.contains(participant) { expected.add(input) }
        inputs[participant] = input
      }
      var spent: [Bool: Double] = [:]
      var turn: (isServer: Bool, began: Double)?
      func change(to role: AggregationRehearsal.Role?) {
        let now = StageMeter.processCPU()
        if let turn { spent[turn.isServer, default: 0] += now - turn.began }
        turn = role.map { ($0 == .server, now) }
      }
      let report = try rehearsal.run(
        inputs: inputs, silentFrom: Dictionary(uniqueKeysWithValues: leaving.map { ($0, AggregationStage.maskedInput) }),
        onTurn: { change(to: $0) })
      change(to: nil)
      guard report.sum?.sum == expected else {
        throw CommandFailure(.stopped, "the secure sum differs from the plain sum: \(report.ending)")
      }
      return (spent[false] ?? 0, spent[true] ?? 0)
    }
  }

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

struct AggregationRow: Codable {
  let work: String
  let clientSeconds: Double
  let serverSeconds: Double
  let totalSeconds: Double
  let uploadBytes: Int
}

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
