public import CryptoPrimitives

/// Why no cap is proven for charges of several plans on one ledger, or on several of the same people.
public enum CapObstacle: Sendable, Equatable {
  /// A plan that was charged, or was charged first, is not known: what it may still be charged for is not either.
  case unknownPlan(Digest)
  /// A plan that was charged promises something to users at another number of partners: its neighbours are others, and one user's
  /// influence on both is not the sum of what they state.
  case otherUnit(Digest, partnersPerUser: Int)
  /// Two linked ledgers hold charges of one plan: a user who is in one sum twice moves it twice as far, which is more than two releases.
  case twoLedgers(Digest)

  /// - Parameters:
  ///   - plan: the one that is to be charged.
  ///   - elsewhere: other ledgers that count users of this one.
  ///   - plans: those that are known, by the hashes of their bytes.
  /// - Returns: `nil` where nothing stands against it; a ledger that only `plan` was ever charged to has no obstacle.
  public init?(
    charging plan: Digest, on state: LedgerState?, elsewhere: [LedgerState] = [], knowing plans: [Digest: TrainingPlan]
  ) {
    let ledgers = [(state?.standing.map(\.plan) ?? []) + [plan]] + elsewhere.map { $0.standing.map(\.plan) }
    let firsts = [state?.firstPlan ?? plan] + elsewhere.compactMap(\.firstPlan)
    let obstacle =
      CapObstacle(ledgers: ledgers)
      ?? CapObstacle(
        firsts: Set(firsts), plans: ledgers.reversed().flatMap { $0 },
        partnersPerUser: plans.mapValues(\.privacy.maximumPartnersPerUser))
    guard let obstacle else { return nil }
    self = obstacle
  }

  /// - Parameter ledgers: of each, the plans whose charges stand or are to come.
  init?(ledgers: [[Digest]]) {
    var seen: Set<Digest> = []
    for plans in ledgers.map({ Set($0) }) {
      if let plan = plans.intersection(seen).first {
        self = .twoLedgers(plan)
        return
      }
      seen.formUnion(plans)
    }
    return nil
  }

  /// - Parameters:
  ///   - firsts: the plan of the first charge ever, of each ledger.
  ///   - plans: of the charges that stand and of those to come, the newest last.
  ///   - partnersPerUser: of the plans that are known.
  init?(firsts: Set<Digest>, plans: [Digest], partnersPerUser: [Digest: Int]) {
    guard let last = plans.last, !firsts.contains(last) || plans.contains(where: { $0 != last }) else { return nil }
    if let lost = (firsts.sorted { $0.hex < $1.hex } + plans).first(where: { partnersPerUser[$0] == nil }) {
      self = .unknownPlan(lost)
      return
    }
    guard let unit = partnersPerUser[last], let other = plans.first(where: { partnersPerUser[$0] != unit }) else { return nil }
    self = .otherUnit(other, partnersPerUser: partnersPerUser[other] ?? 0)
  }
}

extension LedgerState {
  /// The charges that were not taken back, as a cap counts them.
  var standing: [(plan: Digest, event: ChargedEvent)] { standing(believingRefunds: true) }

  /// - Parameter believingRefunds: also those that nothing proves.
  func standing(believingRefunds: Bool) -> [(plan: Digest, event: ChargedEvent)] {
    charges.filter { believingRefunds ? $0.refund == nil : $0.refund != .proven }.map { ($0.charge.plan, $0.charge.event) }
  }
}
