internal import DifferentialPrivacy
public import FederatedLearning
internal import Foundation
public import Reporting

/// The privacy report of one plan, from the plan and one ledger: the same figures whoever holds the ledger.
///
/// The caller adds what the plan and the ledger do not say: what is covered, who counted rounds, searches before the run.
public struct PlanPrivacyReport {
  private let plan: TrainingPlan
  private let state: LedgerState
  private let charges: [LedgerState.Standing]
  private let ledgerHead: String
  private let remaining: Double?
  private let planName: (LedgerState.Standing) -> String?

  /// - Parameters:
  ///   - charges: those of this plan.
  ///   - ledgerHead: hash of the ledger's last record, in hex.
  ///   - remaining: ε that the plan's cap leaves; `nil` without a cap.
  ///   - planName: what a charge's plan is called where the ledger knows more than one.
  public init(
    plan: TrainingPlan, state: LedgerState, charges: [LedgerState.Standing], ledgerHead: String, remaining: Double?,
    planName: @escaping (LedgerState.Standing) -> String? = { _ in nil }
  ) {
    self.plan = plan
    self.state = state
    self.charges = charges
    self.ledgerHead = ledgerHead
    self.remaining = remaining
    self.planName = planName
  }

  /// Setting, unit, mechanisms, ledger and, where there is noise, the guarantees.
  ///
  /// - Throws: `PrivacyParameterError` when the charges cannot be composed.
  public func report() throws -> PrivacyReport {
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
    report.mechanisms = mechanisms
    report.ledger = ledgerExtract
    report.publicData = ["the catalogue of item ids", "the roster and the plan", "every released model"]
    report.neverLeaves = [
      "interactions and user ids", "user vectors, which are solved anew from the history", "how many users took part in a round",
    ]
    guard noise != .none, !charges.isEmpty else { return report }
    let coalition = charges.map(\.charge.event).compactMap(Self.accounted)
    let outsiders = charges.compactMap { plan.releases[$0.charge.release].event(plan.privacy, against: .outsiders) }
    report.cap = BudgetCap(
      epsilon: plan.privacy.epsilon, delta: plan.privacy.delta, against: noise == .distributed ? .coalition : .outsiders)
    report.guarantees = [try guarantee(.outsiders, outsiders)]
    if noise == .distributed { report.guarantees.append(try guarantee(.coalition, coalition)) }
    return report
  }

  /// What weakens or voids the claim, as far as the plan says it.
  public static func hazards(_ plan: TrainingPlan) -> [Hazard] {
    var hazards: [Hazard] = []
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
        protectedBy: isSecure
          ? "secure aggregation with threshold \(plan.aggregation.threshold) of \(plan.aggregation.holders(of: plan.roster.count))"
          : nil),
      Observer(
        who: "Each partner", sees: "the plan, the released models, and its own data",
        protectedBy: plan.privacy.noise == .none ? nil : "noise on every release"),
      Observer(
        who: "Readers of the model and of this report", sees: "the released models and these figures",
        protectedBy: plan.privacy.noise == .none ? nil : "noise on every release"),
    ]
  }

  private var mechanisms: [ReleaseMechanism] {
    var order: [String] = []
    var byName: [String: ReleaseMechanism] = [:]
    for (index, release) in plan.releases.enumerated() {
      let charged = charges.count { $0.charge.release == index }
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

  private var ledgerExtract: LedgerExtract {
    let entries = state.charges.map { standing in
      let wasReleased: Bool
      if case .released? = standing.outcome?.result { wasReleased = true } else { wasReleased = false }
      return LedgerEntryExtract(
        index: standing.number - 1, plan: planName(standing), release: standing.charge.name, round: standing.charge.attempt.round,
        attempt: standing.charge.attempt.attempt,
        epsilonAfter: standing.charge.epsilonAfter.isFinite ? standing.charge.epsilonAfter : nil,
        survivorCount: standing.charge.survivors, released: wasReleased)
    }
    return LedgerExtract(entries: entries, size: state.size, head: ledgerHead, epsilonRemaining: remaining)
  }
}
