public import CryptoPrimitives

/// Why no cap is proven for charges of several plans on one ledger.
public enum CapObstacle: Sendable, Equatable {
  /// A plan that was charged, or was charged first, is not known: what it may still be charged for is not either.
  case unknownPlan(Digest)
  /// A plan that was charged promises something to users at another number of partners: its neighbours are others, and one user's
  /// influence on both is not the sum of what they state.
  case otherUnit(Digest, partnersPerUser: Int)

  /// - Parameters:
  ///   - plan: the one that is to be charged.
  ///   - plans: those that are known, by the hashes of their bytes.
  /// - Returns: `nil` where nothing stands against it; a ledger that only `plan` was ever charged to has no obstacle.
  public init?(charging plan: Digest, on state: LedgerState?, knowing plans: [Digest: TrainingPlan]) {
    let charged = (state?.charges ?? []).filter { $0.refund == nil }.map(\.charge.plan)
    self.init(
      first: state?.firstPlan ?? plan, plans: charged + [plan],
      partnersPerUser: plans.mapValues(\.privacy.maximumPartnersPerUser))
  }

  /// - Parameters:
  ///   - first: the plan of the first charge ever.
  ///   - plans: of the charges that stand and of those to come.
  ///   - partnersPerUser: of the plans that are known.
  init?(first: Digest, plans: [Digest], partnersPerUser: [Digest: Int]) {
    guard plans.contains(where: { $0 != first }) else { return nil }
    if let lost = ([first] + plans).first(where: { partnersPerUser[$0] == nil }) {
      self = .unknownPlan(lost)
      return
    }
    guard let last = plans.last, let unit = partnersPerUser[last], let other = plans.first(where: { partnersPerUser[$0] != unit })
    else { return nil }
    self = .otherUnit(other, partnersPerUser: partnersPerUser[other] ?? 0)
  }
}
