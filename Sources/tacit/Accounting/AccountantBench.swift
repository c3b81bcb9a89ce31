internal import ArgumentParser
internal import CommandSupport
internal import DifferentialPrivacy
internal import Foundation

extension BenchCommand {
  /// Our accountants beside those of others, in one run on one machine.
  struct Accountants: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Privacy accountants beside dp-accounting and prv-accountant: CPU seconds and ε.",
      discussion: """
        The others are measured by scripts/accountant-peers.py in a Python environment under .build/accountant-peers, which is made with
        pip on first use (--install). Without it the comparison is left out, loudly.
        """)

    @Option(help: "z over one user's norm.") var noiseMultiplier = 1.0
    @Option(help: "Sampling rate.") var rate = 0.01
    @Option(help: "Rounds, separated by commas.") var rounds = "1000,10000"
    @Option(help: "δ.") var delta = 1e-6
    @Option(help: "Repetitions; the median is printed.") var repeats = 5
    @Flag(help: "Make the Python environment with pip when it is absent.") var install = false
    @Option(help: ArgumentHelp("The folder that holds scripts/ and .build/.", valueName: "folder")) var root = "."
    @Option(help: "text or json.") var format: OutputFormat = .text

    func run() throws {
      try Failures.report {
        let counts = try rounds.split(separator: ",").map { text -> Int in
          guard let count = Int(text), count >= 1 else {
            throw CommandFailure(.usage, "'\(text)' in --rounds; expected whole numbers of at least 1, separated by commas")
          }
          return count
        }
        guard repeats >= 1, !counts.isEmpty else {
          throw CommandFailure(.usage, "expected at least 1 repetition and 1 number of rounds")
        }
        var rows = try counts.flatMap(ours)
        do { rows += try peers(counts) } catch let failure as CommandFailure where failure.kind == .unavailable {
          Console.error("NOT COMPARED WITH OTHERS: \(failure.description)")
        }
        rows.sort { ($0.rounds, $0.cpuSeconds) < ($1.rounds, $1.cpuSeconds) }
        switch format {
        case .json: try Console.outputJSON(rows)
        case .text: printTable(rows)
        }
      }
    }

    private struct Row: Codable {
      let accountant: String
      let rounds: Int
      let cpuSeconds: Double
      let epsilon: Double
      let lower: Double?
    }

    private func ours(_ count: Int) throws -> [Row] {
      let event = MechanismEvent.repeated(
        .release(.gaussian(noiseMultiplier: noiseMultiplier), sampling: .poisson(rate: rate)), count: count)
      let loss = try PrivacyLossSummary(event, adjacency: .addRemove)
      return try [LossDistributionAccountant() as any PrivacyAccountant, RenyiAccountant()].map { accountant in
        var seconds: [Double] = []
        var bound: PrivacyBound?
        for _ in 0..<repeats {
          // The Rényi accountant remembers divergences of one process: its first answer is the one that counts.
          let began = Self.processSeconds()
          bound = try Accounting.bound(for: loss, delta: delta, by: accountant)
          seconds.append(Self.processSeconds() - began)
        }
        guard let bound else { throw CommandFailure(.usage, "expected at least 1 repetition") }
        return Row(
          accountant: "tacit \(accountant.name)", rounds: count,
          cpuSeconds: accountant.name == "rdp" ? seconds[0] : median(seconds), epsilon: bound.epsilon,
          lower: bound.lowerEpsilon)
      }
    }

    private static func processSeconds() -> Double {
      var time = timespec()
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    // MARK: others

    private func peers(_ counts: [Int]) throws -> [Row] {
      let script = URL(fileURLWithPath: root).appending(path: "scripts/accountant-peers.py").path
      let output = try PythonPeers(
        root: root, name: "accountant-peers", packages: ["dp-accounting", "prv-accountant"], installs: install
      ).output(
        of: script,
        ["--noise-multiplier", "\(noiseMultiplier)", "--rate", "\(rate)", "--delta", "\(delta)", "--repeats", "\(repeats)"]
          + counts.map(String.init))
      do { return try JSONDecoder().decode([Row].self, from: output) } catch {
        throw CommandFailure(.unavailable, "\(script) printed something else than rows: dp-accounting may have changed")
      }
    }

    private func printTable(_ rows: [Row]) {
      var table = TextTable(header: ["accountant", "rounds", "CPU s", "ε", "lower", "× ours"])
      for row in rows {
        let own = rows.first { $0.accountant == "tacit pld" && $0.rounds == row.rounds }?.cpuSeconds ?? .nan
        table.add([
          row.accountant, "\(row.rounds)", String(format: "%.4f", row.cpuSeconds), String(format: "%.6f", row.epsilon),
          row.lower.map { String(format: "%.6f", $0) } ?? "", String(format: "%.1f", row.cpuSeconds / own),
        ])
      }
      Console.output("z = \(noiseMultiplier), q = \(rate), δ = \(delta), add-remove")
      Console.output(table.text)
    }
  }
}
