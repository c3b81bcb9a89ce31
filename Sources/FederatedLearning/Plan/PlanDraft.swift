internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import Glibc
public import Recommender
public import SecureAggregation

/// Everything that people decide about a task; `plan` computes the rest: noise, grids, rings.
public struct PlanDraft: Sendable {
  public var task: String
  public var session: SessionID
  public var configuration: AlgorithmConfiguration
  public var modelSeed: UInt64
  public var catalogue: CatalogueReference
  public var roster: [RosterEntry]
  public var coordinatorKey: String
  public var aggregation: AggregationPolicy
  public var privacy: PrivacyPolicy
  /// Poisson sampling rate of users in training releases.
  public var samplingRate: Double = 1
  /// Share of the budget for one noised evaluation after the last training release; 0 plans none.
  public var evaluationShare: Double = 0
  /// Attempts beyond the first that the budget must be able to pay for.
  public var reserveAttempts = 0
  /// Name of the search over settings that the plan is a try of.
  public var search: String?

  public init(
    task: String, session: SessionID, configuration: AlgorithmConfiguration, modelSeed: UInt64,
    catalogue: CatalogueReference, roster: [RosterEntry], coordinatorKey: String, aggregation: AggregationPolicy,
    privacy: PrivacyPolicy
  ) {
    self.task = task
    self.session = session
    self.configuration = configuration
    self.modelSeed = modelSeed
    self.catalogue = catalogue
    self.roster = roster
    self.coordinatorKey = coordinatorKey
    self.aggregation = aggregation
    self.privacy = privacy
  }

  /// z of the whole task when every user takes part in every release: what decides how much can be learnt.
  ///
  /// - Throws: `PlanError` when ε or δ is out of range.
  public static func noiseMultiplier(_ privacy: PrivacyPolicy) throws(PlanError) -> Double {
    do {
      let budget = try PrivacyBudget(epsilon: privacy.epsilon, delta: privacy.delta)
      return try Calibration.noiseMultiplier(for: budget)
        * privacy.adjacency.distanceFactor * Double(privacy.maximumPartnersPerUser)
    } catch { throw PlanError("\(error)") }
  }

  /// The finished plan.
  ///
  /// - Throws: `PlanError` when the decisions do not fit together.
  public func plan(for algorithm: any FederatedAlgorithm) throws(PlanError) -> TrainingPlan {
    guard evaluationShare >= 0, evaluationShare < 1 else {
      throw PlanError("the evaluation's share of the budget is \(evaluationShare); expected at least 0 and below 1")
    }
    guard samplingRate > 0, samplingRate <= 1 else {
      throw PlanError("the sampling rate is \(samplingRate); expected above 0 and at most 1")
    }
    guard privacy.noise != .none || samplingRate == 1 else {
      throw PlanError("the sampling rate is \(samplingRate) in a plan without noise; expected 1")
    }
    guard (0...10_000).contains(reserveAttempts) else {
      throw PlanError("\(reserveAttempts) reserved attempts; expected 0 to 10,000")
    }
    var plan = TrainingPlan(
      task: task, session: session.hex, algorithm: configuration, modelSeed: modelSeed, catalogue: catalogue,
      roster: roster, coordinatorKey: coordinatorKey, aggregation: aggregation, privacy: privacy, releases: [])
    plan.search = search
    plan.releases = privacy.noise == .none ? try exactReleases(algorithm, plan) : try noisedReleases(algorithm, plan)
    try plan.validate()
    return plan
  }

  // MARK: - Without noise

  private func exactReleases(_ algorithm: any FederatedAlgorithm, _ plan: TrainingPlan) throws(PlanError) -> [PlannedRelease] {
    var releases: [PlannedRelease] = []
    for (step, shape) in algorithm.shapes.enumerated() {
      releases.append(
        try exactRelease(
          shape.name, .training, step, shape.dimension, bound: shape.entryBound, isIntegral: shape.isIntegral, plan))
    }
    if evaluationShare > 0 {
      releases.append(
        try exactRelease("evaluation", .evaluation, 0, EvaluationTask.dimension, bound: 1, isIntegral: false, plan))
    }
    return releases
  }

  private func exactRelease(
    _ name: String, _ purpose: PlannedRelease.Purpose, _ step: Int, _ dimension: Int, bound: Double, isIntegral: Bool,
    _ plan: TrainingPlan
  ) throws(PlanError) -> PlannedRelease {
    // The finest power of two that fits 32-bit lanes; integers need no finer grid than themselves.
    let reach = bound * Double(plan.maximumUsers)
    let headroom = Double(roster.count + 1)
    var scale = exp2(((0x1p31 - headroom) / reach).binade.exponentValue)
    if isIntegral { scale = min(scale, 1) }
    guard scale > 0, scale.isFinite else { throw PlanError("release '\(name)': entries up to \(reach) fit no ring") }
    var bits = 2
    while bits < 62, reach * scale + headroom >= exp2(Double(bits - 1)) { bits += 1 }
    return PlannedRelease(
      name: name, purpose: purpose, step: step, dimension: dimension, encoding: nil, noise: nil, entryBound: bound,
      scale: scale, samplingRate: 1, budgetShare: 0, modulusBits: bits)
  }

  // MARK: - With noise

  private struct Part {
    let name: String
    let purpose: PlannedRelease.Purpose
    let step: Int
    let dimension: Int
    let maximumNonZeros: Int
    let clipNorm: Double
    let rate: Double
    var share: Double
  }

  private func noisedReleases(_ algorithm: any FederatedAlgorithm, _ plan: TrainingPlan) throws(PlanError) -> [PlannedRelease] {
    var parts = algorithm.shapes.enumerated().map { step, shape in
      Part(
        name: shape.name, purpose: .training, step: step, dimension: shape.dimension,
        maximumNonZeros: shape.maximumNonZeros, clipNorm: shape.clipNorm, rate: samplingRate, share: shape.budgetShare)
    }
    let total = parts.reduce(0) { $0 + $1.share }
    guard total > 0 else { throw PlanError("the budget shares of '\(algorithm.name)' add up to \(total)") }
    for index in parts.indices { parts[index].share *= (1 - evaluationShare) / total }
    if evaluationShare > 0 {
      parts.append(
        Part(
          name: "evaluation", purpose: .evaluation, step: 0, dimension: EvaluationTask.dimension,
          maximumNonZeros: EvaluationTask.entriesPerGroup, clipNorm: EvaluationTask.clipNorm, rate: 1, share: evaluationShare))
    }
    // The smallest common multiplier with which the ledger's own accountant stays within the cap.
    let start = try Self.noiseMultiplier(privacy) / privacy.adjacency.distanceFactor / Double(privacy.maximumPartnersPerUser)
    var low = start
    var high = start
    func fits(_ multiplier: Double) throws(PlanError) -> Bool {
      try epsilon(of: releases(parts, multiplier: multiplier, plan)) <= privacy.epsilon
    }
    while try fits(low), low > start * 0x1p-20 { low /= 2 }
    while try !fits(high) {
      high *= 2
      guard high < start * 0x1p20 else { throw PlanError("no noise keeps this plan below ε = \(privacy.epsilon)") }
    }
    while high - low > high * 1e-9 {
      let middle = (low + high) / 2
      if try fits(middle) { high = middle } else { low = middle }
    }
    return try releases(parts, multiplier: high, plan)
  }

  /// ε of all releases and of the reserved attempts, as `SpendingCap` will count them, whichever attempts fail and whoever makes them.
  private func epsilon(of releases: [PlannedRelease]) -> Double {
    let events = releases.compactMap { $0.event(privacy) }
    guard let all = try? PrivacyLossSummary(events) else { return .infinity }
    let kinds = Set(events).compactMap { try? PrivacyLossSummary([$0]) }
    if kinds.count > 1, !all.isFullParticipation {
      return RenyiAccountant().upperEpsilon(all, and: reserveAttempts, ofAny: kinds, delta: privacy.delta)
    }
    // Everybody in every release, or one thing several times: the dearest attempt is the one with the least noise.
    var spending = LedgerSpending()
    for release in releases { _ = spending.add(release.chargedEvent(privacy)) }
    if let dearest = releases.max(by: { noiseMultiplier($0) > noiseMultiplier($1) }) {
      for _ in 0..<reserveAttempts { _ = spending.add(dearest.chargedEvent(privacy)) }
    }
    return spending.epsilon(delta: privacy.delta)
  }

  private func noiseMultiplier(_ release: PlannedRelease) -> Double {
    release.noise?.noiseMultiplier(adjacency: privacy.adjacency, partnersPerUser: privacy.maximumPartnersPerUser) ?? .infinity
  }

  private func releases(_ parts: [Part], multiplier: Double, _ plan: TrainingPlan) throws(PlanError) -> [PlannedRelease] {
    var result: [PlannedRelease] = []
    for part in parts {
      do throws(PrivacyParameterError) {
        let z = multiplier / part.share.squareRoot()
        let scale = try EncodingParameters.smallestScale(
          dimension: part.dimension, maximumNonZeros: part.maximumNonZeros, clipNorm: part.clipNorm, noiseMultiplier: z)
        let encoding = try EncodingParameters(
          dimension: part.dimension, maximumNonZeros: part.maximumNonZeros, clipNorm: part.clipNorm, scale: scale)
        let noise = try gaussianNoise(z: z, encoding: encoding)
        let load = plan.wrapLoad(encoding: encoding, noise: noise, releaseCount: parts.count)
        result.append(
          PlannedRelease(
            name: part.name, purpose: part.purpose, step: part.step, dimension: part.dimension, encoding: encoding,
            noise: noise, entryBound: nil, scale: scale, samplingRate: part.rate, budgetShare: part.share,
            modulusBits: try ModulusPlan(for: [load]).bits))
      } catch {
        throw PlanError("release '\(part.name)': \(error.description)")
      }
    }
    return result
  }

  private func gaussianNoise(z: Double, encoding: EncodingParameters) throws(PrivacyParameterError) -> GaussianNoise {
    let m = privacy.maximumPartnersPerUser
    if privacy.noise == .distributed {
      return try GaussianNoise(
        noiseMultiplier: z, deltaSquared: encoding.deltaSquared, dimension: encoding.dimension,
        adjacency: privacy.adjacency, partnersPerUser: m, minimumContributors: aggregation.minimumSurvivors,
        colluders: aggregation.colluders)
    }
    return try GaussianNoise(
      noiseMultiplier: z, deltaSquared: encoding.deltaSquared, dimension: encoding.dimension,
      adjacency: privacy.adjacency, partnersPerUser: m)
  }
}

extension Double {
  /// log2 of a power of two.
  fileprivate var exponentValue: Double { Double(exponent) }
}
