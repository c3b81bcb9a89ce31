internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import SecureAggregation
internal import Simulation

/// The server of a benchmark in a process of its own: this program once more, with messages on its standard input and output.
struct SeparateServer {
  private let process = Process()
  let pipe: AggregationPipe

  /// Starts the process for an attempt.
  init(_ rehearsal: AggregationRehearsal) throws {
    guard case .drawn(let holders, let maskDraws) = rehearsal.parameters.graph else {
      throw CommandFailure(.usage, "a server of its own is measured for drawn graphs only")
    }
    let parameters = rehearsal.parameters
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments =
      ["bench", "aggregation-server"]
      + [
        parameters.participants.count, holders, maskDraws, parameters.threshold, parameters.minimumSurvivors,
        parameters.dimension,
        parameters.modulusBits, Int(rehearsal.seed), Int(rehearsal.context.attempt), rehearsal.threads,
      ].map(String.init)
    let (toServer, fromServer) = (Pipe(), Pipe())
    process.standardInput = toServer
    process.standardOutput = fromServer
    do { try process.run() } catch { throw CommandFailure(.unavailable, "this program cannot be started a second time") }
    guard
      let pipe = AggregationPipe(
        reading: dup(fromServer.fileHandleForReading.fileDescriptor), writing: dup(toServer.fileHandleForWriting.fileDescriptor))
    else { throw CommandFailure(.unavailable, "the pipes to the server's process cannot be opened") }
    self.pipe = pipe
  }

  func wait() { process.waitUntilExit() }
}

/// The other end of `SeparateServer`; of no use by itself.
struct AggregationServerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "aggregation-server", abstract: "The server of `bench aggregation` in a process of its own.",
    shouldDisplay: false)

  @Argument var numbers: [Int]

  func run() throws {
    try Failures.report {
      guard numbers.count == 10, numbers.allSatisfy({ $0 >= 0 && $0 <= Int(UInt32.max) }),
        let pipe = AggregationPipe(reading: 0, writing: 1)
      else { throw CommandFailure(.usage, "expected what `tacit bench aggregation` gives") }
      do throws(AggregationParameterError) {
        let parameters = try AggregationParameters(
          participants: (1...UInt32(max(1, numbers[0]))).map { ParticipantID($0) }, threshold: numbers[3],
          minimumSurvivors: numbers[4], dimension: numbers[5], modulusBits: numbers[6],
          graph: .drawn(holders: numbers[1], maskDraws: numbers[2]))
        var rehearsal = AggregationRehearsal(parameters: parameters, seed: UInt64(numbers[7]), attempt: UInt32(numbers[8]))
        rehearsal.threads = max(1, numbers[9])
        try AggregationFarm.serve(rehearsal, over: pipe)
      } catch { throw CommandFailure(.usage, error.description) }
    }
  }
}
