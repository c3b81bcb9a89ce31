/// How good the recommendations are, beside the baselines that put the figure into proportion.
public struct UtilityReport: Codable, Sendable, Equatable {
  public var quality: QualityTable?
  /// Metric over rounds.
  public var series: [MetricSeries]
  /// Users over noise multiplier, the number that decides what noise leaves of a model.
  public var noiseReading: NoiseReading?
  /// What the plan's evaluation releases said, in the order of the plan.
  public var released: [ReleasedQuality]?
  /// Evaluation releases, counted from 1, that are public and that whoever reports does not hold: a partner that was absent.
  public var notHeld: [Int]?

  public init(
    quality: QualityTable? = nil, series: [MetricSeries] = [], noiseReading: NoiseReading? = nil,
    released: [ReleasedQuality] = [],
    notHeld: [Int] = []
  ) {
    self.quality = quality
    self.series = series
    self.noiseReading = noiseReading
    self.released = released.isEmpty ? nil : released
    self.notHeld = notHeld.isEmpty ? nil : notHeld
  }
}

/// A measure of quality, named as it is printed.
public struct ReportMetric: RawRepresentable, Codable, Sendable, Hashable {
  public var rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }

  /// Hit rate among the held-out item and 99 listed negatives, first 10 places.
  public static let sampledHitRate10 = ReportMetric(rawValue: "P1 HR@10")
  /// NDCG of the same protocol.
  public static let sampledNDCG10 = ReportMetric(rawValue: "P1 NDCG@10")
  /// Hit rate when all unseen items compete.
  public static let fullHitRate10 = ReportMetric(rawValue: "full HR@10")
  public static let fullNDCG10 = ReportMetric(rawValue: "full NDCG@10")
  /// Share of several test items found in the first 20 places.
  public static let recall20 = ReportMetric(rawValue: "Recall@20")
  public static let ndcg20 = ReportMetric(rawValue: "NDCG@20")

  /// The order in which known metrics are printed; others follow in order of appearance.
  public static let canonicalOrder: [ReportMetric] = [
    .sampledHitRate10, .sampledNDCG10, .fullHitRate10, .fullNDCG10, .recall20, .ndcg20,
  ]
}

/// Whose recommendations a row of the table measures.
public enum ReportMethod: String, Codable, Sendable, CaseIterable {
  /// The most popular items for everyone.
  case popularity
  /// Each partner trains by itself.
  case alone
  /// One model from all data in one place; a yardstick that no partner would accept.
  case central
  /// The federated model without noise; a yardstick, never published outside a simulation.
  case federatedWithoutNoise = "federated-without-noise"
  /// The federated model that the run published.
  case federatedPrivate = "federated-private"
}

/// A table of quality: method × (overall or one partner) × metrics.
public struct QualityTable: Codable, Sendable, Equatable {
  public enum Provenance: String, Codable, Sendable, CaseIterable {
    /// Exact figures, which only a simulation may print.
    case exactInSimulation = "exact-in-simulation"
    /// Clipped, noised and charged as a release of the plan.
    case noisedRelease = "noised-release"
    /// Computed by a partner at home on its own users.
    case ownPartner = "own-partner"
  }

  public var provenance: Provenance
  public var rows: [QualityRow]
  /// By length of history, all partners together: what the best served group has over the worst is how unfair a model is.
  public var byActivity: [ActivityRow]?
  /// How the held-out items were chosen and ranked, in one or two sentences.
  public var protocolNote: String?

  public init(provenance: Provenance, rows: [QualityRow], byActivity: [ActivityRow] = [], protocolNote: String? = nil) {
    self.provenance = provenance
    self.rows = rows
    self.byActivity = byActivity.isEmpty ? nil : byActivity
    self.protocolNote = protocolNote
  }
}

/// One row: a method, measured on everyone or on one partner's users.
public struct QualityRow: Codable, Sendable, Equatable {
  public var method: ReportMethod
  /// Name of the partner; `nil` for all partners together.
  public var partner: String?
  /// Users measured. Printed in a simulation only.
  public var users: Int?
  public var metrics: [MetricValue]

  public init(method: ReportMethod, partner: String? = nil, users: Int? = nil, metrics: [MetricValue]) {
    self.method = method
    self.partner = partner
    self.users = users
    self.metrics = metrics
  }
}

/// One row: a method, measured on the users whose histories have a length in a range.
public struct ActivityRow: Codable, Sendable, Equatable {
  /// Items of the training history: `20-44`, or `7`.
  public var historyLength: String
  public var method: ReportMethod
  /// Users measured. Printed in a simulation only.
  public var users: Int?
  public var metrics: [MetricValue]

  /// - Parameter row: of the group's users.
  public init(historyLength: String, _ row: QualityRow) {
    self.historyLength = historyLength
    (method, users, metrics) = (row.method, row.users, row.metrics)
  }
}

/// A value of a metric with its 95 % interval.
public struct MetricValue: Codable, Sendable, Equatable {
  public var metric: ReportMetric
  public var value: Double
  /// Ends of the 95 % interval.
  public var low: Double?
  public var high: Double?

  public init(_ metric: ReportMetric, _ value: Double, low: Double? = nil, high: Double? = nil) {
    self.metric = metric
    self.value = value
    self.low = low
    self.high = high
  }
}

/// One metric of one method over the rounds.
public struct MetricSeries: Codable, Sendable, Equatable {
  public var method: ReportMethod
  public var metric: ReportMetric
  public var points: [RoundValue]

  public init(method: ReportMethod, metric: ReportMetric, points: [RoundValue]) {
    self.method = method
    self.metric = metric
    self.points = points
  }
}

/// A value after a round.
public struct RoundValue: Codable, Sendable, Equatable {
  public var round: Int
  public var value: Double

  public init(round: Int, value: Double) {
    self.round = round
    self.value = value
  }
}

/// N/z with what to expect of it.
public struct NoiseReading: Codable, Sendable, Equatable {
  /// The plan's nominal number of users N (a constant of the contract, not a count).
  public var nominalUsers: Int
  /// z of the whole task: 1/z² = Σ 1/z_j².
  public var noiseMultiplier: Double
  /// What to expect, in words.
  public var reading: String

  /// - Parameter reading: `nil` takes the standing text for N/z.
  public init(nominalUsers: Int, noiseMultiplier: Double, reading: String? = nil) {
    self.nominalUsers = nominalUsers
    self.noiseMultiplier = noiseMultiplier
    self.reading =
      reading ?? NoiseReading.expectation(usersOverNoise: Double(nominalUsers) / noiseMultiplier)
  }

  public var usersOverNoise: Double { Double(nominalUsers) / noiseMultiplier }

  /// What experience on the reference data sets says of a given N/z.
  public static func expectation(usersOverNoise ratio: Double) -> String {
    switch ratio {
    case ..<400: "Below 400: expect little more than popularity to survive the noise."
    case ..<30000:
      "Between 400 and 30,000: what many users share survives; the long tail drowns."
    default: "Above 30,000: the noise costs little; most of the quality without noise should remain."
    }
  }
}
