internal import Recommender

/// `auto`: which algorithm carries most through the noise of a plan. What decides is N/z, users over noise multiplier, and the length of the
/// catalogue; nothing about the data.
///
/// The bounds are from validation (scripts/auto-choice.sh): ml-1m (3,706 items), ml-100k (1,682) and online-retail (3,145) at ε from .5 to 8, and generated
/// shops of 600 to 2,400 items at N/z from 275 to 13,700; for plans without noise docs/recommender.md, "What `auto` takes without noise".
public struct AlgorithmChoice: Sendable, Equatable {
  /// What stands in settings instead of a name.
  public static let automatic = "auto"
  /// What people may write.
  public static let names = AlgorithmRegistry.names + [automatic]

  /// Below this number of users over noise popularity is not beaten at both, a hundred listed items and the whole catalogue.
  public static let popularityBelow = 400.0
  /// From here on the covariance does without gradient rounds where it holds enough of the catalogue.
  public static let covarianceFrom = 3000.0
  /// How much of the catalogue that is.
  public static let covarianceShare = 0.4

  public let algorithm: String
  /// In a sentence, with the numbers that decided.
  public let reason: String

  /// - Parameters:
  ///   - usersOverNoise: N/z of all training releases together; `nil` without noise.
  ///   - itemCount: of the catalogue.
  public init(usersOverNoise: Double?, itemCount: Int) {
    guard let signal = usersOverNoise else {
      if itemCount < ItemNeighbours.largeCatalogue {
        algorithm = "covariance"
        reason = "no noise is added, so that the covariance of all \(itemCount) items is known, and one release is enough"
      } else if itemCount <= ItemNeighbours.itemsMax {
        algorithm = "item-knn"
        reason =
          "no noise is added, and a catalogue of \(itemCount) items is sparse as a rule: neighbours rank better there than factors"
      } else {
        algorithm = "mf"
        reason = "no noise is added, and \(itemCount) items are too many for anything about pairs of them"
      }
      return
    }
    let found = "N/z = \(Int(signal.rounded(.down)))"
    guard signal >= Self.popularityBelow else {
      algorithm = "popularity"
      reason = "\(found) is below \(Int(Self.popularityBelow)): little more than popularity would survive the noise"
      return
    }
    var head = 0
    if case .head(let size, _, _)? = try? CovarianceAlgorithm.privatePlan(itemCount: itemCount, usersOverNoise: signal) {
      head = size
    }
    let known = "\(found) lets the covariance of \(head) of \(itemCount) items be known"
    if signal >= Self.covarianceFrom, Double(head) >= Self.covarianceShare * Double(itemCount) {
      algorithm = "covariance"
      reason = "\(known), enough to do without gradient rounds"
    } else {
      algorithm = "hybrid"
      reason = "\(known): gradient rounds that begin with it carry more of what many users share"
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
  /// - Parameter itemCount: of the catalogue.
  /// - Returns: no choice where a name was given.
  /// - Throws: `PlanError`; `InvalidHyperparameter` when parameters are given for an algorithm that is not.
  public func choosingAlgorithm(itemCount: Int) throws -> (decisions: PlanDecisions, choice: AlgorithmChoice?) {
    guard algorithm == AlgorithmChoice.automatic else { return (self, nil) }
    guard parameters.isEmpty, rounds == nil else {
      throw InvalidHyperparameter(
        name: "algorithm", found: "auto, with \(parameters.keys.min() ?? "rounds") given",
        expected: "the name of an algorithm, whose parameters they are, or auto without any")
    }
    let choice = AlgorithmChoice(usersOverNoise: try usersOverNoise(), itemCount: itemCount)
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
