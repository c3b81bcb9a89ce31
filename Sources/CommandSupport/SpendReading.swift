internal import DifferentialPrivacy
public import FederatedLearning
public import Reporting

/// What ledgers say about who spent what, and how often the data were looked at.
public enum SpendReading {
  /// One row per holder, then one per kind of release; all of this plan alone.
  ///
  /// - Parameters:
  ///   - partners: name and ledger of each partner, in the order of the roster.
  ///   - charges: those of the plan, from the ledger that the report is of.
  public static func rows(
    _ plan: TrainingPlan, partners: [(name: String, state: LedgerState)], charges: [LedgerState.Standing]
  ) -> [SpendRow] {
    guard plan.privacy.noise != .none else { return [] }
    let (delta, cap) = (plan.privacy.delta, plan.privacy.epsilon)
    // The plan's cap is on the plan's own charges; what a data set spent under all plans is said by `use`.
    let own = Set(charges.map(\.charge.plan))
    let holders = partners.map { name, state in
      let charged = state.charges.filter { $0.refund != .proven && own.contains($0.charge.plan) }
      let epsilon = LedgerSpending(of: charged).epsilon(delta: delta)
      return SpendRow(
        kind: .partner, name: name, charges: charged.count, epsilon: epsilon.isFinite ? epsilon : nil, delta: delta,
        epsilonRemaining: max(0, cap - epsilon))
    }
    var names: [String] = []
    for charge in charges where !names.contains(charge.charge.name) { names.append(charge.charge.name) }
    let families = names.map { name in
      let own = charges.filter { $0.charge.name == name }
      let epsilon = LedgerSpending(of: own).epsilon(delta: delta)
      return SpendRow(
        kind: .family, name: "\(plan.algorithm.name): \(name)", charges: own.count, epsilon: epsilon.isFinite ? epsilon : nil,
        delta: delta)
    }
    return holders + families
  }

  /// What the users of a ledger that outlives its runs have spent under all plans, and the cap over them.
  ///
  /// - Parameters:
  ///   - ledgers: of which the one that has spent most counts.
  ///   - delta: the plan's, which is that of the cap too.
  /// - Returns: `nil` where no ledger outlives its run.
  public static func total(of ledgers: [LedgerState], delta: Double) -> SpentTotal? {
    ledgers.filter(isKept).map { state in
      let epsilon = state.proven.epsilon(delta: delta)
      return SpentTotal(
        epsilon: epsilon.isFinite ? epsilon : nil, delta: delta,
        epsilonCap: state.cap.flatMap { $0.delta == delta ? $0.epsilon : nil },
        planCount: Set(state.charges.map(\.charge.plan)).count)
    }
    .max { ($0.epsilon ?? .infinity) < ($1.epsilon ?? .infinity) }
  }

  /// Whether a simulated partner's ledger outlives its run: it names a cap over all plans before its first charge then.
  public static func isKept(_ state: LedgerState) -> Bool { state.cap != nil }

  /// Plans, searches and total of a ledger.
  ///
  /// - Parameter isOfThisRun: whether the ledger began with the run, as a simulation's does.
  public static func use(of state: LedgerState, delta: Double, isOfThisRun: Bool = false) -> DataSetUse {
    let epsilon = state.proven.epsilon(delta: delta)
    return DataSetUse(
      plans: Set(state.charges.map(\.charge.plan)).count, searches: state.searches.count,
      epsilon: epsilon.isFinite ? epsilon : nil, delta: delta, isOfThisRun: isOfThisRun)
  }
}
