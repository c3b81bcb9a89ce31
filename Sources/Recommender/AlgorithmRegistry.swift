/// The algorithms by name, as plans and the command line speak of them: names and numbers in, a validated algorithm out.
public enum AlgorithmRegistry {
  /// One parameter that an algorithm takes.
  public struct Parameter: Sendable, Equatable {
    public let name: String
    public let meaning: String
  }

  /// Every algorithm, in the order of the documentation.
  public static let names = ["mf", "als", "covariance", "hybrid", "item-knn", "popularity"] + NeuralRegistry.names

  /// What decides on defaults before any data is seen.
  public struct Setting: Sendable, Equatable {
    public let itemCount: Int
    /// N/z of a private plan, users over noise multiplier; `nil` without noise.
    public let usersOverNoise: Double?
    /// Rounds that the user asked for, where the algorithm lets them be chosen.
    public let rounds: Int?
    /// Whether histories are in the order of time; where they are not, nothing of them fades with age.
    public let isOrdered: Bool

    public init(itemCount: Int, usersOverNoise: Double?, rounds: Int?, isOrdered: Bool = true) {
      self.itemCount = itemCount
      self.usersOverNoise = usersOverNoise
      self.rounds = rounds
      self.isOrdered = isOrdered
    }
  }

  /// The parameters that `name` takes; empty for an unknown name.
  public static func parameters(of name: String) -> [Parameter] {
    let own = ownParameters(of: name)
    return own.isEmpty
      ? []
      : own + [
        firstEvents,
        Parameter(name: "table-bits", meaning: "16: tables are rounded to Float16 and sent so; 8: items' tables to 8 bits; 32"),
      ]
  }

  /// Whether an algorithm learns from item features.
  public static func takesFeatures(_ name: String) -> Bool { NeuralRegistry.names.contains(name) }

  private static func ownParameters(of name: String) -> [Parameter] {
    switch name {
    case "mf":
      [
        Parameter(name: "rank-one", meaning: "1: contributions of norm 1 (private plans); 0: implicit least squares"),
        Parameter(name: "dimension", meaning: "length of an embedding"),
        Parameter(name: "rounds", meaning: "releases after the counts"),
        Parameter(name: "optimizer", meaning: "0 FedAvg, 1 FedAvgM, 2 FedAdam, 3 curvature steps; rank-one 0 only"),
        Parameter(name: "rate", meaning: "the server's learning rate"),
        Parameter(name: "momentum", meaning: "the server's momentum, from 0 to below 1"),
        Parameter(name: "regularization", meaning: "λ of the implicit objective"),
        Parameter(name: "unobserved-weight", meaning: "weight of unseen pairs"),
        Parameter(name: "norm-bound", meaning: "longest user vector that is contributed; rank-one 0 only"),
        Parameter(name: "damped", meaning: "1: users weigh 1/√(length of history); rank-one 0 only"),
        Parameter(name: "ridge", meaning: "ridge of the user's own solve; rank-one 1 only"),
        Parameter(name: "counts-share", meaning: "share of the budget for the counts; rank-one 1 only"),
        halfLife,
      ] + clip
    case "als":
      [
        Parameter(name: "dimension", meaning: "length of an embedding"),
        Parameter(name: "rounds", meaning: "sweeps, one release each"),
        Parameter(name: "regularization", meaning: "λ, scaled by frequency"),
        Parameter(name: "unobserved-weight", meaning: "weight of unseen pairs"),
        Parameter(name: "norm-bound", meaning: "longest user vector that is contributed"),
        halfLife,
      ] + clip
    case "covariance":
      [
        Parameter(name: "ridge", meaning: "λ of EASE over the whole catalogue (plans without noise)"),
        Parameter(name: "head-size", meaning: "items in the covariance (private plans)"),
        Parameter(name: "counts-share", meaning: "share of the budget for the counts (private plans)"),
        Parameter(name: "pair-half-life", meaning: "items after which a pair counts half (private plans); 0 for never"),
        halfLife,
      ]
    case "hybrid":
      [
        Parameter(name: "head-size", meaning: "items in the covariance"),
        Parameter(name: "pair-half-life", meaning: "items after which a pair counts half; 0 for never"),
        Parameter(name: "counts-share", meaning: "share of the budget for the counts"),
        Parameter(name: "covariance-share", meaning: "share of the budget for the covariance"),
        Parameter(name: "start-norm", meaning: "length of the longest column that the covariance starts the factors with"),
        Parameter(name: "dimension", meaning: "length of an embedding"),
        Parameter(name: "rounds", meaning: "releases after the covariance"),
        Parameter(name: "rate", meaning: "the server's learning rate"),
        Parameter(name: "momentum", meaning: "the server's momentum, from 0 to below 1"),
        Parameter(name: "ridge", meaning: "ridge of the user's own solve"),
        halfLife,
      ]
    case "item-knn":
      [
        Parameter(name: "neighbours", meaning: "strongest neighbours kept of each item; 0 for all"),
        Parameter(name: "history-exponent", meaning: "items of the history are divided by their count to this power, 0 to 1"),
        Parameter(name: "candidate-exponent", meaning: "scored items are divided by their count to this power, 0 to 1"),
        Parameter(name: "user-exponent", meaning: "a pair of a user of n items weighs 1/n to this power (plans without noise)"),
        Parameter(name: "block-rows", meaning: "rows of the co-occurrence matrix in one release"),
        Parameter(name: "counts-share", meaning: "share of the budget for the counts (private plans)"),
        Parameter(name: "threshold", meaning: "deviations of the noise from which on a pair is kept (private plans)"),
        halfLife,
      ]
    default: NeuralRegistry.parameters(of: name)
    }
  }

  /// Completes the given parameters with defaults, so that the plan says everything.
  ///
  /// - Throws: `InvalidHyperparameter` naming an unknown algorithm or parameter.
  public static func resolve(
    _ name: String, _ given: [String: Double], setting: Setting
  ) throws(InvalidHyperparameter) -> [String: Double] {
    guard names.contains(name) else {
      throw InvalidHyperparameter(name: "algorithm", found: name, expected: "one of \(names.joined(separator: ", "))")
    }
    let known = parameters(of: name).map(\.name)
    for key in given.keys.sorted() where !known.contains(key) {
      throw InvalidHyperparameter(
        name: "parameter of \(name)", found: key,
        expected: known.isEmpty ? "none, it takes no parameters" : "one of \(known.joined(separator: ", "))")
    }
    var values = given
    func set(_ key: String, _ value: Double) { if values[key] == nil { values[key] = value } }
    if let rounds = setting.rounds, known.contains("rounds") { set("rounds", Double(rounds)) }
    if !setting.isOrdered { for key in ["half-life", "pair-half-life"] where known.contains(key) { set(key, 0) } }
    // Chosen on validation: 5 for factors (ml-100k, ml-1m; 10 on online-retail), 10 for the covariance, 3 for neighbours.
    if known.contains("half-life") { set("half-life", ["covariance": 10, "item-knn": 3][name] ?? 5) }
    switch name {
    case "mf":
      // Where much noise falls on few users, contributions of norm 1 carry more (measured on validation, ml-1m).
      let signal = setting.usersOverNoise
      set("rank-one", (signal ?? .infinity) < 3000 ? 1 : 0)
      if values["rank-one"] == 0 {
        let standard = signal == nil ? ImplicitFactorization.standard : ImplicitFactorization.privateStandard
        set("dimension", Double(standard.dimension))
        set("rounds", Double(standard.rounds))
        set("optimizer", 3)
        set("rate", 0.5)
        set("momentum", signal == nil ? 0.3 : 0)
        set("regularization", decimal(standard.objective.regularization))
        set("unobserved-weight", decimal(standard.objective.unobservedWeight))
        set("norm-bound", decimal(standard.userNormBound))
        set("damped", standard.weighting == .inverseSquareRoot ? 1 : 0)
      } else {
        set("dimension", 8)
        set("rounds", 10)
        set("rate", 20)
        set("momentum", 0.7)
        set("ridge", 0.02)
        set("counts-share", 0.1)
      }
    case "als":
      let standard = AlternatingLeastSquares.Configuration.self
      let chosen = setting.usersOverNoise == nil ? standard.standard : standard.privateStandard
      set("dimension", Double(chosen.dimension))
      set("rounds", Double(chosen.sweeps))
      set("regularization", decimal(chosen.objective.regularization))
      set("unobserved-weight", decimal(chosen.objective.unobservedWeight))
      set("norm-bound", decimal(chosen.userNormBound))
    case "covariance":
      if let signal = setting.usersOverNoise {
        if values["ridge"] == nil {
          guard
            case .head(let size, let share, let pairs)? = try? CovarianceAlgorithm.privatePlan(
              itemCount: setting.itemCount, usersOverNoise: signal)
          else {
            throw InvalidHyperparameter(name: "users over noise", found: "\(signal)", expected: "a positive number")
          }
          set("head-size", Double(size))
          set("counts-share", share)
          set("pair-half-life", pairs ?? 0)
        }
      } else if values["head-size"] == nil {
        set("ridge", 300)
      } else {
        set("counts-share", 0.1)
        set("pair-half-life", 0)
      }
    case "hybrid":
      // Without noise there is nothing that limits head and factors but time.
      let signal = setting.usersOverNoise ?? 1e6
      if case .head(let size, _, let pairs)? = try? CovarianceAlgorithm.privatePlan(
        itemCount: setting.itemCount, usersOverNoise: signal)
      {
        set("head-size", Double(size))
        set("pair-half-life", pairs ?? 0)
      }
      set("counts-share", signal < 2000 ? 0.2 : 0.1)
      set("covariance-share", signal < 2000 ? 0.36 : 0.405)
      // On validation at ε = 4, three runs each: full NDCG@10 .072 against .068 with 0.5 (ml-1m), .049 against .047 (online-retail).
      set("start-norm", 1)
      set("dimension", Double(HybridFactorization.dimension(usersOverNoise: signal)))
      set("rounds", 4)
      set("rate", 6)
      set("momentum", 0.7)
      set("ridge", 0.02)
    case "item-knn":
      for (key, value) in ItemNeighbours.defaults(setting) { set(key, value) }
    default:
      for (key, value) in NeuralRegistry.defaults(of: name, setting: setting) { set(key, value) }
    }
    if known.contains("table-bits") { set("table-bits", 32) }
    // Where it was measured; of sequences no few events were.
    if known.contains("prior-events") { set("prior-events", ["gru", "sasrec", "cnn"].contains(name) ? 0 : 3) }
    if let quantile = values["clip-quantile"], quantile != 0 {
      set("clip-rate", 0.2)
      set("clip-count-share", 0.01)
    }
    return values
  }

  /// Makes an algorithm from resolved parameters.
  ///
  /// - Parameter features: what is known of the items, where the parameter `feature-dimension` is above 0; without them the
  ///   algorithm knows its shapes only, and can neither train nor score.
  /// - Throws: `InvalidHyperparameter` naming the value that is out of range.
  public static func make(
    _ name: String, _ values: [String: Double], itemCount: Int, features: ItemFeatures? = nil
  ) throws(InvalidHyperparameter) -> any FederatedAlgorithm {
    var base = try withTableBits(values["table-bits"], of: try plain(name, values, itemCount: itemCount, features: features))
    // Plans from before there was a prior do not name it, and are scored as they were.
    if let prior = values["prior-events"] { base = try FirstEvents(base, prior: prior) }
    guard let target = values["clip-quantile"], target != 0 else { return base }
    do {
      return try AdaptivelyClipped(
        base,
        quantile: ClipQuantile(
          target: target, rate: values["clip-rate"] ?? .nan, countShare: values["clip-count-share"] ?? .nan))
    } catch let error as InvalidHyperparameter {
      throw error
    } catch {
      throw InvalidHyperparameter(name: name, found: "\(error)", expected: "parameters that fit together")
    }
  }

  private static func withTableBits(
    _ bits: Double?, of algorithm: any FederatedAlgorithm
  ) throws(InvalidHyperparameter) -> any FederatedAlgorithm {
    switch bits {
    case nil, 32?: algorithm
    case 16?: RoundedTables(algorithm, format: .float16)
    case 8?: RoundedTables(algorithm, format: .int8)
    case let bits?:
      throw InvalidHyperparameter(name: "table-bits of \(algorithm.name)", found: "\(bits)", expected: "8, 16 or 32")
    }
  }

  /// The same with a fixed clip.
  private static func plain(
    _ name: String, _ values: [String: Double], itemCount: Int, features: ItemFeatures?
  ) throws(InvalidHyperparameter) -> any FederatedAlgorithm {
    guard features == nil || takesFeatures(name) else {
      throw InvalidHyperparameter(
        name: "item features of \(name)", found: "some",
        expected: "none: only \(NeuralRegistry.names.joined(separator: ", ")) learn from item features")
    }
    func real(_ key: String) throws(InvalidHyperparameter) -> Double {
      guard let value = values[key], value.isFinite else {
        throw InvalidHyperparameter(
          name: "parameter '\(key)' of \(name)", found: values[key].map { "\($0)" } ?? "nothing", expected: "a number")
      }
      return value
    }
    func whole(_ key: String) throws(InvalidHyperparameter) -> Int {
      let value = try real(key)
      guard let integer = Int(exactly: value), (0...1 << 24).contains(integer) else {
        throw InvalidHyperparameter(name: "parameter '\(key)' of \(name)", found: "\(value)", expected: "a whole number")
      }
      return integer
    }
    func positive(_ key: String) -> Double? { values[key].flatMap { $0 > 0 ? $0 : nil } }
    do {
      let recency = try RecencyWeighting(halfLife: positive("half-life"))
      switch name {
      case "mf":
        if try whole("rank-one") == 1 {
          let rankOne = try RankOneFactorization(
            dimension: whole("dimension"), rounds: whole("rounds"), rate: Float(real("rate")),
            momentum: Float(real("momentum")), ridge: Float(real("ridge")), countShare: real("counts-share"))
          return try MatrixFactorization(itemCount: itemCount, regime: .rankOne(rankOne), recency: recency)
        }
        let rate = Float(try real("rate"))
        let momentum = Float(try real("momentum"))
        let optimizer: ServerOptimizer =
          switch try whole("optimizer") {
          case 0: .average(rate: rate)
          case 1: .momentum(rate: rate, momentum: momentum)
          case 2: .adam(rate: rate, epsilon: 1e-3)
          default: .curvature(rate: rate, momentum: momentum)
          }
        let implicit = try ImplicitFactorization(
          dimension: whole("dimension"), rounds: whole("rounds"), objective: objective(real), optimizer: optimizer,
          userNormBound: Float(real("norm-bound")), weighting: whole("damped") == 1 ? .inverseSquareRoot : .equal)
        return try MatrixFactorization(itemCount: itemCount, regime: .implicit(implicit), recency: recency)
      case "als":
        let configuration = try AlternatingLeastSquares.Configuration(
          dimension: whole("dimension"), sweeps: whole("rounds"), objective: objective(real),
          userNormBound: Float(real("norm-bound")))
        return try AlternatingLeastSquares(itemCount: itemCount, configuration: configuration, recency: recency)
      case "covariance":
        if values["ridge"] != nil {
          return try CovarianceAlgorithm(
            itemCount: itemCount, plan: .wholeCatalogue(ridge: real("ridge")), recency: recency)
        }
        return try CovarianceAlgorithm(
          itemCount: itemCount,
          plan: .head(
            size: whole("head-size"), countsShare: real("counts-share"), pairHalfLife: positive("pair-half-life")),
          recency: recency)
      case "hybrid":
        let (counts, covariance) = (try real("counts-share"), try real("covariance-share"))
        return try HybridFactorization(
          itemCount: itemCount, headSize: whole("head-size"), pairHalfLife: positive("pair-half-life"), countsShare: counts,
          covarianceShare: covariance, startNorm: Float(real("start-norm")),
          rounds: RankOneFactorization(
            dimension: whole("dimension"), rounds: whole("rounds"), rate: Float(real("rate")),
            momentum: Float(real("momentum")), ridge: Float(real("ridge"))), recency: recency)
      case "item-knn":
        return try ItemNeighbours(
          itemCount: itemCount, configuration: .init(values, real: real, whole: whole), recency: recency)
      case "popularity": return try PopularityAlgorithm(itemCount: itemCount)
      default:
        guard NeuralRegistry.names.contains(name) else {
          throw InvalidHyperparameter(name: "algorithm", found: name, expected: "one of \(names.joined(separator: ", "))")
        }
        // Plans from before there were item features do not name their number.
        let featureDimension = values["feature-dimension"] == nil ? 0 : try whole("feature-dimension")
        return try NeuralRegistry.make(
          name, itemCount: itemCount, featureDimension: featureDimension, features: features, real: real, whole: whole)
      }
    } catch let error as InvalidHyperparameter {
      throw error
    } catch {
      throw InvalidHyperparameter(name: name, found: "\(error)", expected: "parameters that fit together")
    }
  }

  private static func objective(_ real: (String) throws(InvalidHyperparameter) -> Double) throws -> ImplicitObjective {
    try ImplicitObjective(
      regularization: Float(try real("regularization")), unobservedWeight: Float(try real("unobserved-weight")))
  }

  /// Of algorithms that make one kind of release many times.
  private static let clip = [
    Parameter(
      name: "clip-quantile",
      meaning: "fraction of users whose messages the clip leaves whole, learnt as training goes; 0: fixed clip"),
    Parameter(name: "clip-rate", meaning: "how fast the clip moves, 0.2 by default"),
    Parameter(name: "clip-count-share", meaning: "part of a release's budget for the count behind the clip, 0.01 by default"),
  ]

  private static let halfLife = Parameter(
    name: "half-life", meaning: "items after which a user's history counts half when scoring; 0 for never")

  private static let firstEvents = Parameter(
    name: "prior-events", meaning: "events of a user that popularity counts for when scoring; 0 for none")

  /// The decimal that a Float was written as, so that plans read 0.15 and not 0.15000000596046448.
  private static func decimal(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }
}
