internal import Glibc

/// Our answer to a row, and whether it holds.
public struct ReferenceAnswer: Sendable {
  public enum Verdict: String, Sendable, Codable { case pass, fail }

  public let id: String
  /// What the row asks for: ε, a divergence, or a noise multiplier; `nil` when the row cannot be answered.
  public let value: Double?
  /// Where ε is asked for: no accountant can prove less.
  public let lower: Double?
  public let verdict: Verdict
  /// Why it failed.
  public let why: String?
  /// |value/published − 1|.
  public let relativeError: Double?
  /// Where the row's convention makes its value another thing than the question says: what it is, and the value for the question.
  public var caveat: String?
}

extension ReferenceRow {
  /// Answers the row by the accountant that it names, and judges the answer.
  public func answer() -> ReferenceAnswer {
    do throws(PrivacyParameterError) {
      if let fault { throw PrivacyParameterError(fault) }
      switch mechanism {
      case "gaussian_rdp_curve", "skellam_rdp_curve": return try judgeEqual(divergence(), to: epsilon)
      case "adaptive_clip_split":
        return try judgeEqual(
          AdaptiveClipping.updateNoiseMultiplier(
            total: value("noise_multiplier"), countDeviation: value("count_noise_std")), to: zDelta)
      case "calibrate_noise": return try judgeEqual(calibrated(), to: noiseMultiplier)
      default: return try judgeEpsilon()
      }
    } catch {
      return ReferenceAnswer(
        id: id, value: nil, lower: nil, verdict: .fail, why: "not answered: \(error.description)", relativeError: nil)
    }
  }

  private func neighbours() throws(PrivacyParameterError) -> Adjacency {
    switch adjacency {
    case "ADD_OR_REMOVE_ONE": return .addRemove
    case "REPLACE_ONE": return .replaceOne
    case "REPLACE_SPECIAL": return .zeroOut
    default:
      throw PrivacyParameterError(
        "the adjacency is \(adjacency ?? "not given"); expected ADD_OR_REMOVE_ONE, REPLACE_ONE or REPLACE_SPECIAL")
    }
  }

  private var isRenyi: Bool { accountant.contains("rdp") || accountant.contains("akl2021") }

  /// Orders 2 … 128 and 256, of rows about vectors of integers.
  private static let integerOrders = (2...128).map(Double.init) + [256]

  // MARK: what is asked

  /// One Gaussian release as the row samples it, z over one user's norm.
  private func gaussian() throws(PrivacyParameterError) -> MechanismEvent {
    let adjacency = try neighbours()
    var z = try value("noise_multiplier")
    let cohort: CohortSampling
    switch sampling {
    case "none",
      nil where q == nil || q == 1:
      cohort = .everyone
    case "poisson", "poisson_within_group": cohort = .poisson(rate: try value("q"))
    case "fixed_size_without_replacement": cohort = .fixedSize(fraction: try value("q"))
    default: throw PrivacyParameterError("the sampling '\(sampling ?? "")' is not covered")
    }
    // Rényi rows have z over the distance, as their notes say: 2C under replace-one.
    if adjacency == .replaceOne, isRenyi { z *= 2 }
    return .release(.gaussian(noiseMultiplier: z), sampling: cohort)
  }

  /// dp-accounting 0.6.0 composes randomised response once, whatever the steps (its loss distribution accountant leaves the count out), so
  /// that such a row holds the ε of one release. Ours is compared with that, and says what all releases cost.
  private var countsOnce: Bool { mechanism == "randomized_response" && accountant.hasPrefix("pld") && (steps ?? 1) > 1 }

  private func sampled(_ mechanism: Mechanism) throws(PrivacyParameterError) -> MechanismEvent {
    switch sampling {
    case "none": return .release(mechanism, sampling: .everyone)
    case "poisson": return .release(mechanism, sampling: .poisson(rate: try value("q")))
    default: throw PrivacyParameterError("the sampling '\(sampling ?? "")' is not covered for \(mechanism.name)")
    }
  }

  private func composition() throws(PrivacyParameterError) -> MechanismEvent {
    let rounds = steps ?? 1
    switch mechanism {
    case "gaussian": return .repeated(try gaussian(), count: rounds)
    case "laplace": return .repeated(try sampled(.laplace(scale: value("noise_multiplier"))), count: rounds)
    case "discrete_laplace":
      return .repeated(
        try sampled(.discreteLaplace(decay: value("noise_parameter"), sensitivity: count("sensitivity"))), count: rounds)
    case "discrete_gaussian":
      return .repeated(
        try sampled(.discreteGaussian(sigma: value("sigma"), sensitivity: count("sensitivity"))), count: rounds)
    case "skellam":
      return .repeated(
        try sampled(
          .skellam(variance: value("variance"), l1: value("l1_sensitivity"), l2: value("l2_sensitivity"))), count: rounds)
    case "skellam_multidim":
      let (l1, l2) = try rounded(clip: value("clip_grid_units"), dimension: value("dim"))
      return .repeated(try sampled(.skellam(variance: value("variance"), l1: l1, l2: l2)), count: rounds)
    case "distributed_discrete_gaussian":
      let (l1, l2) = try rounded(clip: value("l2_clip") / value("gamma"), dimension: value("dim"))
      return .repeated(
        try sampled(
          .distributedDiscreteGaussian(
            shares: count("num_clients"), shareSigma: value("local_sigma") / value("gamma"), dimension: count("dim"), l1: l1,
            l2: l2)),
        count: rounds)
    case "randomized_response":
      return .repeated(
        try sampled(.randomizedResponse(noise: value("noise_parameter"), buckets: count("num_buckets"))),
        count: countsOnce ? 1 : rounds)
    case "dp_ftrl_tree_restart":
      let tree = try TreeAggregation(stepsPerTree: rounds, trees: count("restarts"))
      return try stream(.tree(noiseMultiplier: value("noise_multiplier"), tree), tree.sensitivitySquared)
    case "dp_ftrl_tree_no_restart":
      let tree = try TreeAggregation(
        steps: rounds, participations: count("max_participation"), between: count("min_separation_between"))
      return try stream(.tree(noiseMultiplier: value("noise_multiplier"), tree), tree.sensitivitySquared)
    case "matrix_factorization_toeplitz":
      let factorisation = try self.factorisation(rounds)
      return try stream(
        .factorisation(noiseMultiplier: value("noise_multiplier"), factorisation), factorisation.sensitivitySquared)
    case "amplified_banded_mf":
      return try .amplifiedBands(
        noiseMultiplier: value("noise_multiplier"), rate: value("q"), rounds: rounds, bands: count("bands"))
    case "repeat_and_select": return .best(of: .repeated(try gaussian(), count: rounds), law: try repetitions())
    case "zcdp_conversion":
      return .repeated(try sampled(.concentrated(rho: value("zcdp_rho"), xi: 0)), count: rounds)
    case "heterogeneous":
      if let event { return try EventText.event(event) }
      guard let caseName, let event = CaseText.event(caseName) else {
        throw PrivacyParameterError("no event, and no other row of the case '\(caseName ?? "")' has one")
      }
      return event
    default: throw PrivacyParameterError("the mechanism '\(mechanism)' is not covered")
    }
  }

  /// A stream's sensitivity must also be the one that the row states.
  private func stream(_ mechanism: Mechanism, _ sensitivitySquared: Double) throws(PrivacyParameterError) -> MechanismEvent {
    if let stated = try? value("sensitivity_squared"), abs(sensitivitySquared - stated) > 1e-8 * stated {
      throw PrivacyParameterError("the squared sensitivity is \(sensitivitySquared); the row states \(stated)")
    }
    return .release(mechanism, sampling: .everyone)
  }

  private func factorisation(_ rounds: Int) throws(PrivacyParameterError) -> MatrixFactorisation {
    let bands = try count("bands")
    let participations = try count("max_participation")
    let separation = try count("min_sep")
    switch kind {
    case "band_truncated_sqrt":
      return try .bandedSquareRoot(bands: bands, steps: rounds, participations: participations, separation: separation)
    case "banded_inverse_sqrt(BISR)", "banded_inverse_sqrt":
      return try .bandedInverseSquareRoot(
        bands: bands, steps: rounds, participations: participations, separation: separation)
    default: throw PrivacyParameterError("the factorisation '\(kind ?? "")' is not covered")
    }
  }

  private func rounded(clip: Double, dimension: Double) throws(PrivacyParameterError) -> (l1: Double, l2: Double) {
    DistributedDiscreteGaussian.roundedSensitivity(clip: clip, dimension: dimension, beta: try value("beta"))
  }

  private func divergence() throws(PrivacyParameterError) -> Double {
    guard let order, order > 1 else { throw PrivacyParameterError("the order is \(order ?? 0); expected a number above 1") }
    let event: MechanismEvent =
      mechanism == "gaussian_rdp_curve"
      ? try gaussian()
      : .release(
        .skellam(variance: try value("variance"), l1: try value("l1_sensitivity"), l2: try value("l2_sensitivity")),
        sampling: .everyone)
    let summary = try PrivacyLossSummary(.repeated(event, count: steps ?? 1), adjacency: neighbours())
    return RenyiAccountant(published: [order]).curve(of: summary.loss)[0]
  }

  private func calibrated() throws(PrivacyParameterError) -> Double {
    let budget = try PrivacyBudget(epsilon: value("target_epsilon"), delta: value("delta"))
    let adjacency = try neighbours()
    let rate = sampling == "none" ? 1 : try value("q")
    guard sampling == "none" || sampling == "poisson" else {
      throw PrivacyParameterError("the sampling '\(sampling ?? "")' is not covered")
    }
    let z = try Calibration.noiseMultiplier(
      for: budget, rate: SamplingRate(rate), count: steps ?? 1, adjacency: adjacency, parameters: .fixedByPlan)
    // Ours is over the distance between neighbours, the table's over one user's norm.
    return z * adjacency.distanceFactor
  }

  // MARK: judging

  private func judgeEqual(_ ours: Double, to published: Double?) throws(PrivacyParameterError) -> ReferenceAnswer {
    guard let published else { throw PrivacyParameterError("the row holds no published value") }
    let agrees = ours == published || abs(ours - published) <= relative * abs(published) + absolute
    return ReferenceAnswer(
      id: id, value: ours, lower: nil, verdict: agrees ? .pass : .fail,
      why: agrees ? nil : "\(ours), published \(published)",
      relativeError: published == ours ? 0 : abs(ours / published - 1))
  }

  private func judgeEpsilon() throws(PrivacyParameterError) -> ReferenceAnswer {
    guard let epsilon, let delta else { throw PrivacyParameterError("the row holds no ε or no δ") }
    let event = try composition()
    let summary = try PrivacyLossSummary(event, adjacency: neighbours())
    try PrivacyBudget.check(delta: delta)
    let method: any PrivacyAccountant
    if isRenyi {
      method = accountant == "rdp_default_orders" ? RenyiAccountant.published : RenyiAccountant(orders: Self.integerOrders)
    } else if accountant.hasPrefix("pld") || accountant.hasPrefix("prv") {
      method = LossDistributionAccountant()
    } else if accountant.contains("analytic_gaussian") {
      method = AnalyticGaussianAccountant()
    } else if accountant.hasPrefix("exact") {
      method = ExactAccountant()
    } else {
      throw PrivacyParameterError("the accountant '\(accountant)' is not known")
    }
    guard method.covers(summary) else {
      throw PrivacyParameterError("the accountant \(method.name) does not cover this event")
    }
    // Comparing Rényi values needs no lower value; it would take longer than the rest.
    let (lower, ours) =
      isRenyi ? (lower: nil, upper: method.upperEpsilon(summary, delta: delta)) : method.optionalBracket(summary, delta: delta)
    let most = min(epsilon * (1 + relative) + absolute, upperBound ?? .infinity)
    // Where no lower bound is published: exact rows are equalities, others must not lie below what an attack proves.
    let isExact = accountant.contains("exact") || accountant.contains("analytic")
    let least = (lowerBound ?? (isExact ? epsilon * (1 - relative) : lower ?? 0)) - absolute
    var why: String?
    if !(ours >= least) { why = "ε = \(ours) is below \(least): unsound" }
    if !(ours <= most) { why = "ε = \(ours) is above \(most)" }
    if let lower, lower > most { why = "the lower value \(lower) is above \(most)" }
    var answer = ReferenceAnswer(
      id: id, value: ours, lower: lower, verdict: why == nil ? .pass : .fail, why: why,
      relativeError: epsilon == ours ? 0 : abs(ours / epsilon - 1))
    if countsOnce {
      let all = try PrivacyLossSummary(.repeated(event, count: steps ?? 1), adjacency: neighbours())
      answer.caveat =
        "the published value is that of one release (dp-accounting 0.6.0 leaves out the count of randomised response); all \(steps ?? 1) releases cost ε = \(method.upperEpsilon(all, delta: delta))"
    }
    return answer
  }
}

extension PrivacyAccountant {
  fileprivate func optionalBracket(_ loss: PrivacyLossSummary, delta: Double) -> (lower: Double?, upper: Double) {
    let bracket = bracket(loss, delta: delta)
    return (bracket.lower, bracket.upper)
  }
}
