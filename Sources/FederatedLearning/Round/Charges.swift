package import CryptoPrimitives
public import DifferentialPrivacy
internal import SecureAggregation

extension TrainingPlan {
  /// The cap as the ledgers enforce it; `nil` under plans without noise.
  public var cap: PrivacyBudget? {
    privacy.noise == .none ? nil : try? PrivacyBudget(epsilon: privacy.epsilon, delta: privacy.delta)
  }
}

extension TrainingPlan {
  /// Why a charge is not what this plan says that its release costs, or `nil`. Reads on after "the charge ".
  ///
  /// δ, sampler and numbers are compared with the event: ε at a δ of the holder's choice means nothing, and a reader of the ledger
  /// sees all of them.
  public func objection(to charge: LedgerCharge) -> String? {
    guard releases.indices.contains(charge.release), charge.attempt.round == charge.release,
      charge.attempt.attempt < aggregation.maximumAttempts, charge.attempt.session.hex == session
    else { return "is of release \(charge.release), \(charge.attempt), which is not in the plan" }
    let release = releases[charge.release]
    guard charge.event == release.chargedEvent(privacy), charge.name == release.name else {
      return "is not what the plan says that release '\(release.name)' costs (noise, Δ² or sampling differ)"
    }
    guard charge.delta == chargeDelta else { return "states ε at δ = \(charge.delta), the plan's is \(chargeDelta)" }
    guard charge.sampler == release.sampler, charge.participants == roster.count else {
      return
        "names the sampler '\(charge.sampler)' and \(charge.participants) partners, the plan has '\(release.sampler)' and \(roster.count)"
    }
    return nil
  }

  /// The δ of every charge. Plans without noise need not state one; ε is infinite at every δ then.
  var chargeDelta: Double { cap?.delta ?? 1e-6 }
}

extension PlannedRelease {
  /// What one attempt at this release puts into a ledger.
  func chargedEvent(_ privacy: PrivacyPolicy) -> ChargedEvent { event(privacy).map { .accounted($0) } ?? .unprotected }
}

extension ChargeRequest {
  /// The charge of one attempt, for a partner or for the coordinator.
  init(
    _ plan: TrainingPlan, planHash: Digest, context: AttemptContext, participants: Int, survivors: Int?, time: Int
  ) {
    let release = plan.releases[Int(context.round)]
    self.init(
      attempt: context.ledgerAttempt, release: Int(context.round), name: release.name, plan: planHash,
      binding: context.binding, event: release.chargedEvent(plan.privacy), sampler: release.sampler, participants: participants,
      survivors: survivors, delta: plan.chargeDelta, time: time)
  }
}

extension AttemptContext {
  var ledgerAttempt: LedgerAttempt { LedgerAttempt(session: session, round: Int(round), attempt: Int(attempt)) }
}

extension PrivacyLedger {
  /// Whether one more event stays within the cap, as `charge` will judge it.
  ///
  /// - Parameters:
  ///   - plan: hash of the plan that it would be charged under.
  ///   - elsewhere: linked ledgers.
  package func allows(_ event: ChargedEvent, of plan: Digest, cap: SpendingCap?, elsewhere: [LedgerState] = []) -> Bool {
    // Who sets no cap lets everything be released; of people whom another home counts too that home's cap would be void.
    guard let cap else { return elsewhere.isEmpty || event != .unprotected }
    return cap.holds(cap.epsilon(of: state, and: [(plan, event)], elsewhere: elsewhere))
  }

  /// Whether one more event stays within a cap on the charges of one plan alone.
  func allows(_ event: ChargedEvent, under plan: Digest, cap: SpendingCap?) -> Bool {
    cap.map { $0.holds($0.epsilon(of: state, and: [(plan, event)], only: plan)) } ?? true
  }
}
