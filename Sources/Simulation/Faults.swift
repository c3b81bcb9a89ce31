internal import Recommender

/// What goes wrong in a simulated run, drawn from a public seed.
public struct FaultPlan: Sendable, Equatable {
  /// Probability that a partner leaves an attempt, at a stage drawn uniformly.
  public var dropout: Double
  /// Probability that one message of a partner arrives after the stage's deadline.
  public var straggling: Double
  public var lie: CoordinatorLie
  /// Noise or clip that is not what the plan says; what an audit must find.
  public var mechanism: MechanismFault
  /// Flips one bit of the n-th message on the wire (0-based); to prove that everything crosses the codec.
  public var corruptedMessage: Int?

  public init(
    dropout: Double = 0, straggling: Double = 0, lie: CoordinatorLie = .none, mechanism: MechanismFault = .none,
    corruptedMessage: Int? = nil
  ) {
    self.dropout = dropout
    self.straggling = straggling
    self.lie = lie
    self.mechanism = mechanism
    self.corruptedMessage = corruptedMessage
  }
}

/// A coordinator that does not keep to the protocol; those lied to refuse, and a result, if any, is one without them.
public enum CoordinatorLie: String, Sendable, Equatable, CaseIterable {
  case none
  /// Tells one half of the partners that a peer survived, and the other half that it dropped out.
  case splitSurvivors = "split-survivors"
  /// Asks to open a sum over fewer partners than the plan's minimum.
  case smallCohort = "small-cohort"
  /// Gives one partner another model than the rest.
  case swapModel = "swap-model"
  /// Puts a mask key of its own into one partner's advertisement.
  case forgeKey = "forge-key"
  /// From the third release on, shows everybody a ledger that is longer than the one at the second, and another.
  case rewriteLedger = "rewrite-ledger"
}

/// The stage at which a partner leaves an attempt: it does not send that stage's message, nor any later one.
public enum DropStage: Int, Sendable, Equatable, CaseIterable {
  case advertiseKeys, shareKeys, maskedInput, consistencyCheck, unmask
}

/// Draws the faults of each attempt.
struct FaultGenerator {
  let plan: FaultPlan
  var generator: SplitMix64

  init(plan: FaultPlan, seed: UInt64) {
    self.plan = plan
    generator = SplitMix64(seed: SplitMix64.mix(seed ^ 0xFA17_FA17_FA17_FA17))
  }

  mutating func dropStage() -> DropStage? {
    guard plan.dropout > 0, uniform() < plan.dropout else { return nil }
    return DropStage(rawValue: generator.uniform(below: DropStage.allCases.count))
  }

  /// Seconds from sending to arrival: 10 to 50 ms, or beyond any deadline for a straggler.
  mutating func delay(deadline: Double, mayStraggle: Bool) -> Double {
    let delay = 0.010 + 0.040 * uniform()
    guard mayStraggle, plan.straggling > 0, uniform() < plan.straggling else { return delay }
    return deadline + delay
  }

  private mutating func uniform() -> Double { Double(generator.next() >> 11) * 0x1p-53 }
}
