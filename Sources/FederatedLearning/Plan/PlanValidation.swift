package import CryptoPrimitives
internal import DifferentialPrivacy
package import Recommender
public import SecureAggregation

extension TrainingPlan {
  /// Checks everything that a partner would refuse later.
  ///
  /// - Throws: `PlanError` naming the member, what was found and what was expected.
  public func validate() throws(PlanError) {
    guard formatVersion == Self.currentFormatVersion else {
      throw PlanError("the plan has format version \(formatVersion); this program reads \(Self.currentFormatVersion)")
    }
    guard SessionID(hex: session) != nil else { throw PlanError("'session' is no 32 hexadecimal digits") }
    guard VerificationKey(hex: coordinatorKey) != nil else {
      throw PlanError("'coordinatorKey' is no 64 hexadecimal digits")
    }
    guard Digest(hex: catalogue.hash) != nil, (1...1 << 26).contains(catalogue.itemCount) else {
      throw PlanError("'catalogue' needs a hash of 64 hexadecimal digits and 1 to \(1 << 26) items")
    }
    try validateFeatures()
    if let search, !Self.isSearchName(search) {
      throw PlanError("'search' is no name of 1 to 200 bytes without control characters")
    }
    try validateRoster()
    try validatePrivacy()
    guard !releases.isEmpty, releases.count <= 1 << 20 else {
      throw PlanError("the plan has \(releases.count) releases; expected 1 to \(1 << 20)")
    }
    guard (1...100).contains(aggregation.maximumAttempts) else {
      throw PlanError("'maximumAttempts' is \(aggregation.maximumAttempts); expected 1 to 100")
    }
    for index in releases.indices { try validateRelease(index) }
    try validateBudget()
  }

  /// Whether a search over settings can be called so.
  public static func isSearchName(_ name: String) -> Bool {
    (1...200).contains(name.utf8.count) && !name.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
  }

  /// The ledgers stop a plan that overspends; a plan that is bound to be stopped is refused at once.
  private func validateBudget() throws(PlanError) {
    guard let cap else { return }
    var spending = LedgerSpending()
    for (index, release) in releases.enumerated() {
      if let refusal = spending.add(release.chargedEvent(privacy)) {
        throw PlanError("release \(index) ('\(release.name)') cannot be accounted for: \(refusal)")
      }
    }
    let epsilon = spending.epsilon(delta: cap.delta)
    guard epsilon <= cap.epsilon * (1 + SpendingCap.tolerance) else {
      throw PlanError(
        "its releases spend ε = \(epsilon) at δ = \(cap.delta); expected at most the cap \(cap.epsilon): add noise or raise the cap"
      )
    }
  }

  private func validateRoster() throws(PlanError) {
    let numbers = roster.map(\.participant)
    guard roster.count >= 2 else {
      throw PlanError(
        "the roster has \(roster.count) partner\(roster.count == 1 ? "" : "s"): a sum over one partner hides nothing; expected at least 3, or 2 with central noise"
      )
    }
    if roster.count == 2, privacy.noise != .central, aggregation.isSecure {
      throw PlanError(
        "the roster has 2 partners: without central noise each of them learns the other's sum; expected at least 3")
    }
    guard (2...roster.count).contains(aggregation.threshold), (2...roster.count).contains(aggregation.minimumSurvivors),
      (0...roster.count).contains(aggregation.colluders)
    else {
      throw PlanError(
        "threshold \(aggregation.threshold), minimumSurvivors \(aggregation.minimumSurvivors), colluders \(aggregation.colluders) with \(roster.count) partners; expected 2 to \(roster.count) for the first two and 0 to \(roster.count) for the last"
      )
    }
    let most = aggregation.graph == nil ? AggregationParameters.participantsMax : Self.drawnPartnersMax
    guard roster.count <= most else {
      throw PlanError("the roster has \(roster.count) partners; expected at most \(most)")
    }
    guard Self.isName(task) else {
      throw PlanError("'task' has \(task.utf8.count) bytes; expected 1 to 256, no control characters")
    }
    guard Self.isName(algorithm.name) else {
      throw PlanError("'algorithm.name' is no name of 1 to 256 bytes without control characters")
    }
    guard zip(numbers, numbers.dropFirst()).allSatisfy({ $0 < $1 }), numbers.first ?? 0 >= 1 else {
      throw PlanError("the roster's participants must be distinct, ascending and 1 or larger; found \(numbers)")
    }
    guard Set(roster.map(\.name)).count == roster.count else { throw PlanError("two partners have the same name") }
    guard Set(roster.map { VerificationKey(hex: $0.verificationKey) }).count == roster.count else {
      throw PlanError("two partners have the same verification key")
    }
    for entry in roster {
      guard VerificationKey(hex: entry.verificationKey) != nil else {
        throw PlanError("partner '\(entry.name)' has no verification key of 64 hexadecimal digits")
      }
      guard Self.isName(entry.name) else {
        throw PlanError(
          "partner \(entry.participant) has a name of \(entry.name.utf8.count) bytes; expected 1 to 256, no control characters")
      }
      guard (1...1 << 40).contains(entry.maximumUsers) else {
        throw PlanError("partner '\(entry.name)' may bring \(entry.maximumUsers) users; expected at least 1")
      }
    }
  }

  private func validatePrivacy() throws(PlanError) {
    guard privacy.nominalUsers >= 1, (1...1000).contains(privacy.maximumPartnersPerUser) else {
      throw PlanError("'nominalUsers' and 'maximumPartnersPerUser' must be 1 or larger")
    }
    // Whoever colludes signs two survivor sets: t must be out of reach for both sets at once (secure-aggregation.md).
    let (n, t, c) = (roster.count, aggregation.threshold, aggregation.colluders)
    guard !aggregation.isSecure || aggregation.graph != nil || c <= 2 * t - n - 1 else {
      throw PlanError(
        "\(c) colluding partners with n = \(n) and threshold \(t); expected at most 2t − n − 1 = \(2 * t - n - 1): add partners or raise the threshold"
      )
    }
    try validateGraph()
    guard privacy.noise != .none else { return }
    guard privacy.epsilon.isFinite, privacy.epsilon > 0 else {
      throw PlanError("ε is \(privacy.epsilon); expected a number above 0")
    }
    guard privacy.delta > 0, privacy.delta < 1 else {
      throw PlanError("δ is \(privacy.delta); expected a number above 0 and below 1")
    }
    guard privacy.noise == .distributed else { return }
    guard c >= 1 else {
      throw PlanError(
        "\(c) colluding partners with distributed noise; expected at least 1: a partner reads the model and subtracts its own share"
      )
    }
    guard aggregation.isSecure else {
      throw PlanError("distributed noise needs secure aggregation: without it the coordinator sees single shares")
    }
  }

  /// A drawn graph protects with a probability, which everybody computes again from the plan's own numbers.
  private func validateGraph() throws(PlanError) {
    guard let graph = aggregation.graph else { return }
    guard aggregation.isSecure else {
      throw PlanError("'aggregation.graph' stands in a plan without secure aggregation; expected no graph")
    }
    let proof = aggregation.signaturesForProof(partners: roster.count)
    guard aggregation.minimumSurvivors >= proof else {
      throw PlanError(
        "its sums may hold \(aggregation.minimumSurvivors) of \(roster.count) partners, too few for a proof of who was in them: in a drawn graph with \(aggregation.colluders) colluding partners that takes \(proof) signatures; expected minimumSurvivors \(proof) or more"
      )
    }
    let bits = DrawnGraphSolver.securityBits(
      participants: roster.count, holders: graph.holders, maskDraws: graph.maskDraws, threshold: aggregation.threshold,
      minimumSurvivors: aggregation.minimumSurvivors, corrupt: aggregation.colluders)
    guard bits >= Double(Self.graphSecurityBits) else {
      throw PlanError(
        "its graph of \(graph.holders) holders, \(graph.maskDraws) mask draws and threshold \(aggregation.threshold) among \(roster.count) partners holds against \(aggregation.colluders) colluding ones with \(Int(max(0, bits))) bits; expected at least \(Self.graphSecurityBits): let the solver choose it"
      )
    }
  }

  /// σ: a drawn graph fails with a probability of at most 2^−40.
  static let graphSecurityBits = 40
  /// The most partners of a drawn graph: the lists of so many fit into one message (secure-aggregation.md §8).
  public static let drawnPartnersMax = 3000

  private func validateRelease(_ index: Int) throws(PlanError) {
    let release = releases[index]
    func fail(_ reason: String) -> PlanError { PlanError("release \(index) ('\(release.name)'): \(reason)") }
    guard Self.isName(release.name) else {
      throw fail("the name has \(release.name.utf8.count) bytes; expected 1 to 256, no control characters")
    }
    guard release.budgetShare >= 0, release.budgetShare <= 1, (release.budgetShare > 0) == (privacy.noise != .none) else {
      throw fail("the budget share is \(release.budgetShare); expected above 0 and at most 1, or 0 without noise")
    }
    guard release.scale.isFinite, release.scale > 0 else { throw fail("the scale is \(release.scale)") }
    guard release.samplingRate > 0, release.samplingRate <= 1 else {
      throw fail("the sampling rate is \(release.samplingRate); expected above 0 and at most 1")
    }
    do { _ = try parameters(of: release) } catch { throw fail(error.description) }
    guard privacy.noise != .none else {
      guard release.noise == nil, release.encoding == nil else { throw fail("has noise in a plan without noise") }
      guard release.samplingRate == 1 else { throw fail("samples users in a plan without noise") }
      guard let bound = release.entryBound, bound.isFinite, bound > 0 else { throw fail("has no bound on its entries") }
      let largest = bound * release.scale * Double(maximumUsers) + Double(roster.count)
      guard largest < Double(Int64(1) << (release.modulusBits - 1)) else {
        throw fail(
          "its entries reach \(largest), which wraps in a ring of \(release.modulusBits) bits; expected more bits or a smaller scale"
        )
      }
      return
    }
    guard release.entryBound == nil else { throw fail("bounds entries of messages that are clipped") }
    guard let encoding = release.encoding, let noise = release.noise else {
      throw fail("has no clip or no noise in a plan that claims privacy")
    }
    guard encoding.dimension == release.dimension, noise.dimension == release.dimension,
      encoding.scale == release.scale, noise.deltaSquared == encoding.deltaSquared
    else { throw fail("dimension, scale and Δ² of its parts differ") }
    guard (noise.share == nil) == (privacy.noise == .central) else {
      throw fail("its noise does not fit the plan's noise mode '\(privacy.noise.rawValue)'")
    }
    if let share = noise.share {
      guard share.minimumContributors == aggregation.minimumSurvivors, share.colluders == aggregation.colluders else {
        throw fail("its noise shares are for another n_min or c than the plan's")
      }
    }
    do {
      _ = try ModulusPlan(
        bits: release.modulusBits, for: [wrapLoad(encoding: encoding, noise: noise, releaseCount: releases.count)])
    } catch { throw fail(error.description) }
  }

  /// Names enter ledgers, which take 256 bytes, and are shown to people who decide by them: nothing in a name may move what
  /// stands around it (line ends, terminal sequences, Unicode's overrides of direction: UAX #9 §2).
  private static func isName(_ text: String) -> Bool {
    (1...256).contains(text.utf8.count)
      && text.unicodeScalars.allSatisfy { scalar in
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: false
        default: !(0x202A...0x202E).contains(scalar.value) && !(0x2066...0x2069).contains(scalar.value)
        }
      }
  }

  /// What the ring of one release has to hold. It is counted as often as there are attempts at all releases, so that
  /// the wrap probability stays below 2^-40 over the whole task.
  func wrapLoad(encoding: EncodingParameters, noise: GaussianNoise, releaseCount: Int) -> ModulusPlan.Load {
    ModulusPlan.Load(
      encoding: encoding, noise: noise, maximumUsers: maximumUsers, maximumPartners: roster.count,
      count: aggregation.maximumAttempts * releaseCount)
  }

  /// What secure aggregation needs to know of a release.
  ///
  /// - Throws: `AggregationParameterError` saying what does not fit.
  public func parameters(of release: PlannedRelease) throws(AggregationParameterError) -> AggregationParameters {
    guard let suite = KeystreamSuite(rawValue: aggregation.suite) else {
      throw AggregationParameterError("the mask suite is \(aggregation.suite); expected 1 (AES-256-CTR) or 2 (ChaCha20)")
    }
    return try AggregationParameters(
      participants: roster.map { ParticipantID($0.participant) }, threshold: aggregation.threshold,
      minimumSurvivors: aggregation.minimumSurvivors, dimension: release.dimension, modulusBits: release.modulusBits,
      suite: suite,
      graph: aggregation.graph.map { .drawn(holders: $0.holders, maskDraws: $0.maskDraws) } ?? .complete,
      allowTwoParties: roster.count == 2 && privacy.noise == .central)
  }

  /// The partners' verification keys by participant.
  package var verificationKeys: [ParticipantID: VerificationKey] {
    var keys: [ParticipantID: VerificationKey] = [:]
    for entry in roster { keys[ParticipantID(entry.participant)] = VerificationKey(hex: entry.verificationKey) }
    return keys
  }

  /// Checks that the plan's releases are those of the algorithm.
  ///
  /// - Throws: `PlanError` naming the release that differs.
  package func matches(_ algorithm: any FederatedAlgorithm) throws(PlanError) {
    guard algorithm.name == self.algorithm.name, algorithm.itemCount == catalogue.itemCount else {
      throw PlanError(
        "the plan trains '\(self.algorithm.name)' over \(catalogue.itemCount) items, found '\(algorithm.name)' over \(algorithm.itemCount)"
      )
    }
    let steps = releases.filter { $0.purpose == .training }
    guard steps.map(\.step) == Array(algorithm.shapes.indices) else {
      throw PlanError("the plan's training releases are not the \(algorithm.shapes.count) steps of '\(algorithm.name)' in order")
    }
    for release in releases {
      switch release.purpose {
      case .training:
        let shape = algorithm.shapes[release.step]
        guard release.dimension == shape.dimension, release.encoding.map({ $0.maximumNonZeros >= shape.maximumNonZeros }) ?? true
        else { throw PlanError("release '\(release.name)' has another shape than the algorithm's '\(shape.name)'") }
      case .evaluation:
        guard release.dimension == EvaluationTask.dimension else {
          throw PlanError(
            "evaluation release '\(release.name)' has \(release.dimension) entries; expected \(EvaluationTask.dimension) (a plan of a version before 0.3 has 3: finish it with that version)"
          )
        }
        guard release.samplingRate == 1 else {
          throw PlanError(
            "evaluation release '\(release.name)' samples users at \(release.samplingRate); expected 1: its sums are read as those of everybody"
          )
        }
        guard release.encoding.map({ $0.maximumNonZeros >= EvaluationTask.entriesPerGroup }) ?? true else {
          throw PlanError(
            "evaluation release '\(release.name)' allows \(release.encoding?.maximumNonZeros ?? 0) entries of a user; expected \(EvaluationTask.entriesPerGroup)"
          )
        }
        // A shorter clip would cut every vector and bias the metric.
        if let encoding = release.encoding, encoding.clipNorm != EvaluationTask.clipNorm {
          throw PlanError(
            "evaluation release '\(release.name)' clips at \(encoding.clipNorm); expected \(EvaluationTask.clipNorm)")
        }
      }
    }
  }
}

extension TrainingPlan {
  /// The version of the model that contributions to a round are computed from: the training releases folded so far are
  /// counted with the evaluations between them.
  func modelVersion(before round: Int) -> Int {
    (releases[..<round].lastIndex { $0.purpose == .training } ?? -1) + 1
  }

  /// log2 of the bound on the probability that any coordinate of any attempt at this release wraps; `nil` without noise.
  public func wrapProbabilityLog2(of release: PlannedRelease) -> Double? {
    guard let encoding = release.encoding, let noise = release.noise else { return nil }
    let load = wrapLoad(encoding: encoding, noise: noise, releaseCount: releases.count)
    return (try? ModulusPlan(bits: release.modulusBits, for: [load]))?.wrapProbabilityLog2
  }
}
