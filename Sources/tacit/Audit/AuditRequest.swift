internal import CommandSupport
internal import FederatedLearning
internal import Foundation
internal import Simulation

/// An audit that a run is asked to add.
struct AuditRequest {
  let settings: AuditSettings
  let fault: MechanismFault

  /// Everything that can be refused before anything runs, is.
  ///
  /// - Throws: `CommandFailure` with the sentence for the user.
  func prepare(_ experiment: Experiment) throws -> PipelineAudit {
    if fault == .missingShare, experiment.plan.privacy.noise != .distributed {
      throw CommandFailure(
        .configuration,
        "--fault missing-share leaves out a partner's share, and noise is \(experiment.plan.privacy.noise.rawValue); expected --noise distributed"
      )
    }
    let task = AuditedTask(
      planFile: experiment.planFile, algorithm: experiment.algorithm,
      shards: experiment.plan.roster.indices.map { experiment.shard(of: $0) }, coordinatorKey: experiment.coordinatorKey,
      partnerKeys: experiment.partnerKeys,
      faults: FaultPlan(
        dropout: experiment.settings.dropout, straggling: experiment.settings.stragglers, mechanism: fault),
      randomness: experiment.randomness,
      workers: ProcessInfo.processInfo.activeProcessorCount)
    do { return try PipelineAudit(task, settings: settings) } catch let error as AuditError {
      throw CommandFailure(.configuration, "no audit can be made: \(error)")
    }
  }

  /// Plays the runs with canaries.
  ///
  /// - Throws: `CommandFailure` when one does not come to its end.
  static func result(of audit: PipelineAudit, _ interruption: Interruption) throws -> AuditResult {
    do { return try audit.run(shouldStop: { interruption.isRequested }) } catch let error as AuditError {
      throw CommandFailure(interruption.isRequested ? .interrupted : .stopped, "\(error)")
    }
  }
}
