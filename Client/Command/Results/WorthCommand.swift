internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import Foundation
internal import PartnerService

/// `tacit-client worth`: what taking part is worth to this partner, on its own held-out events.
struct WorthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worth",
    abstract: "Compare the joint model with one that you could train alone, on your own held-out events.",
    discussion: "Computed at home from exact counts; nothing of it leaves the machine, and no budget is spent.")

  @OptionGroup var home: HomeOptions
  @OptionGroup var plan: PlanOption
  @Option(help: "Initial values of your own model.") var seed: UInt64 = 1
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() async throws { try await ClientFailures.report { try execute() } }

  private struct Document: Encodable {
    struct Row: Encodable {
      let method: String
      let metrics: [Value]
    }
    struct Value: Encodable {
      let metric: String
      let mean: Double
      let low: Double
      let high: Double
    }
    let algorithm: String
    let plan: String
    let modelVersion: Int
    let users: Int
    let rows: [Row]
  }

  private func execute() throws {
    let (home, store) = try home.open()
    let worth = try Worth(home: home, store: store, plan: try plan.hash(store), seed: seed)
    if format == .json {
      return try Console.outputJSON(
        Document(
          algorithm: worth.algorithm, plan: worth.plan.hex, modelVersion: worth.modelVersion, users: worth.users,
          rows: worth.rows.map { row in
            .init(
              method: row.method,
              metrics: row.metrics.map {
                .init(metric: $0.name, mean: $0.mean, low: max(0, $0.mean - $0.halfWidth), high: min(1, $0.mean + $0.halfWidth))
              })
          }))
    }
    let names = worth.rows.first?.metrics.map(\.name) ?? []
    var table = TextTable(header: [""] + names)
    for row in worth.rows {
      table.add([row.method] + row.metrics.map { String(format: "%.4f ±%.3f", $0.mean, $0.halfWidth) })
    }
    Console.output(
      "\(worth.algorithm), model version \(worth.modelVersion), on \(worth.users) of your users with held-out events\n")
    Console.output(table.text)
    Console.output(
      "\n\(worth.origin)\nlisted ranks the held-out item against 99 others, full against everything the user has not seen; ± is half a 95 % interval. Exact figures of your own data: they are for you alone."
    )
  }
}
