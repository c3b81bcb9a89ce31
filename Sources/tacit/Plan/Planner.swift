internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import SecureAggregation

/// What somebody wants to know before a plan is signed.
struct PlanQuestion: Sendable {
  var algorithm = "mf"
  var epsilon: Double
  var delta: Double
  var users: Int
  var partners: Int
  var items: Int
  var rounds: Int?
  /// By name; the algorithm's own where nothing is said.
  var parameters: [String: Double] = [:]
  var rate = 1.0
  var noise = NoiseMode.distributed
  var colluders = 1
  var threshold: Int?
  var minimumSurvivors: Int?
  /// Between whom shares and masks pass; drawn where it is worth it.
  var graph = GraphChoice.automatic
  var partnersPerUser = 1
  var evaluationShare = 0.02
  var attempts = 3
  var reserveAttempts = 0
  var historyLength = 20.0
  var popularity: PopularityCurve
}

/// The answer: the plan as the factory makes it, and what to expect of it.
struct PlanAnswer: Encodable, Sendable {
  struct Release: Encodable, Sendable {
    let name: String
    let times: Int
    let dimension: Int
    let clipNorm: Double
    let scale: Double
    /// Δ² and σ² in grid units.
    let deltaSquared: Int64
    let sigmaSquared: Int64
    /// s² of one partner's share; left out with central noise.
    let shareVariance: Int64?
    let noiseMultiplier: Double
    let modulusBits: Int
    /// Standard deviation on each entry of the decoded sum, in units of contributions.
    let noiseDeviation: Double
    let items: ItemSignal?
  }

  let algorithm: String
  /// Those that were asked for.
  let parameters: [String: Double]
  /// Why, where that was left to `auto`.
  let chosenBecause: String?
  let noise: String
  let epsilonCap: Double
  /// What the plan's releases cost together.
  let epsilonPlanned: Double
  let delta: Double
  let users: Int
  let partners: Int
  let threshold: Int
  let minimumSurvivors: Int
  let colluders: Int
  /// k and m of the drawn graph; left out for the complete one.
  let graph: DrawnGraphPolicy?
  let itemCount: Int
  let rounds: Int
  let samplingRate: Double
  let expectedCohort: Double
  /// z of all training releases together; noise relative to one user's contribution.
  let noiseMultiplier: Double
  /// N/z: what decides how much can be learnt.
  let usersOverNoise: Double
  let releases: [Release]
  let popularity: String
  let costs: PlanCosts
  let costsMeasured: String
  /// NDCG@10 relative to the same algorithm without noise; left out where it was not measured.
  let predictedQuality: Double?
  /// Why there is no prediction, or what it rests on.
  let prediction: String
  let warnings: [String]
}

enum Planner {
  /// - Throws: `PlanError`, `InvalidHyperparameter` or `PlanQuestionError`.
  static func answer(_ question: PlanQuestion) throws -> PlanAnswer {
    let choice = try decisions(question).choosingAlgorithm(itemCount: question.items).choice
    var question = question
    if let choice { question.algorithm = choice.algorithm }
    let (plan, algorithm) = try plan(question)
    let training = plan.releases.filter { $0.purpose == .training }
    // One user's weight in all training releases: Σ (q/z)², so that q = 1 gives 1/z of the whole.
    let weight = training.reduce(0.0) { sum, release in
      let z = multiplier(release, plan)
      return sum + (release.samplingRate / z) * (release.samplingRate / z)
    }
    let signal = Double(question.users) * weight.squareRoot()
    let z = 1 / training.reduce(0.0) { $0 + 1 / (multiplier($1, plan) * multiplier($1, plan)) }.squareRoot()
    let summary = try PrivacyLossSummary(plan.releases.compactMap { $0.event(plan.privacy) })
    // One thing several times, as ledgers compose it.
    let parameters: ParameterChoice = Set(plan.releases.map { $0.event(plan.privacy) }).count == 1 ? .fixedByPlan : .adaptive
    var names: [String] = []
    for release in plan.releases where !names.contains(release.name) { names.append(release.name) }
    let releases = names.compactMap { name -> PlanAnswer.Release? in
      guard let release = plan.releases.first(where: { $0.name == name }), let encoding = release.encoding,
        let noise = release.noise
      else { return nil }
      return PlanAnswer.Release(
        name: name, times: plan.releases.count { $0.name == name }, dimension: release.dimension, clipNorm: encoding.clipNorm,
        scale: release.scale, deltaSquared: encoding.deltaSquared, sigmaSquared: noise.sigmaSquared,
        shareVariance: noise.share?.variance, noiseMultiplier: multiplier(release, plan), modulusBits: release.modulusBits,
        noiseDeviation: release.noiseDeviation,
        items: ItemSignal(
          release, items: question.items, popularity: question.popularity, users: Double(question.users),
          historyLength: question.historyLength))
    }
    let (quality, prediction) = predict(question, signal)
    return PlanAnswer(
      algorithm: question.algorithm, parameters: question.parameters, chosenBecause: choice?.reason,
      noise: question.noise.rawValue, epsilonCap: question.epsilon,
      epsilonPlanned: Accounting.epsilon(for: summary, delta: question.delta, parameters: parameters), delta: question.delta,
      users: question.users,
      partners: question.partners, threshold: plan.aggregation.threshold, minimumSurvivors: plan.aggregation.minimumSurvivors,
      colluders: plan.aggregation.colluders, graph: plan.aggregation.graph, itemCount: question.items,
      rounds: plan.releases.count, samplingRate: question.rate,
      expectedCohort: question.rate * Double(question.users), noiseMultiplier: z, usersOverNoise: signal, releases: releases,
      popularity: "\(question.popularity.source); \(Int(question.historyLength)) items in a history",
      costs: PlanCosts(plan, algorithm: algorithm, usersPerPartner: Double(question.users) / Double(question.partners)),
      costsMeasured: PlanCosts.measured, predictedQuality: quality, prediction: prediction,
      warnings: warnings(question, plan, releases))
  }

  /// The plan that these decisions give, over made-up names and keys.
  static func plan(_ question: PlanQuestion) throws -> (plan: TrainingPlan, algorithm: any FederatedAlgorithm) {
    let decisions = decisions(question)
    var random: any RandomSource = SystemRandomSource()
    let roster = (1...max(question.partners, 1)).map { number in
      RosterEntry(
        participant: UInt32(number), name: "partner-\(number)", verificationKey: SigningKey(random: &random).verificationKey.hex,
        maximumUsers: maximumUsers(question))
    }
    guard let session = SessionID(bytes: random.bytes(16)) else { preconditionFailure("a session is 16 bytes") }
    let made = try PlanFactory.plan(
      decisions, catalogue: Catalogue(itemIDs: (1...question.items).map(String.init)), roster: roster,
      coordinatorKey: SigningKey(random: &random).verificationKey.hex, session: session)
    return (made.plan.plan, made.algorithm)
  }

  private static func decisions(_ question: PlanQuestion) -> PlanDecisions {
    var decisions = PlanDecisions(task: "a question", algorithm: question.algorithm, nominalUsers: question.users)
    decisions.rounds = question.rounds
    decisions.parameters = question.parameters
    decisions.noise = question.noise
    decisions.epsilon = question.epsilon
    decisions.delta = question.delta
    decisions.maximumPartnersPerUser = question.partnersPerUser
    decisions.samplingRate = question.rate
    decisions.evaluationShare = question.evaluationShare
    decisions.threshold = question.threshold
    decisions.minimumPartners = question.minimumSurvivors
    decisions.colluders = question.colluders
    decisions.graph = question.graph
    decisions.attempts = question.attempts
    decisions.reserveAttempts = question.reserveAttempts
    return decisions
  }

  /// Twice an equal share, rounded up: a constant of the contract that no partner's data decide.
  static func maximumUsers(_ question: PlanQuestion) -> Int {
    PlanFactory.rounded(max(1, 2 * question.users / max(1, question.partners)), up: true)
  }

  /// The ε at which all training releases together have this multiplier.
  ///
  /// - Throws: `PlanQuestionError` when no ε between 0.001 and 10,000 gives it.
  static func epsilon(noiseMultiplier wanted: Double, _ question: PlanQuestion) throws -> Double {
    var question = question
    func found(_ epsilon: Double) throws -> Double {
      question.epsilon = epsilon
      let plan = try plan(question).plan
      let training = plan.releases.filter { $0.purpose == .training }
      return 1 / training.reduce(0.0) { $0 + 1 / (multiplier($1, plan) * multiplier($1, plan)) }.squareRoot()
    }
    var (low, high) = (0.001, 10_000.0)
    guard wanted.isFinite, wanted > 0, try found(low) >= wanted, try found(high) <= wanted else {
      throw PlanQuestionError("no ε between 0.001 and 10,000 gives a noise multiplier of \(wanted); expected about 0.05 to 3000")
    }
    while high > low * 1.0001 {
      let middle = (low * high).squareRoot()
      if try found(middle) > wanted { low = middle } else { high = middle }
    }
    return high
  }

  /// The fewest users with whom so much of the quality is kept at this ε.
  ///
  /// - Throws: `PlanQuestionError` when the measurements do not tell.
  static func users(keeping quality: Double, _ question: PlanQuestion) throws -> Int {
    guard question.parameters.isEmpty else {
      throw PlanQuestionError(
        "no quality was measured with other parameters than '\(question.algorithm)' has by itself; ask without --set, or with --users"
      )
    }
    guard let curve = UtilityCurve.of(question.algorithm),
      let ratio = curve.usersOverNoise(keeping: quality, items: question.items)
    else {
      throw PlanQuestionError(
        "no measured N/z keeps \(quality) of the quality of '\(question.algorithm)' with \(question.items) items; ask for less, or try it with tacit simulate"
      )
    }
    // z hardly depends on N (only by rounding), so that few steps settle it.
    var question = question
    for _ in 0..<4 {
      let now = try answer(question).usersOverNoise
      question.users = min(1 << 40, max(1, Int((Double(question.users) * ratio / now).rounded(.up))))
    }
    return PlanFactory.rounded(question.users, up: true)
  }

  private static func multiplier(_ release: PlannedRelease, _ plan: TrainingPlan) -> Double {
    release.noise?.noiseMultiplier(adjacency: plan.privacy.adjacency, partnersPerUser: plan.privacy.maximumPartnersPerUser)
      ?? .infinity
  }

  private static func predict(_ question: PlanQuestion, _ signal: Double) -> (Double?, String) {
    guard question.parameters.isEmpty else {
      return (nil, "curves were measured with the parameters that '\(question.algorithm)' has by itself")
    }
    guard let curve = UtilityCurve.of(question.algorithm) else {
      return (nil, "no curve was measured for '\(question.algorithm)'")
    }
    switch curve.prediction(usersOverNoise: signal, items: question.items) {
    case .kept(let kept):
      return (kept, "interpolated between simulations on generated shops (\(MeasuredUtility.command)); your data will differ")
    case .unknown(let reason): return (nil, reason)
    }
  }

  private static func warnings(_ question: PlanQuestion, _ plan: TrainingPlan, _ releases: [PlanAnswer.Release]) -> [String] {
    var warnings: [String] = []
    if question.delta >= 1 / Double(question.users) {
      warnings.append(
        "δ = \(question.delta) is not below 1/N = \(1 / Double(question.users)): such a δ allows to publish some user whole; choose at most \(0.1 / Double(question.users))"
      )
    }
    if question.epsilon > 10 {
      warnings.append("ε = \(question.epsilon) is above 10: a weak guarantee; an attack may recognise nearly every user")
    }
    let cohort = question.rate * Double(question.users)
    if cohort < 1000 {
      warnings.append("a round expects \(Int(cohort)) users; below 1,000 little more than popularity survives the noise")
    }
    if question.users < 10 * question.partners {
      warnings.append("\(question.users) users at \(question.partners) partners are fewer than 10 each")
    }
    if let evaluation = plan.releases.first(where: { $0.purpose == .evaluation }) {
      let least = NoisedEvaluation.leastUsersOverNoise * evaluation.noiseDeviation
      if least > Double(question.users) / 3 {
        warnings.append(
          "the evaluation says nothing of groups with fewer than \(Int(least.rounded(.up))) users with held-out items, of \(question.users) in all: a larger --evaluation-share shows more"
        )
      }
    }
    for release in releases {
      if let items = release.items, items.drowned > 0.5 {
        warnings.append(
          "\(Int((items.drowned * 100).rounded())) % of the rows of '\(release.name)' drown in noise: their signal is below the noise on them"
        )
      }
    }
    let (n, m, c) = (question.partners, plan.aggregation.minimumSurvivors, plan.aggregation.colluders)
    if question.noise == .distributed, m - c < 2 {
      warnings.append(
        "with \(c) colluding partners of \(m) in a sum, one honest partner adds all the noise that counts: raise --minimum-survivors or lower --colluders"
      )
    }
    if question.noise == .distributed, Double(n) > 1.5 * Double(m - c) {
      let surplus = (Double(n) / Double(m - c)).squareRoot()
      warnings.append(
        String(
          format:
            "when all %d partners stay, the noise is %.1f times as large as ε needs: a larger --minimum-survivors costs less quality, and more rounds that fail",
          n, surplus))
    }
    if question.algorithm == "item-knn" {
      warnings.append(
        "item-knn spreads what noise leaves of a user over all pairs of the catalogue, most of which drown: hybrid and covariance, which spend it on the popular items, rank better under noise; item-knn is for plans without"
      )
    }
    if question.noise == .central {
      warnings.append("with central noise partners trust the coordinator to draw it")
    }
    return warnings
  }
}
