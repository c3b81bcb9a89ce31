internal import CommandSupport
internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Reporting
internal import SecureAggregation

/// What a report says that plan and ledger do not.
struct ReportComparison {
  let report: RunReport
  let plan: TrainingPlan
  let planHash: Digest
  /// The coordinator's, as far as it could be read.
  let ledger: LedgerState?
  /// The partners' ledgers that are at hand, by name.
  var partners: [(name: String, state: LedgerState)] = []

  /// One sentence for each figure that differs.
  var objections: [String] {
    var objections: [String] = []
    func compare(_ what: String, _ stated: String?, _ found: String) {
      guard stated != found else { return }
      objections.append("states \(what) \(stated.map { shortened($0) } ?? "nowhere"), found \(shortened(found))")
    }
    compare("the plan's hash as", report.identity.planHash, planHash.hex)
    compare("the catalogue's hash as", report.identity.catalogueHash, plan.catalogue.hash)
    compare("the algorithm as", report.identity.algorithm, plan.algorithm.name)
    if let key = VerificationKey(hex: plan.coordinatorKey) {
      compare("the signer as", report.identity.signerKeyFingerprint, SHA256.hash(key.bytes).hex)
    }
    compare("the noise as", report.privacy.setting.noise.rawValue, plan.privacy.noise.rawValue)
    compare("secure aggregation as", "\(report.privacy.setting.secureAggregation)", "\(plan.aggregation.isSecure)")
    compare("the number of partners as", "\(report.privacy.setting.partnerCount)", "\(plan.roster.count)")
    compare(
      "the partners per user as", "\(report.privacy.unit.partnersPerUserMax)", "\(plan.privacy.maximumPartnersPerUser)")
    if plan.privacy.usesInsecureTestRandomness, !report.hazards.contains(where: { $0.kind == .testRandomness }) {
      objections.append("does not say that the run's randomness came from a seed")
    }
    guard let ledger else { return objections + ["its figures could not be compared: the coordinator's ledger cannot be read"] }
    let released = ledger.charges.filter {
      if case .released? = $0.outcome?.result { true } else { false }
    }.count
    compare("the ledger's head as", report.privacy.ledger?.head, ledger.head.head.head.hex)
    compare("the ledger's size as", report.privacy.ledger.map { "\($0.size)" }, "\(ledger.size)")
    compare("the releases as", report.privacy.rounds.map { "\($0.completed)" }, "\(released)")
    return objections + epsilonObjections(ledger)
  }

  private func epsilonObjections(_ ledger: LedgerState) -> [String] {
    guard let cap = plan.cap, !ledger.charges.isEmpty else {
      return report.privacy.guarantees.isEmpty ? [] : ["claims an ε for a run that has none"]
    }
    var objections: [String] = []
    if report.privacy.cap?.epsilon != cap.epsilon || report.privacy.cap?.delta != cap.delta {
      objections.append("states another cap than the plan's ε = \(cap.epsilon) at δ = \(cap.delta)")
    }
    let needed: [Reporting.Adversary] = plan.privacy.noise == .distributed ? [.outsiders, .coalition] : [.outsiders]
    for adversary in needed where !report.privacy.guarantees.contains(where: { $0.against == adversary }) {
      objections.append("gives no ε against \(adversary.rawValue)")
    }
    for guarantee in report.privacy.guarantees {
      let against: GaussianNoise.Adversary = guarantee.against == .coalition ? .coalition : .outsiders
      let events = ledger.charges.compactMap { standing in
        plan.releases.indices.contains(standing.charge.release)
          ? plan.releases[standing.charge.release].event(plan.privacy, against: against) : nil
      }
      guard events.count == ledger.charges.count, let summary = try? PrivacyLossSummary(events) else {
        objections.append("its ε cannot be recomputed: the ledger charges what the plan does not hold")
        continue
      }
      let parameters = LedgerSpending(of: ledger.charges).parameters
      let epsilon = { Accounting.epsilon(for: $0, delta: $1, parameters: parameters) }
      let found = epsilon(summary, cap.delta)
      if guarantee.delta != cap.delta || !(abs(guarantee.epsilonUpper - found) <= 1e-6 * max(found, 1e-3)) {
        objections.append(
          "states ε = \(guarantee.epsilonUpper) against \(guarantee.against.rawValue) at δ = \(guarantee.delta), the ledger gives \(found) at δ = \(cap.delta)"
        )
      }
      objections += figureObjections(guarantee, events, summary, epsilon)
    }
    objections += spendingObjections(ledger)
    for (stated, standing) in zip(report.privacy.ledger?.entries ?? [], ledger.charges)
    where stated.epsilonAfter.map({ !Self.agree($0, standing.charge.epsilonAfter) }) ?? true {
      objections.append("states another ε after record \(standing.number) than the ledger")
      break
    }
    return objections
  }

  /// The rows of the partners' ledgers, of the releases, and how often the data were used.
  private func spendingObjections(_ ledger: LedgerState) -> [String] {
    var objections: [String] = []
    let found = SpendReading.rows(plan, partners: partners, charges: ledger.charges)
    for row in report.privacy.spending ?? [] {
      // A partner's ledger may not be at hand; that is said elsewhere.
      guard row.kind == .family || partners.contains(where: { $0.name == row.name }) else { continue }
      guard let own = found.first(where: { $0.kind == row.kind && $0.name == row.name }), own.charges == row.charges,
        Self.agree(row.epsilon ?? .infinity, own.epsilon ?? .infinity)
      else {
        objections.append("states what \(row.name) spent otherwise than the ledgers")
        break
      }
    }
    if let use = report.privacy.tuning?.use, use != SpendReading.use(of: ledger, delta: plan.privacy.delta) {
      objections.append("states another number of plans and searches, or another total, than the ledger")
    }
    return objections
  }

  /// The figures beside a guarantee's ε: at other δ, for groups, as ρ and μ, and the reading as an attack.
  private func figureObjections(
    _ guarantee: Guarantee, _ events: [PrivacyEvent], _ summary: PrivacyLossSummary,
    _ epsilon: (PrivacyLossSummary, Double) -> Double
  ) -> [String] {
    var objections: [String] = []
    let against = guarantee.against.rawValue
    for point in guarantee.epsilonAtDelta + guarantee.curve {
      guard point.delta > 0, point.delta < 1,
        Self.agree(point.epsilon, epsilon(summary, point.delta))
      else {
        objections.append("states ε = \(point.epsilon) against \(against) at δ = \(point.delta), which the ledger does not give")
        break
      }
    }
    for group in guarantee.groups {
      guard group.size >= 1, group.delta > 0, group.delta < 1,
        let scaled = try? PrivacyLossSummary(try events.map { try $0.forGroup(of: group.size) }),
        Self.agree(group.epsilon, epsilon(scaled, group.delta))
      else {
        objections.append(
          "states ε = \(group.epsilon) against \(against) for groups of \(group.size), which the ledger does not give")
        break
      }
    }
    for entry in guarantee.atPartners ?? [] {
      var policy = plan.privacy
      policy.maximumPartnersPerUser = min(max(entry.size, 1), 1000)
      let scaled = (ledger?.charges ?? []).compactMap { standing in
        plan.releases[standing.charge.release].event(policy, against: guarantee.against == .coalition ? .coalition : .outsiders)
      }
      guard entry.size >= 1, entry.size <= 1000, scaled.count == events.count, let summary = try? PrivacyLossSummary(scaled),
        Self.agree(entry.epsilon, epsilon(summary, plan.privacy.delta))
      else {
        objections.append(
          "states ε = \(entry.epsilon) against \(against) for a user at \(entry.size) partners, which the ledger does not give")
        break
      }
    }
    let readings = PlanPrivacyReport.attack(
      summary, curve: guarantee.curve + [CurvePoint(epsilon: guarantee.epsilonUpper, delta: guarantee.delta)])
    guard guarantee.rho.map({ Self.agree($0, summary.rho) }) ?? true, guarantee.mu.map({ Self.agree($0, summary.mu) }) ?? true,
      guarantee.attack.allSatisfy({ stated in
        readings.contains {
          $0.falsePositiveRate == stated.falsePositiveRate && Self.agree(stated.truePositiveRateMax, $0.truePositiveRateMax)
        }
      })
    else {
      return objections + ["states ρ, μ or an attack's success against \(against) that the ledger does not give"]
    }
    return objections
  }

  /// Relative; machines differ in the last bits of exp and log.
  private static func agree(_ stated: Double, _ found: Double) -> Bool {
    stated == found || abs(stated - found) <= 1e-6 * max(found, 1e-3)
  }

  private func shortened(_ text: String) -> String { text.count > 24 ? "\(text.prefix(16))…" : text }
}
