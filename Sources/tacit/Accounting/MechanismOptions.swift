internal import ArgumentParser
internal import CommandSupport
internal import DifferentialPrivacy
internal import Foundation

/// Mechanisms that a question can name.
enum MechanismName: String, CaseIterable {
  case gaussian, laplace
  case discreteLaplace = "discrete-laplace"
  case discreteGaussian = "discrete-gaussian"
  case skellam
  case distributedDiscreteGaussian = "distributed-discrete-gaussian"
  case randomizedResponse = "randomized-response"
  case zcdp
  case renyiCurve = "renyi-curve"
  case treeRestart = "tree-restart"
  case tree
  case bandedSquareRoot = "banded-sqrt"
  case bandedInverseSquareRoot = "banded-inverse-sqrt"
  case amplifiedBands = "amplified-bands"
  case adaptiveClipping = "adaptive-clipping"
}

enum SamplingName: String, CaseIterable {
  case none, poisson
  case fixedSize = "fixed-size"
  case truncatedPoisson = "truncated-poisson"
}

/// What is asked about, from the command line. Noise is relative to one user's contribution; the adjacency decides the distance.
struct MechanismOptions: ParsableArguments {
  @Option(name: .customLong("mechanism"), help: "Which noise.") var mechanismChoice = Choice(MechanismName.gaussian)
  @Option(help: "An event in dp-accounting's notation instead of a mechanism, e.g. 'GaussianDpEvent(noise_multiplier=2)'.")
  var event: String?
  @Option(parsing: .unconditional, help: "z: standard deviation of Gaussian noise over one user's L2 norm.") var noiseMultiplier:
    Double?
  @Option(parsing: .unconditional, help: "Standard deviation of the noise on the count of users below an adaptive clip.")
  var countNoise: Double?
  @Option(parsing: .unconditional, help: "b of Laplace noise over one user's L1 norm.") var scale: Double?
  @Option(parsing: .unconditional, help: "a of discrete Laplace noise, P(k) ~ exp(-a|k|).") var decay: Double?
  @Option(parsing: .unconditional, help: "Parameter of the discrete Gaussian; with shares, of one share.") var sigma: Double?
  @Option(parsing: .unconditional, help: "Largest change of an integer value by one user.") var sensitivity = 1
  @Option(parsing: .unconditional, help: "Variance of Skellam noise.") var variance: Double?
  @Option(parsing: .unconditional, help: "L1 norm of one user's integer vector.") var l1: Double?
  @Option(parsing: .unconditional, help: "L2 norm of one user's integer vector.") var l2: Double?
  @Option(parsing: .unconditional, help: "Entries of an integer vector.") var dimension = 1
  @Option(parsing: .unconditional, help: "Shares of distributed noise.") var shares: Int?
  @Option(parsing: .unconditional, help: "Probability of a uniform answer in randomised response.") var noise: Double?
  @Option(parsing: .unconditional, help: "Answers of randomised response.") var buckets: Int?
  @Option(parsing: .unconditional, help: "rho of zCDP.") var rho: Double?
  @Option(parsing: .unconditional, help: "xi of zCDP.") var xi = 0.0
  @Option(help: "A Rényi curve as order:divergence,order:divergence,…") var curve: String?
  @Option(parsing: .unconditional, help: "Trees of a tree that restarts; rounds are those of one tree.") var trees = 1
  @Option(parsing: .unconditional, help: "Bands of a matrix factorisation.") var bands: Int?
  @Option(parsing: .unconditional, help: "Most participations of one user in a stream.") var participations: Int?
  @Option(parsing: .unconditional, help: "Distance of two participations at least, in rounds (1: neighbouring rounds).")
  var separation = 1
  @Option(name: .customLong("sampling"), help: "Who takes part in a round.") var samplingChoice = Choice(SamplingName.none)
  @Option(parsing: .unconditional, help: "q: the probability, or the fraction of a fixed cohort, with which a user takes part.")
  var rate: Double?
  @Option(parsing: .unconditional, help: "Users, of truncated sampling.") var users: Int?
  @Option(parsing: .unconditional, help: "Largest cohort, of truncated sampling.") var cap: Int?
  @Option(parsing: .unconditional, help: "Rounds, each with a release of its own.") var rounds: Int?
  @Option(parsing: .unconditional, help: "Mean number of runs of a search of which only the best is released.") var searchRuns:
    Double?
  @Option(help: "Law of that number: 0 (logarithmic), 1 (geometric), another number of at least 0, or poisson.")
  var searchShape = "1"

  var mechanism: MechanismName { get throws(CommandFailure) { try mechanismChoice.value("mechanism") } }
  var sampling: SamplingName { get throws(CommandFailure) { try samplingChoice.value("sampling") } }

  /// The event, with a value put in place of the one that is looked for.
  func event(noise: Double? = nil, rate: Double? = nil, rounds: Int? = nil) throws(CommandFailure) -> MechanismEvent {
    let (mechanism, sampling) = (try self.mechanism, try self.sampling)
    do throws(PrivacyParameterError) {
      var whole = try self.event.map { text throws(PrivacyParameterError) in try EventText.event(text) }
      if whole == nil { whole = try composition(mechanism, sampling, noise: noise, rate: rate, rounds: rounds) }
      guard var result = whole else { throw PrivacyParameterError("no event") }
      if self.event != nil, let count = rounds ?? self.rounds { result = .repeated(result, count: count) }
      if let searchRuns { result = .best(of: result, law: try law(searchRuns)) }
      return result
    } catch { throw CommandFailure(.configuration, error.description) }
  }

  private func law(_ mean: Double) throws(PrivacyParameterError) -> RepetitionLaw {
    if searchShape == "poisson" { return try RepetitionLaw(shape: .poisson, mean: mean) }
    guard let eta = Double(searchShape) else {
      throw PrivacyParameterError("--search-shape is '\(searchShape)'; expected a number of at least 0, or poisson")
    }
    return try RepetitionLaw(shape: .truncatedNegativeBinomial(eta), mean: mean)
  }

  private func composition(
    _ mechanism: MechanismName, _ sampling: SamplingName, noise: Double?, rate: Double?, rounds: Int?
  ) throws(PrivacyParameterError) -> MechanismEvent {
    let rounds = rounds ?? self.rounds ?? 1
    guard rounds >= 1 else { throw PrivacyParameterError("--rounds is \(rounds); expected at least 1") }
    func need<Value>(_ value: Value?, _ option: String) throws(PrivacyParameterError) -> Value {
      guard let value else { throw PrivacyParameterError("\(mechanism.rawValue) needs --\(option)") }
      return value
    }
    let q = rate ?? self.rate
    func cohort() throws(PrivacyParameterError) -> CohortSampling {
      switch sampling {
      case .none:
        guard q == nil else { throw PrivacyParameterError("--rate without sampling; expected --sampling poisson or another") }
        return .everyone
      case .poisson: return .poisson(rate: try need(q, "rate"))
      case .fixedSize: return .fixedSize(fraction: try need(q, "rate"))
      case .truncatedPoisson:
        return .truncatedPoisson(rate: try need(q, "rate"), users: try need(users, "users"), cap: try need(cap, "cap"))
      }
    }
    func z() throws(PrivacyParameterError) -> Double { try need(noise ?? noiseMultiplier, "noise-multiplier") }
    func repeated(_ mechanism: Mechanism) throws(PrivacyParameterError) -> MechanismEvent {
      .repeated(.release(mechanism, sampling: try cohort()), count: rounds)
    }
    switch mechanism {
    case .gaussian: return try repeated(.gaussian(noiseMultiplier: z()))
    case .adaptiveClipping:
      // Update and count of a round together cost z; a count that alone costs more is refused.
      _ = try AdaptiveClipping.updateNoiseMultiplier(total: z(), countDeviation: need(countNoise, "count-noise"))
      return try repeated(.gaussian(noiseMultiplier: z()))
    case .laplace: return try repeated(.laplace(scale: need(noise ?? scale, "scale")))
    case .discreteLaplace: return try repeated(.discreteLaplace(decay: need(decay, "decay"), sensitivity: sensitivity))
    case .discreteGaussian:
      return try repeated(.discreteGaussian(sigma: need(noise ?? sigma, "sigma"), sensitivity: sensitivity))
    case .skellam:
      let norm = try need(l2, "l2")
      return try repeated(
        .skellam(variance: need(noise ?? variance, "variance"), l1: l1 ?? norm * Double(dimension).squareRoot(), l2: norm))
    case .distributedDiscreteGaussian:
      let norm = try need(l2, "l2")
      return try repeated(
        .distributedDiscreteGaussian(
          shares: need(shares, "shares"), shareSigma: need(noise ?? sigma, "sigma"), dimension: dimension,
          l1: l1 ?? norm * Double(dimension).squareRoot(), l2: norm))
    case .randomizedResponse:
      return try repeated(.randomizedResponse(noise: need(self.noise, "noise"), buckets: need(buckets, "buckets")))
    case .zcdp: return try repeated(.concentrated(rho: need(rho, "rho"), xi: xi))
    case .renyiCurve: return try repeated(.renyiCurve(points(need(curve, "curve"))))
    case .treeRestart:
      return .release(
        .tree(noiseMultiplier: try z(), try TreeAggregation(stepsPerTree: rounds, trees: trees)), sampling: try cohort())
    case .tree:
      let tree = try TreeAggregation(
        steps: rounds, participations: need(participations, "participations"), between: separation - 1)
      return .release(.tree(noiseMultiplier: try z(), tree), sampling: try cohort())
    case .bandedSquareRoot, .bandedInverseSquareRoot:
      let bands = try need(self.bands, "bands")
      let most = try need(participations, "participations")
      let factorisation =
        mechanism == .bandedSquareRoot
        ? try MatrixFactorisation.bandedSquareRoot(
          bands: bands, steps: rounds, participations: most, separation: separation)
        : try MatrixFactorisation.bandedInverseSquareRoot(
          bands: bands, steps: rounds, participations: most, separation: separation)
      return .release(.factorisation(noiseMultiplier: try z(), factorisation), sampling: try cohort())
    case .amplifiedBands:
      guard sampling == .poisson else {
        throw PrivacyParameterError("amplified-bands rests on sampling inside the groups; expected --sampling poisson")
      }
      return try .amplifiedBands(
        noiseMultiplier: z(), rate: need(q, "rate"), rounds: rounds, bands: need(self.bands, "bands"))
    }
  }

  private func points(_ text: String) throws(PrivacyParameterError) -> [RenyiPoint] {
    var points: [RenyiPoint] = []
    for pair in text.split(separator: ",") {
      let parts = pair.split(separator: ":").map { Double($0) }
      guard parts.count == 2, let order = parts[0], let divergence = parts[1] else {
        throw PrivacyParameterError("'\(pair)' in --curve; expected order:divergence")
      }
      points.append(RenyiPoint(order: order, divergence: divergence))
    }
    return points
  }
}

/// An adjacency on the command line.
enum AdjacencyName: String, CaseIterable {
  case addRemove = "add-remove"
  case replaceOne = "replace-one"
  case zeroOut = "zero-out"

  var adjacency: Adjacency {
    switch self {
    case .addRemove: .addRemove
    case .replaceOne: .replaceOne
    case .zeroOut: .zeroOut
    }
  }
}
