internal import ArgumentParser
internal import CommandSupport
internal import Transport

struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure this machine.", subcommands: [TransportCommand.self])

  struct TransportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "transport", abstract: "Upload over mutual TLS 1.3 on loopback, server and clients in this process.")

    @Option(help: "Bytes to upload, in 10^6, by all connections together.") var megabytes = 512
    @Option(help: "Connections at one time.") var connections = 2
    @Flag(help: "Print JSON.") var json = false

    private struct Document: Encodable {
      let megabytes: Double
      let connections: Int
      let seconds: Double
      let megabytesPerSecond: Double
      let sha256MegabytesPerSecond: Double
      let crc32cMegabytesPerSecond: Double
    }

    func validate() throws {
      guard (1...100_000).contains(megabytes) else { throw ValidationError("--megabytes is \(megabytes), expected 1 to 100000.") }
      guard (1...64).contains(connections) else { throw ValidationError("--connections is \(connections), expected 1 to 64.") }
    }

    func run() async throws {
      try await CoordinatorFailures.report {
        let figures = try await TransportBenchmark.run(megabytes: megabytes, connections: connections)
        let document = Document(
          megabytes: Double(figures.bytes) / 1e6, connections: connections, seconds: figures.seconds,
          megabytesPerSecond: figures.megabytesPerSecond, sha256MegabytesPerSecond: figures.sha256MegabytesPerSecond,
          crc32cMegabytesPerSecond: figures.crc32cMegabytesPerSecond)
        if json { return try Console.outputJSON(document) }
        Console.output(
          "\(Int(document.megabytes)) MB over \(connections) connections of mutual TLS 1.3 in \(rounded(document.seconds)) s: \(Int(document.megabytesPerSecond)) MB/s"
        )
        Console.output(
          "one core alone: SHA-256 \(Int(document.sha256MegabytesPerSecond)) MB/s, CRC-32C \(Int(document.crc32cMegabytesPerSecond)) MB/s"
        )
      }
    }

    private func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
  }
}
