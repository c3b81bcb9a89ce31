internal import CryptoPrimitives
internal import DifferentialPrivacy

/// What a ledger charged, for other people's accountants: variances, sensitivities and sampling, as they stand in the charges.
extension LedgerState {
  /// The charges that stand (all but those with a proven refund) as one JSON object for `docs/check-epsilon.py`.
  ///
  /// Events are `gaussian`, `poisson` (a rate below 1) and `mixture` (a user at several partners, with a coin of this rate at each), each
  /// with σ², Δ² and m; the noise multiplier under the adjacency that is named is for the reader to derive.
  /// - Parameter delta: the δ of `epsilon`; the last charge's when `nil`.
  /// - Throws: an error in one sentence when nothing was charged, or something that no accountant can compose.
  public func dpEvents(delta: Double? = nil) throws -> CanonicalJSON {
    guard let delta = delta ?? charges.last?.charge.delta else {
      throw LedgerFormatError("the ledger has charged nothing; there is nothing to export")
    }
    let epsilon = proven.epsilon(delta: delta)
    guard epsilon.isFinite, let adjacency = proven.summary.adjacency else {
      throw LedgerFormatError(
        "ε of this ledger is infinite: a sum was released without noise, or events do not compose; no accountant can say less")
    }
    var releases: [DPEvent: Int] = [:]
    for (event, count) in proven.events { Self.unfold(event, count: count, parameters: proven.parameters, into: &releases) }
    return .object([
      "kind": .string("tacit-dp-events"), "version": .integer(2), "ledger": .hex(head.ledger.bytes), "size": .natural(size),
      "holder": .string(header.holder), "adjacency": .string(adjacency.rawValue), "delta": .real(delta),
      "epsilon": .epsilon(epsilon), "accountant": .string(proven.accountant),
      "events": .array(
        releases.map { (text: $0.key.form(count: $0.value).text, form: $0.key.form(count: $0.value)) }.sorted {
          $0.text < $1.text
        }
        .map(\.form)),
    ])
  }

  private static func unfold(
    _ event: PrivacyEvent, count: Int, parameters: ParameterChoice, into releases: inout [DPEvent: Int]
  ) {
    switch event {
    case .gaussian(let release): releases[DPEvent(release), default: 0] += count
    case .poissonSampled(let rate, let release):
      releases[DPEvent(release, rate: rate.value, parameters: parameters), default: 0] += count
    case .repeated(let inner, let times): unfold(inner, count: count * times, parameters: parameters, into: &releases)
    case .composed(let events):
      for inner in events { unfold(inner, count: count, parameters: parameters, into: &releases) }
    }
  }
}

/// One kind of release as it was charged (σ², Δ², m) and as others name it. Readers derive the noise multiplier themselves.
private struct DPEvent: Hashable {
  enum Sampling: Hashable {
    case everyone
    case poisson(rate: Double)
    /// A user at all m partners with a coin at each: shifts 0, 1, …, m with binomial probabilities.
    case mixture(rate: Double)
  }

  let sigmaSquared: Int64
  let deltaSquared: Int64
  let partners: Int
  let sampling: Sampling

  init(_ release: GaussianRelease, rate: Double = 1, parameters: ParameterChoice = .fixedByPlan) {
    sigmaSquared = release.sigmaSquared
    deltaSquared = release.deltaSquared
    partners = release.partnersPerUser
    if rate >= 1 {
      sampling = .everyone
    } else if partners == 1 {
      sampling = .poisson(rate: rate)
    } else if parameters == .fixedByPlan, release.adjacency != .replaceOne {
      sampling = .mixture(rate: rate)
    } else {
      // As it is charged: taking part at any partner counts as taking part at all of them.
      sampling = .poisson(rate: GaussianRelease.anyPartnerRate(rate, partners: partners))
    }
  }

  func form(count: Int) -> CanonicalJSON {
    var members: [String: CanonicalJSON] = [
      "sigma_squared": .integer(sigmaSquared), "delta_squared": .integer(deltaSquared), "partners_per_user": .natural(partners),
      "count": .natural(count),
    ]
    switch sampling {
    case .everyone: members["type"] = .string("gaussian")
    case .poisson(let rate):
      members["type"] = .string("poisson")
      members["rate"] = .real(rate)
    case .mixture(let rate):
      members["type"] = .string("mixture")
      members["rate"] = .real(rate)
    }
    return .object(members)
  }
}
