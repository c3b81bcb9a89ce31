/// Everything that one run may tell the world about itself: its claim of privacy, its quality and its cost.
///
/// A value without behaviour: the host that ran the task fills it, the renderings in this module print it.
/// What was not measured stays `nil` (or an empty list) and is printed as "not measured" or left out; no
/// rendering invents a value. The 16 points of the privacy report are found in `privacy`, `hazards` and
/// `commands`.
///
/// - Warning: Realised numbers of users are private outside a simulation. `users` of a quality row is therefore
///   dropped by every rendering unless the table says `exactInSimulation` (see `publishable()`).
public struct RunReport: Codable, Sendable, Equatable {
  /// Name and version of the JSON layout, `Protocols/report.schema.json`.
  public var schema: String
  public var identity: RunIdentity
  public var privacy: PrivacyReport
  public var utility: UtilityReport?
  public var cost: CostReport?
  /// What weakens or voids the claim, or must be known to read the figures.
  public var hazards: [Hazard]
  /// The commands that recompute every figure.
  public var commands: [ReportCommand]

  public init(
    identity: RunIdentity, privacy: PrivacyReport, utility: UtilityReport? = nil, cost: CostReport? = nil,
    hazards: [Hazard] = [], commands: [ReportCommand] = []
  ) {
    self.schema = RunReport.currentSchema
    self.identity = identity
    self.privacy = privacy
    self.utility = utility
    self.cost = cost
    self.hazards = hazards
    self.commands = commands
  }

  public static let currentSchema = "tacit.report/1"
}

/// Which run this is, made by which code, and signed by whom.
public struct RunIdentity: Codable, Sendable, Equatable {
  public var runID: String
  /// Algorithm of the run, as on the command line: `mf`, `als`, `covariance`.
  public var algorithm: String?
  /// Public name of the data set.
  public var dataSet: String?
  /// Hash of the plan that was run, hexadecimal.
  public var planHash: String?
  /// Hash of the public catalogue named by the plan, hexadecimal.
  public var catalogueHash: String?
  public var codeVersion: String?
  /// Name of the accountant that computed every ε, for example `analytic Gaussian`.
  public var accountantName: String?
  public var accountantVersion: String?
  /// Fingerprint of the Ed25519 key that signed the ledger, hexadecimal.
  public var signerKeyFingerprint: String?
  /// When the report was made, as text (ISO 8601, UTC). The host owns the clock.
  public var createdAt: String?
  /// Seed of data, splits, initialisation and simulated dropouts; never of keys, masks or noise.
  public var seed: UInt64?

  public init(
    runID: String, algorithm: String? = nil, dataSet: String? = nil, planHash: String? = nil,
    catalogueHash: String? = nil, codeVersion: String? = nil, accountantName: String? = nil,
    accountantVersion: String? = nil, signerKeyFingerprint: String? = nil, createdAt: String? = nil,
    seed: UInt64? = nil
  ) {
    self.runID = runID
    self.algorithm = algorithm
    self.dataSet = dataSet
    self.planHash = planHash
    self.catalogueHash = catalogueHash
    self.codeVersion = codeVersion
    self.accountantName = accountantName
    self.accountantVersion = accountantVersion
    self.signerKeyFingerprint = signerKeyFingerprint
    self.createdAt = createdAt
    self.seed = seed
  }
}

/// A circumstance that the reader must know before believing a figure.
public struct Hazard: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable, CaseIterable {
    /// One process played all parties.
    case simulation
    /// Keys, masks or noise came from a test source: nothing in the run is private.
    case testRandomness
    /// The quality tables are exact counts, which only a simulation may print.
    case exactTables
    /// No noise was added: the outputs carry no differential privacy.
    case noNoise
    /// Secure aggregation was off: the coordinator saw every partner's input.
    case noSecureAggregation
    /// The time a sampler takes may depend on what it draws.
    case samplerTiming
    /// δ is 1/N or more: the guarantee allows to publish some user whole.
    case largeDelta
    /// What an audit saw cannot be if the mechanism is the plan's.
    case auditContradicted
    case other
  }

  /// True when the circumstance voids protection instead of explaining a figure.
  package var isGrave: Bool { [.testRandomness, .noNoise, .noSecureAggregation, .largeDelta, .auditContradicted].contains(kind) }

  public var kind: Kind
  /// One or two sentences for the reader.
  public var text: String

  public init(kind: Kind, text: String) {
    self.kind = kind
    self.text = text
  }
}

/// A command line that recomputes part of the report.
public struct ReportCommand: Codable, Sendable, Equatable {
  /// What it shows, as a short phrase: "Recompute ε from the ledger".
  public var purpose: String
  public var command: String

  public init(purpose: String, command: String) {
    self.purpose = purpose
    self.command = command
  }
}

extension RunReport {
  /// The report without what may not be printed: outside a simulation, users per row; without noise, guarantees.
  ///
  /// Every rendering prints this value and not the one it was given.
  public func publishable() -> RunReport {
    var report = self
    if privacy.setting.noise == .none { report.privacy.guarantees = [] }
    if let provenance = utility?.quality?.provenance, provenance != .exactInSimulation {
      for row in report.utility?.quality?.rows.indices ?? 0..<0 {
        report.utility?.quality?.rows[row].users = nil
      }
      for row in report.utility?.quality?.byActivity?.indices ?? 0..<0 {
        report.utility?.quality?.byActivity?[row].users = nil
      }
    }
    return report
  }
}
