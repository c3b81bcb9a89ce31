internal import CryptoPrimitives
internal import DifferentialPrivacy

/// What a ledger charged, in the terms of other people's accountants: noise multipliers and sampling, nothing of ours.
extension LedgerState {
  /// The charges that stand (all but those with a proven refund) as one JSON object for `docs/check-epsilon.py`.
  ///
  /// Events are `gaussian`, `poisson` (a rate below 1) and `mixture` (a user at several partners, with a coin at each: shifts with
  /// their probabilities); noise is relative to the distance between neighbours under the adjacency that is named.
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
      "kind": .string("tacit-dp-events"), "version": .integer(1), "ledger": .hex(head.ledger.bytes), "size": .natural(size),
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
    case .gaussian(let release): releases[.gaussian(noiseMultiplier: release.noiseMultiplier), default: 0] += count
    case .poissonSampled(let rate, let release):
      releases[DPEvent(rate: rate.value, release, parameters: parameters), default: 0] += count
    case .repeated(let inner, let times): unfold(inner, count: count * times, parameters: parameters, into: &releases)
    case .composed(let events):
      for inner in events { unfold(inner, count: count, parameters: parameters, into: &releases) }
    }
  }
}

private enum DPEvent: Hashable {
  case gaussian(noiseMultiplier: Double)
  case poisson(rate: Double, noiseMultiplier: Double)
  /// Shifts 0, 1, …, partners with binomial probabilities; noise relative to one shift.
  case mixture(rate: Double, partners: Int, noiseMultiplier: Double)

  init(rate: Double, _ release: GaussianRelease, parameters: ParameterChoice) {
    let z = release.noiseMultiplier
    let partners = release.partnersPerUser
    if rate >= 1 {
      self = .gaussian(noiseMultiplier: z)
    } else if partners == 1 {
      self = .poisson(rate: rate, noiseMultiplier: z)
    } else if parameters == .fixedByPlan, release.adjacency != .replaceOne {
      self = .mixture(rate: rate, partners: partners, noiseMultiplier: z * Double(partners))
    } else {
      // As it is charged: taking part at any partner counts as taking part at all of them.
      self = .poisson(rate: GaussianRelease.anyPartnerRate(rate, partners: partners), noiseMultiplier: z)
    }
  }

  func form(count: Int) -> CanonicalJSON {
    switch self {
    case .gaussian(let z):
      return .object(["type": .string("gaussian"), "noise_multiplier": .real(z), "count": .natural(count)])
    case .poisson(let rate, let z):
      return .object([
        "type": .string("poisson"), "rate": .real(rate), "noise_multiplier": .real(z), "count": .natural(count),
      ])
    case .mixture(let rate, let partners, let z):
      return .object([
        "type": .string("mixture"), "noise_multiplier": .real(z), "count": .natural(count),
        "shifts": .array((0...partners).map { .natural($0) }),
        "probabilities": .array(GaussianRelease.partnerCountProbabilities(rate, partners: partners).map { .real($0) }),
      ])
    }
  }
}
