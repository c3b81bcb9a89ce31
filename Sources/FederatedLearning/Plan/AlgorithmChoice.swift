internal import Recommender

/// `auto`: which algorithm carries most through the noise of a plan. What decides is N/z, users over noise multiplier, and nothing
/// about the data.
public struct AlgorithmChoice: Sendable, Equatable {
  /// What stands in settings instead of a name.
  public static let automatic = "auto"
  /// What people may write.
  public static let names = AlgorithmRegistry.names + [automatic]

  /// Below this number of users over noise little more than popularity survives.
  public static let popularityBelow = 1000.0
  /// Above it the covariance of nearly the whole catalogue is known well enough to do without gradient rounds.
  public static let covarianceAbove = 30_000.0

  public let algorithm: String
  /// In a sentence, with the numbers that decided.
  public let reason: String

  /// - Parameter usersOverNoise: N/z of all training releases together; `nil` without noise.
  public init(usersOverNoise: Double?) {
    guard let signal = usersOverNoise else {
      algorithm = "als"
      reason = "no noise is added, and als ranks best of those that need few rounds"
      return
    }
    let found = "N/z = \(Int(signal.rounded(.down)))"
    switch signal {
    case ..<Self.popularityBelow:
      algorithm = "popularity"
      reason = "\(found) is below \(Int(Self.popularityBelow)): little more than popularity would survive the noise"
    case ...Self.covarianceAbove:
      algorithm = "hybrid"
      reason =
        "\(found) lies between \(Int(Self.popularityBelow)) and \(Int(Self.covarianceAbove)): gradient rounds that begin with the covariance of popular items carry most of what many users share"
    default:
      algorithm = "covariance"
      reason = "\(found) is above \(Int(Self.covarianceAbove)): the covariance of nearly the whole catalogue survives the noise"
    }
  }
}

extension PlanDecisions {
  /// N/z of the whole budget, as if everybody took part in everything; `nil` without noise.
  ///
  /// - Throws: `PlanError` when no noise multiplier gives ε and δ.
  public func usersOverNoise() throws -> Double? {
    noise == .none ? nil : Double(nominalUsers) / (try PlanDraft.noiseMultiplier(policy))
  }

  /// The same with an algorithm's name for `auto`.
  ///
  /// - Returns: no choice where a name was given.
  /// - Throws: `PlanError`; `InvalidHyperparameter` when parameters are given for an algorithm that is not.
  public func choosingAlgorithm() throws -> (decisions: PlanDecisions, choice: AlgorithmChoice?) {
    guard algorithm == AlgorithmChoice.automatic else { return (self, nil) }
    guard parameters.isEmpty, rounds == nil else {
      throw InvalidHyperparameter(
        name: "algorithm", found: "auto, with \(parameters.keys.min() ?? "rounds") given",
        expected: "the name of an algorithm, whose parameters they are, or auto without any")
    }
    let choice = AlgorithmChoice(usersOverNoise: try usersOverNoise())
    var decisions = self
    decisions.algorithm = choice.algorithm
    return (decisions, choice)
  }

  var policy: PrivacyPolicy {
    PrivacyPolicy(
      noise: noise, nominalUsers: nominalUsers, maximumPartnersPerUser: maximumPartnersPerUser, epsilon: epsilon, delta: delta,
      usesInsecureTestRandomness: usesInsecureTestRandomness)
  }
}
