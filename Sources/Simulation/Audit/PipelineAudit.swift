internal import DifferentialPrivacy
internal import FederatedLearning
internal import Glibc
internal import Recommender

/// What one attack found.
public struct AuditFinding: Sendable, Equatable {
  public let method: AuditMethod
  /// Canaries that could take part; `nil` for residuals.
  public var canaries: Int?
  public var guesses: Int?
  /// Right guesses.
  public var correct: Int?
  /// The ε that the attack shows at least, at the confidence asked for; `nil` where it shows none (residuals).
  public var epsilonLower: Double?
  /// The same where the mechanism is known to be Gaussian (every user in every release): tighter.
  public var epsilonLowerGaussian: Double?
  /// A point estimate; no bound to either side.
  public var epsilonEstimate: Double?
  /// Coordinates of noise that were looked at.
  public var coordinates: Int?
  /// Measured over promised variance.
  public var varianceRatio: Double?
  /// The most conspicuous correlation between the noise of two releases, for its number of coordinates.
  public var correlation: Double?
  /// How probable each result, or a worse one, is for a mechanism that is what the plan says.
  public var probabilities: [String: Double] = [:]
  /// Whether the result contradicts the plan, at the share of false alarms that this attack has.
  public var isContradicted = false

  init(_ method: AuditMethod) { self.method = method }
}

/// Audits beside the bound that they attack.
public struct AuditResult: Sendable, Equatable {
  /// ε of all releases together, as proven, against readers of the releases.
  public let provenEpsilon: Double
  public let delta: Double
  public let theorem: String
  public let confidence: Double
  public let falseAlarms: Double
  public let findings: [AuditFinding]

  /// Whether some attack found what cannot be if the mechanism is the plan's.
  public var isContradicted: Bool { findings.contains(where: \.isContradicted) }
  /// The largest lower bound that some attack showed; at the confidence asked for, since the attacks share what may go wrong.
  public var epsilonLower: Double { findings.compactMap(\.epsilonLower).max() ?? 0 }
}

/// Attacks a task's own mechanism, with canaries that go through the real engines and messages.
public struct PipelineAudit {
  private let task: AuditedTask
  private let settings: AuditSettings
  private let bound: PrivacyBound
  /// Of the whole task, as if every user were in every release.
  private let mu: Double
  private let isGaussian: Bool

  /// - Throws: `AuditError` when the settings ask for what cannot be, `PrivacyParameterError` when the plan cannot be accounted for.
  public init(_ task: AuditedTask, settings: AuditSettings) throws {
    let plan = task.plan
    try settings.validate(users: task.users, hasNoise: plan.privacy.noise != .none)
    let events = plan.releases.compactMap { $0.event(plan.privacy, against: .outsiders) }
    let summary = try PrivacyLossSummary(events)
    self.task = task
    self.settings = settings
    bound = try Accounting.best(for: summary, delta: plan.privacy.delta)
    mu = summary.mu
    isGaussian = plan.releases.allSatisfy { $0.samplingRate == 1 }
  }

  /// Plays the runs and judges them.
  ///
  /// - Throws: `AuditError` when a run does not come to its end.
  public func run(shouldStop: @escaping () -> Bool = { false }) throws -> AuditResult {
    let methods = Set(settings.methods)
    var findings: [AuditFinding] = []
    var evidence: [AuditEvidence] = []
    if methods.contains(.oneRun) || !methods.contains(.oneShot) {
      let (finding, seen) = try oneRun(shouldStop)
      if methods.contains(.oneRun) { findings.append(finding) }
      evidence.append(seen)
    }
    if methods.contains(.oneShot) {
      let (finding, seen) = try oneShot(shouldStop)
      findings.append(finding)
      evidence.append(seen)
    }
    if methods.contains(.residual) {
      while evidence.coordinates < settings.residualCoordinates, evidence.count < AuditSettings.mostPlays {
        evidence.append(try play(evidence.count, shouldStop))
      }
      findings.append(try residual(evidence))
    }
    return AuditResult(
      provenEpsilon: bound.epsilon, delta: bound.delta, theorem: bound.theorem, confidence: settings.confidence,
      falseAlarms: settings.falseAlarms, findings: findings)
  }

  /// The probability with which a lower bound may be too high. `epsilonLower` is the largest that some attack showed: where two
  /// attack, each has half.
  private var lowerSignificance: Double {
    (1 - settings.confidence) / Double(max(1, Set(settings.methods).subtracting([.residual]).count))
  }

  /// Each attack makes two tests; all of them share the false alarms (Bonferroni).
  private var significance: Double { settings.falseAlarms / Double(2 * Set(settings.methods).count) }

  // MARK: - One run, fair coins

  private func oneRun(_ shouldStop: @escaping () -> Bool) throws -> (AuditFinding, AuditEvidence) {
    let directions = CanaryDirections(
      count: settings.canaries, releases: task.plan.releases, seed: SplitMix64.mix(settings.seed ^ 1), isIsotropic: false)
    var coins = SplitMix64(seed: SplitMix64.mix(settings.seed ^ 2))
    let members = (0..<settings.canaries).map { _ in coins.next() >> 63 == 1 }
    let evidence = try AuditEvidence(
      task, directions, members: members.indices.filter { members[$0] }, seed: SplitMix64.mix(settings.seed ^ 3),
      shouldStop: shouldStop)
    // The matched filter: what a canary would put into each release, over the variance of all that is not the canary's.
    var scores = [Double](repeating: 0, count: settings.canaries)
    for release in evidence.releases {
      guard let encoding = release.planned.encoding else { continue }
      // With every copy in it: a user's contributions may all point one way.
      let clip = encoding.clipInGridUnits * Double(task.copies)
      let others =
        directions.isSeparate(release.round)
        ? 0 : clip * clip * Double(settings.canaries) / 2 / Double(max(1, directions.span(release.round)))
      let weight = clip / (release.variance + others)
      for canary in scores.indices {
        scores[canary] += weight * directions.projection(of: release.view, on: canary, round: release.round)
      }
    }
    let inside = settings.guesses / 2
    let audit = try OneRunAudit(scores: scores, members: members, inside: inside, outside: settings.guesses - inside)
    var finding = AuditFinding(.oneRun)
    finding.canaries = audit.canaries
    finding.guesses = audit.guesses
    finding.correct = audit.correct
    finding.epsilonLower = audit.epsilonLowerBound(delta: bound.delta, significance: lowerSignificance)
    let p = audit.pValue(epsilon: bound.epsilon, delta: bound.delta)
    finding.probabilities["guesses"] = p
    finding.isContradicted = p < significance
    if isGaussian {
      finding.epsilonLowerGaussian = audit.gaussianEpsilonLowerBound(delta: bound.delta, significance: lowerSignificance)
      if audit.rejectsGaussian(mu: mu, significance: significance) { finding.isContradicted = true }
    }
    return (finding, evidence)
  }

  // MARK: - One shot, cosines

  private func oneShot(_ shouldStop: @escaping () -> Bool) throws -> (AuditFinding, AuditEvidence) {
    let directions = CanaryDirections(
      count: settings.canaries, releases: task.plan.releases, seed: SplitMix64.mix(settings.seed ^ 4), isIsotropic: true)
    let evidence = try AuditEvidence(
      task, directions, members: Array(0..<settings.canaries), seed: SplitMix64.mix(settings.seed ^ 5), shouldStop: shouldStop)
    // Every release's cosine is N(0, 1/d) for a direction that nobody contributed. Weighted by what a canary would shift them,
    // they add up to one such statistic; for a single release it is its cosine.
    var (sums, squares, dimension) = ([Double](repeating: 0, count: settings.canaries), 0.0, 0)
    for release in evidence.releases {
      let span = directions.span(release.round)
      guard let encoding = release.planned.encoding, span >= Self.leastSpan else { continue }
      let weight = encoding.clipInGridUnits / release.variance.squareRoot()
      let length = directions.length(of: release.view, round: release.round)
      guard length > 0 else { continue }
      squares += weight * weight
      dimension += span
      for canary in sums.indices {
        let cosine = directions.projection(of: release.view, on: canary, round: release.round) / length
        sums[canary] += weight * cosine * Double(span).squareRoot()
      }
    }
    guard squares > 0 else {
      throw AuditError(
        "no release has \(Self.leastSpan) or more entries that a user may fill, too few for cosines; expected another algorithm, or --method one-run"
      )
    }
    let factor = 1 / (squares * Double(dimension)).squareRoot()
    let audit = try OneShotAudit(cosines: sums.map { max(-1, min(1, $0 * factor)) }, dimension: dimension)
    // Fixed beforehand: where the plan's own mechanism would have a false-positive rate of about 1 %, or a rate of hits of 2 %.
    let threshold = max(2.3, mu + 2)
    var finding = AuditFinding(.oneShot)
    finding.canaries = settings.canaries
    finding.epsilonLower = audit.epsilonLowerBound(
      threshold: threshold, delta: bound.delta, significance: lowerSignificance)
    finding.epsilonEstimate = audit.equalVarianceEstimate(delta: bound.delta)
    let shown = audit.epsilonLowerBound(threshold: threshold, delta: bound.delta, significance: significance)
    let p = TailProbabilities.normal(above: (audit.shift - mu) * Double(settings.canaries).squareRoot())
    finding.probabilities["mean cosine"] = p
    finding.isContradicted = shown > bound.epsilon || p < significance
    return (finding, evidence)
  }

  /// Fewer coordinates make cosines that are not normal.
  private static let leastSpan = 30

  // MARK: - Residuals

  /// One more run with the canaries of the one-run audit, for its noise.
  private func play(_ number: Int, _ shouldStop: @escaping () -> Bool) throws -> AuditEvidence {
    let directions = CanaryDirections(
      count: settings.canaries, releases: task.plan.releases, seed: SplitMix64.mix(settings.seed ^ 1), isIsotropic: false)
    return try AuditEvidence(
      task, directions, members: Array(0..<settings.canaries), seed: SplitMix64.mix(settings.seed ^ 6 &+ UInt64(number) << 8),
      shouldStop: shouldStop)
  }

  private func residual(_ evidence: [AuditEvidence]) throws -> AuditFinding {
    let releases = evidence.map(\.releases)
    let all = releases.flatMap { $0 }
    let noise = try ResidualTest(residuals: all.map(\.residual), variances: all.map(\.variance))
    // Streams that begin anew repeat within a run.
    var correlationP = 1.0
    var correlation: Double?
    for run in releases {
      let test = try ResidualTest(residuals: run.map(\.residual), variances: run.map(\.variance))
      guard let strongest = test.strongestCorrelation else { continue }
      let p = test.correlationP
      guard p <= correlationP else { continue }
      correlationP = p
      correlation = strongest.correlation
    }
    correlationP = min(1, correlationP * Double(releases.count))
    var finding = AuditFinding(.residual)
    finding.coordinates = noise.coordinates
    finding.varianceRatio = noise.varianceRatio
    finding.correlation = correlation
    finding.probabilities["variance"] = noise.varianceP
    finding.probabilities["correlation"] = correlationP
    finding.isContradicted = noise.varianceP < significance || correlationP < significance
    return finding
  }
}

extension [AuditEvidence] {
  /// Coordinates of noise in all of them.
  fileprivate var coordinates: Int { reduce(0) { $0 + $1.releases.reduce(0) { $0 + $1.residual.count } } }
}
