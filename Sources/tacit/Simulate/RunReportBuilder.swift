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
  let wallSeconds: Double

  private var plan: TrainingPlan { experiment.plan }
  private var result: FederationResult { outcome.result }

  func report() throws -> RunReport {
    RunReport(
      identity: identity, privacy: try privacy(), utility: utility, cost: cost, hazards: hazards, commands: commands)
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
      codeVersion: TacitVersion.text, accountantName: outcome.coordinatorLedger.state.recorded.accountant,
      signerKeyFingerprint: SHA256.hash(experiment.coordinatorKey.verificationKey.bytes).hex,
      createdAt: experiment.settings.insecureTestRandomness
        ? "1970-01-01T00:00:00Z" : Date().formatted(.iso8601),
      seed: experiment.settings.seed)
  }

  // MARK: - Privacy

  private func privacy() throws -> PrivacyReport {
    let state = outcome.coordinatorLedger.state
    let noise = plan.privacy.noise
    var report = PrivacyReport(
      setting: TrustSetting(
        noise: .init(rawValue: noise.rawValue) ?? .none, secureAggregation: plan.aggregation.isSecure,
        partnerCount: plan.roster.count, threshold: plan.aggregation.threshold,
        survivorCountMin: plan.aggregation.minimumSurvivors,
        colluderCount: noise == .distributed ? plan.aggregation.colluders : nil, observers: observers),
      unit: UnitStatement(
        adjacency: .init(rawValue: plan.privacy.adjacency.rawValue) ?? .addRemove,
        linkage: "the user id within one partner",
        partnersPerUserMax: plan.privacy.maximumPartnersPerUser,
        contributionBounds: noise == .none
          ? []
          : [
            "One user's whole message of each release is clipped once to the L2 norm C, rounded to integers, and accepted only when the sum of their squares is at most Δ²."
          ],
        distance: plan.privacy.maximumPartnersPerUser == 1 ? "Δ" : "\(plan.privacy.maximumPartnersPerUser)·Δ"))
    report.covered = [
      "Every release of the plan: training and evaluation.",
      "Attempts that were aborted after masked inputs may have left a partner.",
    ]
    report.notCovered = [
      "Who is eligible, and which partners took part.", "Traffic: sizes and times of messages.",
      "The catalogue, which is taken to be public; without a list of items this simulation makes it from the interactions.",
      "Choices that people made after looking at the data, such as these settings.",
      "Seconds and memory of this run, which depend on the data that was computed on.",
      (experiment.settings.nominalUsers == nil
        ? "The plan's number of users and the partners' caps: this simulation took them from the data, rounded to two digits, as no real plan may."
        : "The partners' caps on users in the plan: this simulation took them from the data, rounded to two digits, as no real plan may."),
    ]
    report.mechanisms = mechanisms(state)
    report.rounds = RoundCounts(
      planned: plan.releases.count, completed: result.releases.count,
      abortedButCharged: state.charges.count - result.releases.count,
      noiseContributors: NoiseContributors(counts: result.releases.map(\.survivors.count)),
      endedBecause: "\(result.end)")
    report.ledger = try ledgerExtract(state)
    report.tuning = TuningDisclosure(
      notCovered: ["Hyperparameters were given by the plan; any search for them on private data is not in these figures."])
    report.publicData = ["the catalogue of item ids", "the roster and the plan", "every released model"]
    report.neverLeaves = [
      "interactions and user ids", "user vectors, which are solved anew from the history", "how many users took part in a round",
    ]
    guard noise != .none, !state.charges.isEmpty else { return report }
    let coalition = state.charges.map(\.charge.event).compactMap(Self.accounted)
    let outsiders = state.charges.compactMap { plan.releases[$0.charge.release].event(plan.privacy, against: .outsiders) }
    report.cap = BudgetCap(
      epsilon: plan.privacy.epsilon, delta: plan.privacy.delta, against: noise == .distributed ? .coalition : .outsiders)
    report.guarantees = [try guarantee(.outsiders, outsiders)]
    if noise == .distributed { report.guarantees.append(try guarantee(.coalition, coalition)) }
    return report
  }

  private static func accounted(_ event: ChargedEvent) -> PrivacyEvent? {
    if case .accounted(let event) = event { event } else { nil }
  }

  private var observers: [Observer] {
    let isSecure = plan.aggregation.isSecure
    return [
      Observer(
        who: "The coordinator",
        sees: isSecure
          ? "who takes part, masked inputs, and their sum\(plan.privacy.noise == .distributed ? " with the partners' noise in it" : "")"
          : "every partner's sum",
        protectedBy: isSecure ? "secure aggregation with threshold \(plan.aggregation.threshold) of \(plan.roster.count)" : nil),
      Observer(
        who: "Each partner", sees: "the plan, the released models, and its own data",
        protectedBy: plan.privacy.noise == .none ? nil : "noise on every release"),
      Observer(
        who: "Readers of the model and of this report", sees: "the released models and these figures",
        protectedBy: plan.privacy.noise == .none ? nil : "noise on every release"),
    ]
  }

  private func mechanisms(_ state: LedgerState) -> [ReleaseMechanism] {
    var order: [String] = []
    var byName: [String: ReleaseMechanism] = [:]
    for (index, release) in plan.releases.enumerated() {
      let charged = state.charges.count { $0.charge.release == index }
      if var known = byName[release.name] {
        known.timesPlanned = (known.timesPlanned ?? 0) + 1
        known.timesCharged = (known.timesCharged ?? 0) + charged
        byName[release.name] = known
        continue
      }
      order.append(release.name)
      var mechanism = ReleaseMechanism(
        name: release.name, dimension: release.dimension, scale: release.scale, timesPlanned: 1, timesCharged: charged,
        modulusBits: release.modulusBits,
        sampler: release.samplingRate < 1 ? "Poisson sampling inside each partner, secret coins" : "every user, every round",
        samplingRate: release.samplingRate,
        cohortExpected: release.samplingRate * Double(plan.privacy.nominalUsers))
      if let encoding = release.encoding, let noise = release.noise {
        mechanism.mechanism = "discrete Gaussian (exact sampler of Canonne, Kamath, Steinke 2020)"
        mechanism.nonZeroCountMax = encoding.maximumNonZeros
        mechanism.clipNorm = encoding.clipNorm
        mechanism.rounding = "stochastic rounding, accepted when the sum of squares is at most Δ² in integers"
        mechanism.sensitivitySquared = Int(encoding.deltaSquared)
        mechanism.noiseVariance = Int(noise.sigmaSquared)
        mechanism.noiseVariancePerPartner = noise.share.map { Int($0.variance) }
        mechanism.noiseMultiplier = noise.noiseMultiplier(
          adjacency: plan.privacy.adjacency, partnersPerUser: plan.privacy.maximumPartnersPerUser)
        mechanism.budgetShare = release.budgetShare
        mechanism.wrapProbabilityLog2 = plan.wrapProbabilityLog2(of: release)
      }
      byName[release.name] = mechanism
    }
    return order.compactMap { byName[$0] }
  }

  private func guarantee(_ adversary: Reporting.Adversary, _ events: [PrivacyEvent]) throws -> Guarantee {
    let delta = plan.privacy.delta
    let summary = try PrivacyLossSummary(events)
    let bound = try Accounting.bound(for: summary, delta: delta)
    let deltas = [1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10]
    var guarantee = Guarantee(against: adversary, delta: delta, epsilonUpper: bound.epsilon)
    guarantee.epsilonLower = bound.lowerEpsilon
    guarantee.theorem = bound.theorem
    guarantee.assumptions = [
      "The noise was drawn as the plan says"
        + (plan.privacy.noise == .central
          ? ", by the coordinator: nobody else can check that." : ", by the partners that are honest."),
      "A user is at no more than \(plan.privacy.maximumPartnersPerUser) partner\(plan.privacy.maximumPartnersPerUser == 1 ? "" : "s").",
    ]
    guarantee.numerics = "κT = \(Text.significant(summary.kappa)) is included in ε and δ"
    guarantee.curve = (3...12).map { exponent in
      let delta = pow(10, -Double(exponent))
      return CurvePoint(epsilon: Accounting.epsilon(for: summary, delta: delta), delta: delta)
    }
    guarantee.epsilonAtDelta = deltas.map { CurvePoint(epsilon: Accounting.epsilon(for: summary, delta: $0), delta: $0) }
    guarantee.rho = summary.rho
    guarantee.mu = summary.mu
    guarantee.groups = [1, 2, 5].compactMap { size in
      // A group at more partners than any accountant covers has no figure.
      guard let scaled = try? PrivacyLossSummary(try events.map { try $0.forGroup(of: size) }) else { return nil }
      return GroupGuarantee(size: size, epsilon: Accounting.epsilon(for: scaled, delta: delta), delta: delta)
    }
    guarantee.attack = AttackReading.readings(gaussianMu: summary.mu)
    return guarantee
  }

  private func ledgerExtract(_ state: LedgerState) throws -> LedgerExtract {
    let entries = state.charges.enumerated().map { index, standing in
      let wasReleased: Bool
      if case .released? = standing.outcome?.result { wasReleased = true } else { wasReleased = false }
      return LedgerEntryExtract(
        index: standing.number - 1, release: standing.charge.name, round: standing.charge.attempt.round,
        attempt: standing.charge.attempt.attempt,
        epsilonAfter: standing.charge.epsilonAfter.isFinite ? standing.charge.epsilonAfter : nil,
        survivorCount: standing.charge.survivors, released: wasReleased)
    }
    let spent = state.recorded.epsilon(delta: plan.privacy.delta)
    return LedgerExtract(
      entries: entries, size: state.size, head: state.head.head.head.hex,
      epsilonRemaining: plan.privacy.noise == .none ? nil : max(0, plan.privacy.epsilon - spent))
  }

  // MARK: - Utility and cost

  private var utility: UtilityReport {
    UtilityReport(
      quality: QualityTable(
        provenance: .exactInSimulation, rows: comparison.rows,
        protocolNote:
          "P1 ranks each user's held-out item against the listed negatives; full ranks all test items among everything the user has not seen. "
          + "'Each partner alone' and 'without noise' train the same algorithm as a plan without noise configures it."),
      series: outcome.series, noiseReading: Self.noiseReading(experiment))
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

  private var hazards: [Hazard] {
    var hazards = [
      Hazard(
        kind: .simulation,
        text: "One process played all parties: it shows cost and quality, and protects nobody from its own operator."),
      Hazard(
        kind: .exactTables,
        text:
          "The quality tables and curves, in metrics.jsonl too, are exact, and recommendations.tsv lists single users, without the items that they have. ε covers none of them. Outside a simulation such figures would be noised and charged, or stay at the partners."
      ),
    ]
    if plan.privacy.usesInsecureTestRandomness {
      hazards.append(
        Hazard(kind: .testRandomness, text: "Keys, masks and noise came from a seed: nothing in this run is private."))
    }
    if plan.privacy.noise == .none {
      hazards.append(Hazard(kind: .noNoise, text: "No noise was added: the released models carry no differential privacy."))
    }
    if !plan.aggregation.isSecure {
      hazards.append(Hazard(kind: .noSecureAggregation, text: "The coordinator saw every partner's sum."))
    }
    if plan.privacy.noise != .none {
      hazards.append(
        Hazard(kind: .samplerTiming, text: "The time that the noise sampler takes may depend on what it draws; it is not masked.")
      )
    }
    return hazards
  }

  private var commands: [ReportCommand] {
    [
      ReportCommand(
        purpose: "Check plan and ledgers, and recompute ε from their events alone", command: "tacit verify \(folder.path)"),
      ReportCommand(purpose: "Show this report again", command: "tacit report \(folder.path)"),
      ReportCommand(purpose: "Recompute the quality of the lists", command: "tacit evaluate \(folder.path)"),
      ReportCommand(
        purpose: "Recommend to one user",
        command: "tacit recommend --run \(folder.path) --user USER --top 10 --explain"),
      ReportCommand(
        purpose: "Run it again",
        command: "tacit " + CommandLine.arguments.dropFirst().joined(separator: " ")),
    ]
  }
}
