internal import CommandSupport
internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import Reporting
internal import SecureAggregation
internal import Simulation
internal import Storage

/// Fills the report of a run: every figure from the plan, the ledger, the meters or the evaluation.
struct RunReportBuilder {
  let experiment: Experiment
  let outcome: SimulationRun.Outcome
  let comparison: Comparison
  let folder: RunFolder
  /// Of the command that makes the run again.
  let arguments: [String]
  let wallSeconds: Double

  private var plan: TrainingPlan { experiment.plan }
  private var result: FederationResult { outcome.result }

  func report() throws -> RunReport {
    RunReport(
      identity: identity, privacy: try figures.report(end: "\(result.end)"), utility: utility, cost: cost,
      hazards: figures.hazards, commands: commands)
  }

  /// N/z with what to expect of it; `nil` without noise.
  static func noiseReading(_ experiment: Experiment) -> NoiseReading? {
    let privacy = experiment.plan.privacy
    guard privacy.noise != .none, let z = try? PlanDraft.noiseMultiplier(privacy) else { return nil }
    return NoiseReading(nominalUsers: privacy.nominalUsers, noiseMultiplier: z)
  }

  private var identity: RunIdentity {
    RunIdentity(
      runID: plan.session, algorithm: plan.algorithm.name, dataSet: experiment.dataset.name,
      planHash: SHA256.hash(experiment.planFile.bytes).hex, catalogueHash: plan.catalogue.hash,
      codeVersion: ProgramVersion.tacit, accountantName: figures.accountant,
      signerKeyFingerprint: SHA256.hash(experiment.coordinatorKey.verificationKey.bytes).hex,
      createdAt: experiment.settings.insecureTestRandomness
        ? "1970-01-01T00:00:00Z" : Date().formatted(.iso8601),
      seed: experiment.settings.seed)
  }

  // MARK: - Privacy

  /// From the ledgers, as whoever verifies the run makes it too.
  private var figures: RunPrivacy {
    RunPrivacy(
      plan: plan, state: outcome.coordinatorLedger.state,
      partners: zip(plan.roster.map(\.name), outcome.partnerLedgers.map(\.state)).map { ($0, $1) },
      origin: .simulation(areUsersFromData: experiment.settings.nominalUsers == nil))
  }

  // MARK: - Utility and cost

  private var utility: UtilityReport {
    UtilityReport(
      quality: QualityTable(
        provenance: .exactInSimulation, rows: comparison.rows, byActivity: comparison.byActivity,
        protocolNote:
          "P1 ranks each user's held-out item against the listed negatives; full ranks all test items among everything the user has not seen. "
          + "'Each partner alone' and 'without noise' train the same algorithm as a plan without noise configures it."),
      series: outcome.series, noiseReading: Self.noiseReading(experiment),
      released: ReleasedQuality.list(outcome.evaluations, of: plan))
  }

  private var cost: CostReport {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return CostReport(
      traffic: plan.roster.map { entry in
        PartnerTraffic(
          partner: entry.name, bytesUp: result.bytesUp[.init(entry.participant)] ?? 0,
          bytesDown: result.bytesDown[.init(entry.participant)] ?? 0)
      },
      stages: StageMeter.Stage.allCases.compactMap { stage in
        result.meter.stages[stage].map {
          StageCost(
            ReportStage(rawValue: stage.rawValue), cpuSeconds: $0.cpuSeconds, bytes: $0.bytesUp + $0.bytesDown)
        }
      },
      dropouts: DropStage.allCases.compactMap { stage in
        result.dropouts[stage].map { StageCount(Self.stage(stage), count: $0) }
      },
      refusals: result.refusals.sorted { $0.key < $1.key }.map { ReasonCount(reason: $0.key, count: $0.value) },
      wallSeconds: wallSeconds, cpuSeconds: StageMeter.processCPU(), memoryPeakBytes: Int(usage.ru_maxrss) * 1024)
  }

  private static func stage(_ stage: DropStage) -> ReportStage {
    switch stage {
    case .advertiseKeys: .advertiseKeys
    case .shareKeys: .shareKeys
    case .maskedInput: .maskedInput
    case .consistencyCheck: .consistencyCheck
    case .unmask: .unmask
    }
  }

  private var commands: [ReportCommand] {
    RunCommands.list(
      folder: folder.path, again: ["tacit"] + arguments)
  }
}
