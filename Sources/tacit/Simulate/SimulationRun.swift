internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import Recommender
internal import Reporting
internal import SecureAggregation
internal import Simulation
internal import Storage

/// One simulated run from settings to a finished folder.
struct SimulationRun {
  let settings: SimulationSettings
  let format: OutputFormat
  /// Attacks on the plan's mechanism, after the run.
  var audit: AuditRequest?
  /// Of the command that makes it again.
  var arguments = Array(CommandLine.arguments.dropFirst())

  /// - Parameter isSilent: whether nothing is printed when it ends well: for a program that goes on.
  @discardableResult
  func execute(isSilent: Bool = false) throws -> RunReport {
    let began = StageMeter.wallClock()
    let output = try outputPath()
    if let ledgers = settings.ledgers { try KeptLedgers.refuse(output: output, around: ledgers) }
    let experiment = try Experiment.prepare(settings)
    let audit = try audit?.prepare(experiment)
    if let kept = experiment.kept {
      _ = try KeptLedgers.caps(
        of: experiment.planFile, told: settings.cap, on: experiment.plan.roster.map { try kept.state(of: $0.name) },
        earlier: kept.earlierPlans())
    }
    var folder = try RunFolder.create(at: output)
    let progress = Progress(isQuiet: isSilent || format == .json, releaseCount: experiment.plan.releases.count)
    progress.say("\(experiment.dataset.name): \(Self.describe(experiment))")
    for note in experiment.notes { progress.say("note: \(note)") }
    if let reading = RunReportBuilder.noiseReading(experiment) {
      let ratio = Int(exactly: reading.usersOverNoise.rounded()).map(String.init) ?? Text.significant(reading.usersOverNoise)
      progress.say(
        "users over noise N/z = \(ratio) (N = \(reading.nominalUsers), z = \(Text.significant(reading.noiseMultiplier))): \(reading.reading)"
      )
    }
    let interruption = Interruption { [folder] in
      try? folder.interrupt(reason: "stopped by a signal; the ledgers are valid")
      Failures.complain(Self.partingSentence(folder))
    }
    var isBegun = false
    do {
      try writePlan(experiment, folder)
      let outcome = try train(experiment, folder, progress, interruption, isBegun: &isBegun)
      switch outcome.result.end {
      case .completed: break
      case .stopped:
        try folder.interrupt(reason: "stopped by a signal after \(outcome.result.releases.count) releases; the ledgers are valid")
        throw CommandFailure(
          .interrupted,
          "stopped after \(outcome.result.releases.count) of \(experiment.plan.releases.count) releases; the ledgers in \(folder.currentPath) are valid, nothing else in it is a result"
        )
      case .ledgerFailed(let sentence): throw CommandFailure(.io, "stopped because the ledger could not be written: \(sentence)")
      case .budgetExhausted, .tooManyAborts:
        if outcome.result.releases.isEmpty {
          let reasons = Self.reasons(outcome.result)
          try folder.interrupt(reason: "\(outcome.result.end)")
          throw CommandFailure(.stopped, "\(outcome.result.end); nothing was released\(reasons)")
        }
      }
      let attacked = try audit.map { try attack($0, experiment, folder, progress, interruption) }
      interruption.endAtOnce(true)
      // A signal that came too late for the last safe point.
      guard !interruption.isRequested else { throw CommandFailure(.interrupted, Self.partingSentence(folder)) }
      progress.say(
        settings.baselines ? "evaluating, beside popularity, each partner alone and the same without noise" : "evaluating")
      let comparison = Comparison(experiment: experiment, model: outcome.result.model, baselines: settings.baselines)
      var report = try RunReportBuilder(
        experiment: experiment, outcome: outcome, comparison: comparison, folder: folder, arguments: arguments,
        wallSeconds: StageMeter.wallClock() - began
      ).report()
      report.privacy.audit = attacked?.reported
      if let hazard = report.privacy.audit?.hazard { report.hazards.insert(hazard, at: 0) }
      try writeResults(experiment, outcome, comparison, report, folder)
      interruption.endAtOnce(false)
      try folder.finish()
      if isSilent { return report }
      if let attacked {
        Console.output(
          format == .json
            ? String(decoding: try attacked.bytes().dropLast(), as: UTF8.self) : attacked.lines.joined(separator: "\n"))
      } else {
        Console.output(format == .json ? try report.renderJSON() : report.renderText(.summary))
      }
      if format == .text {
        Console.output("report    \(folder.reportHTML)")
        Console.output("lists     \(folder.recommendations)")
        Console.output("verify    tacit verify \(folder.path)")
        if let user = experiment.dataset.userIDs.first {
          Console.output("try       tacit recommend --run \(folder.path) --user \(user) --explain")
        }
      }
      if let attacked, attacked.verdict == .contradicted { throw CommandFailure(.notVerified, attacked.objection) }
      if outcome.result.end != .completed {
        throw CommandFailure(
          .stopped, "\(outcome.result.end)\(Self.reasons(outcome.result)); \(folder.path) holds what was released before")
      }
      return report
    } catch {
      // Whoever was refused before anything was charged tries again under the same name.
      if !isBegun {
        try? FileManager.default.removeItem(atPath: folder.currentPath)
      } else if !folder.isFinished {
        try? folder.interrupt(reason: "\(error)")
      }
      throw error
    }
  }

  /// What a run leaves for the report.
  struct Outcome {
    let result: FederationResult
    let coordinatorLedger: PrivacyLedger
    let partnerLedgers: [PrivacyLedger]
    let series: [MetricSeries]
    let evaluations: [Int: NoisedEvaluation]
    let metricLines: [String]
    let witnessLines: [String]
    let modelRelease: ModelRelease?
    /// Keeps other runs from the folder of kept ledgers, as long as this one may write a result.
    let hold: DirectoryLock?
  }

  /// Plays the plan again with canaries, and writes what that found.
  private func attack(
    _ audit: PipelineAudit, _ experiment: Experiment, _ folder: RunFolder, _ progress: Progress, _ interruption: Interruption
  ) throws -> AuditDocument {
    progress.say("auditing: the same plan again, with canaries")
    let document = AuditDocument(
      try AuditRequest.result(of: audit, interruption), task: experiment.plan.task,
      planHash: SHA256.hash(experiment.planFile.bytes).hex, fault: self.audit?.fault ?? .none)
    try folder.write(try document.bytes(), to: folder.currentPath + "/audit.json")
    return document
  }

  private static func partingSentence(_ folder: RunFolder) -> String {
    "stopped; the ledgers in \(folder.currentPath) are valid, nothing else in it is a result"
  }

  private func train(
    _ experiment: Experiment, _ folder: RunFolder, _ progress: Progress, _ interruption: Interruption, isBegun: inout Bool
  ) throws -> Outcome {
    let plan = experiment.plan
    func ledger(
      _ kind: LedgerHeader.Kind, _ holder: String, _ dataset: String, _ key: SigningKey,
      _ open: (_ header: () throws -> [UInt8]) throws -> LedgerFile
    ) throws -> PrivacyLedger {
      let file = try open {
        try PrivacyLedger.headerLine(
          kind: kind, holder: holder, dataset: dataset,
          created: settings.insecureTestRandomness ? 0 : Int(Date().timeIntervalSince1970), key: key)
      }
      let ledger = try PrivacyLedger(content: file.content, journal: file, key: key)
      if settings.insecureTestRandomness {
        try ledger.note("not private: keys, masks and noise of this run come from a seed", time: 0)
      }
      return ledger
    }
    let coordinatorLedger = try ledger(
      .coordinator, "coordinator", plan.task, experiment.coordinatorKey
    ) { try LedgerFile.create(at: folder.coordinatorLedger, header: $0()) }
    let kept = experiment.kept
    let hold = try kept?.held()
    var partners: [SimulatedPartner] = []
    for (index, entry) in plan.roster.enumerated() {
      let key = experiment.partnerKeys[index]
      let dataset = "\(experiment.dataset.name)/\(entry.name)"
      partners.append(
        SimulatedPartner(
          participant: ParticipantID(entry.participant), name: entry.name, shard: experiment.shard(of: index), signingKey: key,
          ledger: try ledger(.partner, entry.name, dataset, key) { header in
            try kept?.ledger(of: entry.name, header: header)
              ?? LedgerFile.create(at: folder.partnerLedger(entry.name), header: header())
          }))
    }
    if let kept { try open(kept, for: &partners, experiment, folder) }
    // Of a run that is refused no search is told: it looked at nothing.
    let now = settings.insecureTestRandomness ? 0 : Int(Date().timeIntervalSince1970)
    for ledger in [coordinatorLedger] + partners.map(\.ledger) {
      try ledger.noteSearch(of: plan, hash: SHA256.hash(experiment.planFile.bytes), time: now)
    }
    let recorder = RoundRecorder(experiment: experiment, progress: progress)
    let federation = try Federation(
      planFile: experiment.planFile, algorithm: experiment.algorithm, partners: partners,
      coordinatorKey: experiment.coordinatorKey, coordinatorLedger: coordinatorLedger,
      faults: FaultPlan(
        dropout: settings.dropout, straggling: settings.stragglers,
        lie: CoordinatorLie(rawValue: settings.lyingCoordinator) ?? .none),
      seed: settings.seed, randomness: experiment.randomness,
      workers: ProcessInfo.processInfo.activeProcessorCount,
      observer: { event in
        // For one that is killed; the end says whether it could be written.
        if let kept { try? Self.keepHeads(of: partners, in: kept) }
        recorder.observe(event)
      }, shouldStop: { interruption.isRequested })
    isBegun = true
    let result = federation.run()
    if let kept {
      try Self.keepHeads(of: partners, in: kept)
      try kept.close(partners.map(\.name), into: folder)
    }
    progress.finish()
    return Outcome(
      result: result, coordinatorLedger: coordinatorLedger, partnerLedgers: partners.map(\.ledger),
      series: recorder.series, evaluations: recorder.evaluations, metricLines: recorder.lines, witnessLines: recorder.witnesses,
      modelRelease: recorder.modelRelease, hold: hold)
  }

  /// Prepares ledgers that outlive the run, or refuses it.
  private func open(
    _ kept: KeptLedgers, for partners: inout [SimulatedPartner], _ experiment: Experiment, _ folder: RunFolder
  ) throws {
    // Under the lock once more: another run may have begun the folder, or charged its ledgers, since.
    _ = try kept.isBegun(by: experiment.users)
    let earlier = try kept.earlierPlans()
    let caps = try KeptLedgers.caps(
      of: experiment.planFile, told: settings.cap, on: partners.map(\.ledger.state), earlier: earlier)
    for (index, cap) in caps.enumerated() {
      (partners[index].cap, partners[index].firstCap) = (cap.budget, partners[index].ledger.state.firstCap)
      partners[index].earlierPlans = earlier
      try partners[index].ledger.note(cap: cap.budget, time: Int(Date().timeIntervalSince1970))
    }
    try Self.keepHeads(of: partners, in: kept)
    try kept.begin(experiment.users)
    try kept.keep(experiment.planFile)
    kept.link(partners.map(\.name), into: folder)
  }

  private static func keepHeads(of partners: [SimulatedPartner], in kept: KeptLedgers) throws {
    for partner in partners { try kept.keep(partner.ledger.head.head, of: partner.name) }
  }

  private func writePlan(_ experiment: Experiment, _ folder: RunFolder) throws {
    try folder.write(experiment.planFile.bytes, to: folder.plan)
    try folder.write(
      Array((experiment.planSignature.hex + "\n").utf8), to: folder.currentPath + "/plan.sig")
    try folder.write(try RunSettingsFile(settings, arguments: arguments).bytes(), to: folder.currentPath + "/settings.json")
  }

  private func writeResults(
    _ experiment: Experiment, _ outcome: Outcome, _ comparison: Comparison, _ report: RunReport, _ folder: RunFolder
  ) throws {
    if let statement = outcome.modelRelease { try folder.write(statement.encoded(), to: folder.modelRelease) }
    try ModelBundle.write(
      outcome.result.model, catalogue: experiment.dataset.catalogue, to: folder.currentPath)
    if let features = experiment.features { try ItemFeatureFile.write(features, to: folder.currentPath) }
    try RecommendationFile.write(
      scorer: comparison.scorer, dataset: experiment.dataset, count: settings.topN, to: folder.recommendations)
    if !outcome.witnessLines.isEmpty {
      try folder.write(Array((outcome.witnessLines.joined(separator: "\n") + "\n").utf8), to: folder.witnesses)
    }
    try folder.write(Array((outcome.metricLines.joined(separator: "\n") + "\n").utf8), to: folder.metrics)
    let sealed = try SealedReport(report, key: experiment.coordinatorKey)
    try folder.write(Array(sealed.json.utf8), to: folder.reportJSON)
    try folder.write(Array(sealed.page.utf8), to: folder.reportHTML)
    try folder.write(Array(sealed.text.utf8), to: folder.reportText)
  }

  private func outputPath() throws -> String {
    if let output = settings.output {
      guard !output.isEmpty else { throw CommandFailure(.usage, "--output is empty; expected a folder such as runs/first") }
      return output
    }
    for number in 1...9999 {
      let path = "runs/\(settings.algorithm)-\(number)"
      if !FileManager.default.fileExists(atPath: path), !FileManager.default.fileExists(atPath: path + ".partial") {
        return path
      }
    }
    throw CommandFailure(.cannotCreate, "runs/ holds 9999 runs of \(settings.algorithm); name one with --output")
  }

  private static func describe(_ experiment: Experiment) -> String {
    let (data, plan) = (experiment.dataset, experiment.plan)
    return
      "\(data.userCount) users, \(data.itemCount) items, \(data.train.count) interactions, \(experiment.partition.count) partners; \(plan.algorithm.name), \(plan.releases.count) releases, secure aggregation \(plan.aggregation.isSecure ? "on" : "off"), noise \(plan.privacy.noise.rawValue)"
  }

  private static func reasons(_ result: FederationResult) -> String {
    guard !result.refusals.isEmpty else { return "" }
    let reasons = result.refusals.sorted { $0.value > $1.value }.prefix(4)
    return " (" + reasons.map { "\($0.value) × \($0.key)" }.joined(separator: "; ") + ")"
  }
}
