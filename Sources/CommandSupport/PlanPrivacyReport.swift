public import DifferentialPrivacy
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
  private let planName: (LedgerState.Standing) -> String?

  /// - Parameters:
  ///   - charges: those of this plan.
  ///   - ledgerHead: hash of the ledger's last record, in hex.
  ///   - planName: what a charge's plan is called where the ledger knows more than one.
  public init(
    plan: TrainingPlan, state: LedgerState, charges: [LedgerState.Standing], ledgerHead: String,
    planName: @escaping (LedgerState.Standing) -> String? = { _ in nil }
  ) {
    self.plan = plan
    self.state = state
    self.charges = charges
    self.ledgerHead = ledgerHead
    self.planName = planName
  }

  /// Setting, unit, mechanisms, ledger and, where there is noise, the guarantees.
  ///
  /// - Throws: `PrivacyParameterError` when the charges cannot be composed.
  public func report() throws -> PrivacyReport {
    guard charges.allSatisfy({ plan.releases.indices.contains($0.charge.release) }) else {
      throw PrivacyParameterError(
        "the ledger charges a release that is not in the plan; expected 0 to \(plan.releases.count - 1)")
    }
    let noise = plan.privacy.noise
    var report = PrivacyReport(
      setting: TrustSetting(
        noise: .init(rawValue: noise.rawValue) ?? .none, secureAggregation: plan.aggregation.isSecure,
        partnerCount: plan.roster.count, threshold: plan.aggregation.threshold,
        holderCount: plan.aggregation.graph?.holders,
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
    report.ledger = ledgerExtract(remaining: nil)
    report.publicData = ["the catalogue of item ids", "the roster and the plan", "every released model"]
    report.neverLeaves = [
      "interactions and user ids", "user vectors, which are solved anew from the history", "how many users took part in a round",
    ]
    guard noise != .none else { return report }
    report.ledger = ledgerExtract(remaining: max(0, plan.privacy.epsilon - spending.epsilon(delta: plan.privacy.delta)))
    guard !charges.isEmpty else { return report }
    let coalition = charges.map(\.charge.event).compactMap(Self.accounted)
    let outsiders = charges.compactMap { plan.releases[$0.charge.release].event(plan.privacy, against: .outsiders) }
    report.cap = BudgetCap(
      epsilon: plan.privacy.epsilon, delta: plan.privacy.delta, against: noise == .distributed ? .coalition : .outsiders)
    report.guarantees = [try guarantee(.outsiders, outsiders)]
    if noise == .distributed { report.guarantees.append(try guarantee(.coalition, coalition)) }
    return report
  }

  /// Whether the run stopped before its plan did, as a sentence of what the figures do not cover.
  ///
  /// - Parameters:
  ///   - released: releases that happened.
  ///   - end: why the run ended, after "the run".
  public func stopping(released: Int, end: String) -> String {
    (released == plan.releases.count
      ? "Early stopping: none, every release of the plan happened."
      : "Early stopping: \(released) of \(plan.releases.count) releases happened (\(end)); if something that was released decided that, what holds is the plan's cap.")
      + " Warm starts: none, the plan fixed the rounds and the first model. The vocabulary is the public catalogue."
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
    if let warning = plan.privacy.largeDeltaWarning { hazards.append(Hazard(kind: .largeDelta, text: warning)) }
    if plan.privacy.noise != .none {
      hazards.append(
        Hazard(kind: .samplerTiming, text: "The time that the noise sampler takes may depend on what it draws; it is not masked.")
      )
    }
    return hazards
  }

  /// The plan's charges by themselves. Which accountant counts is decided once, for every figure.
  private var spending: LedgerSpending { LedgerSpending(of: charges) }

  /// Name and version of the accountant that the figures are by.
  public var accountant: String { spending.accountant }

  private static func accounted(_ event: ChargedEvent) -> PrivacyEvent? {
    if case .accounted(let event) = event { event } else { nil }
  }

  private var observers: [Observer] {
    let isSecure = plan.aggregation.isSecure
    let evaluated =
      plan.privacy.noise != .none && plan.releases.contains { $0.purpose == .evaluation }
      ? ", the noised sums of users and hits of evaluation releases" : ""
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
        who: "Each partner", sees: "the plan, the released models\(evaluated), and its own data",
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
        mechanism.randomness =
          plan.privacy.usesInsecureTestRandomness
          ? "a seed: a test run, not private"
          : "the operating system's generator, \(plan.privacy.noise == .central ? "at the coordinator" : "at every partner for its own share")"
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
    let parameters = spending.parameters
    let epsilon = { (summary: PrivacyLossSummary, delta: Double) in
      Accounting.epsilon(for: summary, delta: delta, parameters: parameters)
    }
    let bound = try Accounting.bound(for: summary, delta: delta, parameters: parameters)
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
    if let early = try earlyEnd(adversary, charged: bound) { guarantee.assumptions.append(early) }
    guarantee.numerics = numerics(bound.accountant, summary)
    guarantee.curve = (1...12).map { exponent in
      let delta = pow(10, -Double(exponent))
      return CurvePoint(epsilon: epsilon(summary, delta), delta: delta)
    }
    guarantee.epsilonAtDelta = deltas.map { CurvePoint(epsilon: epsilon(summary, $0), delta: $0) }
    guarantee.rho = summary.rho.isFinite ? summary.rho : nil
    guarantee.mu = summary.mu.isFinite ? summary.mu : nil
    guarantee.groups = [1, 2, 5].compactMap { size in
      // A group at more partners than any accountant covers has no figure.
      guard let scaled = try? PrivacyLossSummary(try events.map { try $0.forGroup(of: size) }) else { return nil }
      return GroupGuarantee(size: size, epsilon: epsilon(scaled, delta), delta: delta)
    }
    guarantee.atPartners = Set([1, 2, 3, plan.privacy.maximumPartnersPerUser]).sorted().compactMap { count in
      self.epsilon(atPartners: count, against: adversary).map { GroupGuarantee(size: count, epsilon: $0, delta: delta) }
    }
    guarantee.attack = Self.attack(summary, curve: guarantee.curve + [CurvePoint(epsilon: bound.epsilon, delta: delta)])
    return guarantee
  }

  /// What any attack can do at most: by μ where everything is Gaussian, and by the (ε, δ) curve; the smaller at each rate.
  public static func attack(_ summary: PrivacyLossSummary, curve: [CurvePoint]) -> [AttackReading] {
    let general = AttackReading.readings(curve: curve.filter(\.epsilon.isFinite))
    guard summary.mu.isFinite else { return general }
    return AttackReading.readings(gaussianMu: summary.mu).map { gaussian in
      let other = general.first { $0.falsePositiveRate == gaussian.falsePositiveRate }
      return (other?.truePositiveRateMax ?? 1) < gaussian.truePositiveRateMax ? other ?? gaussian : gaussian
    }
  }

  /// What holds when the plan was not carried out as it stands; `nil` when every release was charged once.
  ///
  /// ε of what was charged is an (ε, δ) statement if what was charged did not hang on results. A filter that may stop at any
  /// time proves its cap only, whatever was charged when it stopped (Rogers, Roth, Ullman, Vadhan 2016, arXiv:1605.08294).
  private func earlyEnd(_ adversary: Reporting.Adversary, charged bound: PrivacyBound) throws -> String? {
    let missing = plan.releases.count - Set(charges.map(\.charge.release)).count
    guard charges.count != plan.releases.count || missing > 0 else { return nil }
    let events = plan.releases.compactMap { $0.event(plan.privacy, against: adversary == .coalition ? .coalition : .outsiders) }
    let parameters: ParameterChoice = Set(events).count == 1 ? .fixedByPlan : .adaptive
    let whole = Accounting.epsilon(for: try PrivacyLossSummary(events), delta: plan.privacy.delta, parameters: parameters)
    return
      "\(charges.count) attempts at \(plan.releases.count - missing) of the \(plan.releases.count) planned releases were charged; their ε = \(ReportNumber.upperBound(bound.epsilon)) holds if nothing that was released decided which they were (by an end, a pause, a partner that left or stayed away, an attempt made to fail). If something did, what holds is the plan's cap, ε = \(ReportNumber.upperBound(plan.privacy.epsilon)); the whole plan, each release once, has ε = \(ReportNumber.upperBound(whole))."
  }

  /// ε of the charges for a user whose data are at `count` partners, with the noise as it was; `nil` where no accountant covers it.
  private func epsilon(atPartners count: Int, against adversary: Reporting.Adversary) -> Double? {
    var policy = plan.privacy
    policy.maximumPartnersPerUser = count
    let events = charges.compactMap { standing in
      plan.releases[standing.charge.release].event(policy, against: adversary == .coalition ? .coalition : .outsiders)
    }
    guard events.count == charges.count, let summary = try? PrivacyLossSummary(events) else { return nil }
    let epsilon = Accounting.epsilon(for: summary, delta: plan.privacy.delta, parameters: spending.parameters)
    return epsilon.isFinite ? epsilon : nil
  }

  private func numerics(_ accountant: String, _ summary: PrivacyLossSummary) -> String {
    let method: String
    switch accountant {
    case "analytic-gaussian":
      method = "closed form in log space, no grid and no orders; the root is found to a relative 1e-12 from above"
    case "rdp":
      method =
        "Rényi orders, integer and fractional; the least ε over all orders is taken, so that no order can make it too small"
    default:
      method =
        "loss distributions on a grid, both directions apart; what the grid and the cut tails may hide is charged to ε and δ"
    }
    return "\(method); κT = \(Text.significant(summary.kappa)) is included in ε and δ"
  }

  private func ledgerExtract(remaining: Double?) -> LedgerExtract {
    let entries = state.charges.map { standing in
      let wasReleased: Bool
      if case .released? = standing.outcome?.result { wasReleased = true } else { wasReleased = false }
      return LedgerEntryExtract(
        index: standing.number - 1, plan: planName(standing), release: standing.charge.name, round: standing.charge.attempt.round,
        attempt: standing.charge.attempt.attempt,
        epsilonAfter: standing.epsilonAfter.isFinite ? standing.epsilonAfter : nil,
        survivorCount: standing.charge.survivors, released: wasReleased)
    }
    return LedgerExtract(entries: entries, size: state.size, head: ledgerHead, epsilonRemaining: remaining)
  }
}
