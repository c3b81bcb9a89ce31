internal import SecureAggregation

/// What it takes to open one partner's masked vector by itself under a plan with secure aggregation, in figures that whoever
/// reads the plan can compute again (Protocols/secure-aggregation.md §11 and §13.1).
public struct OpeningPromise: Sendable, Equatable {
  /// Partners that hold shares of one partner's secrets: all, itself among them, or those that it draws for each attempt.
  public let holders: Int
  /// t: of these must help before one of its secrets is opened.
  public let threshold: Int
  /// Of these must lie, together with a coordinator that lies, before both of its secrets can be opened: 2t − holders.
  public let liarsNeeded: Int
  /// Partners that the plan lets work with the coordinator.
  public let colluders: Int
  /// The colluders' chance against anybody in one attempt is at most 2^−bits; `nil` where they have none: in the complete graph.
  public let securityBits: Int?

  /// Whether each partner draws its holders by its own coins.
  public var isDrawn: Bool { securityBits != nil }
}

extension TrainingPlan {
  /// `nil` for a plan without secure aggregation, under which the coordinator sees every vector.
  public var opening: OpeningPromise? {
    guard aggregation.isSecure else { return nil }
    let holders = aggregation.holders(of: roster.count)
    let bits = aggregation.graph.map { graph in
      DrawnGraphSolver.securityBits(
        participants: roster.count, holders: graph.holders, maskDraws: graph.maskDraws, threshold: aggregation.threshold,
        minimumSurvivors: aggregation.minimumSurvivors, corrupt: aggregation.colluders)
    }
    return OpeningPromise(
      holders: holders, threshold: aggregation.threshold, liarsNeeded: 2 * aggregation.threshold - holders,
      // Bounds of a few thousand bits say no more than one of a thousand.
      colluders: aggregation.colluders, securityBits: bits.map { Int(min(max($0, 0), 1000)) })
  }
}
