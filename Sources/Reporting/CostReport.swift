/// What the run cost: bytes, seconds, and what went wrong on the way.
public struct CostReport: Codable, Sendable, Equatable {
  /// Bytes between each partner and the coordinator, whole run.
  public var traffic: [PartnerTraffic]
  /// CPU seconds and bytes per stage, all parties together, whole run, in the order of the stages.
  public var stages: [StageCost]
  /// Partners that dropped out, by stage, summed over rounds. Empty: none; `nil`: not counted.
  public var dropouts: [StageCount]?
  /// Refused messages and requests, by reason. Empty: none; `nil`: not counted.
  public var refusals: [ReasonCount]?
  public var wallSeconds: Double?
  public var cpuSeconds: Double?
  public var memoryPeakBytes: Int?

  public init(
    traffic: [PartnerTraffic] = [], stages: [StageCost] = [], dropouts: [StageCount]? = nil,
    refusals: [ReasonCount]? = nil, wallSeconds: Double? = nil, cpuSeconds: Double? = nil,
    memoryPeakBytes: Int? = nil
  ) {
    self.traffic = traffic
    self.stages = stages
    self.dropouts = dropouts
    self.refusals = refusals
    self.wallSeconds = wallSeconds
    self.cpuSeconds = cpuSeconds
    self.memoryPeakBytes = memoryPeakBytes
  }
}

/// A part of the run whose cost is measured by itself; printed by its name.
public struct ReportStage: RawRepresentable, Codable, Sendable, Hashable {
  public var rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }

  public static let localTraining = ReportStage(rawValue: "local training")
  public static let advertiseKeys = ReportStage(rawValue: "advertise keys")
  public static let shareKeys = ReportStage(rawValue: "share keys")
  public static let maskedInput = ReportStage(rawValue: "masked input")
  public static let consistencyCheck = ReportStage(rawValue: "consistency check")
  public static let unmask = ReportStage(rawValue: "unmask")
  public static let noise = ReportStage(rawValue: "noise")
  public static let advance = ReportStage(rawValue: "advance")
  public static let evaluation = ReportStage(rawValue: "evaluation")
}

/// Cost of one stage; what was not measured is `nil`.
public struct StageCost: Codable, Sendable, Equatable {
  public var stage: ReportStage
  public var cpuSeconds: Double?
  /// Bytes sent in both directions.
  public var bytes: Int?

  public init(_ stage: ReportStage, cpuSeconds: Double? = nil, bytes: Int? = nil) {
    self.stage = stage
    self.cpuSeconds = cpuSeconds
    self.bytes = bytes
  }
}

/// Bytes of one partner over the whole run, as encoded on the wire.
public struct PartnerTraffic: Codable, Sendable, Equatable {
  public var partner: String
  /// From the partner to the coordinator.
  public var bytesUp: Int
  /// From the coordinator to the partner.
  public var bytesDown: Int

  public init(partner: String, bytesUp: Int, bytesDown: Int) {
    self.partner = partner
    self.bytesUp = bytesUp
    self.bytesDown = bytesDown
  }
}

/// How often something happened at a stage.
public struct StageCount: Codable, Sendable, Equatable {
  public var stage: ReportStage
  public var count: Int

  public init(_ stage: ReportStage, count: Int) {
    self.stage = stage
    self.count = count
  }
}

/// How often something happened for a reason.
public struct ReasonCount: Codable, Sendable, Equatable {
  public var reason: String
  public var count: Int

  public init(reason: String, count: Int) {
    self.reason = reason
    self.count = count
  }
}
