/// The neural recommenders by name: their parameters, defaults and construction, for `AlgorithmRegistry`.
enum NeuralRegistry {
  static let names = ["sasrec", "gru", "cnn", "two-tower", "ncf"]

  /// The parameters that `name` takes; empty for an unknown name.
  static func parameters(of name: String) -> [AlgorithmRegistry.Parameter] {
    let own: [(String, String)]
    switch name {
    case "sasrec":
      own = [("blocks", "attention and feed-forward layers, one above the other"), ("heads", "attention heads of a layer")]
    case "gru": own = [("hidden", "states of the recurrent unit")]
    case "two-tower": own = [("hidden", "hidden units of the user's dense layers")]
    case "ncf":
      own = [
        ("hidden", "hidden units of the user's dense layers"),
        ("tower-inputs", "entries at the end of an embedding that the perceptron reads; the others are factors"),
        ("tower", "units of the perceptron's first layer; its second has half of them"),
      ]
    case "cnn":
      own = [
        ("width", "items that a convolution sees"), ("horizontal", "filters of each height from 1 to the width"),
        ("vertical", "filters over single columns"),
      ]
    default: return []
    }
    let common = [
      ("dimension", "length of an embedding"), ("rounds", "releases after the counts"),
      ("optimizer", "0 FedAvg, 1 FedAvgM, 2 FedAdam"), ("rate", "the server's learning rate"),
      ("momentum", "the server's momentum, from 0 to below 1 (FedAvgM)"), ("window", "longest run of items that is looked at"),
      ("negatives", "unseen items that targets are compared with"), ("local-steps", "gradient steps of a user in a round"),
      ("local-rate", "rate of a user's steps"), ("dropout", "share of activations dropped in training"),
      ("update-bound", "longest change of the parameters that a user contributes"),
      ("participation", "share of users in a round, by public coins (no privacy gained)"),
      ("popularity-prior", "what log popularity is multiplied with in the first scores; 0 for none"),
      ("counts-share", "share of the budget for the counts"),
      ("feature-dimension", "numbers known of each item; set by the plan's item features, 0 without"),
    ]
    return (own + common).map { AlgorithmRegistry.Parameter(name: $0.0, meaning: $0.1) }
  }

  /// What a plan says where the user said nothing.
  static func defaults(of name: String, setting: AlgorithmRegistry.Setting) -> [String: Double] {
    guard names.contains(name) else { return [:] }
    let isPrivate = setting.usersOverNoise != nil
    // Under noise: a short vector, which less noise falls on; contributions of full length; many rounds of larger steps, whose
    // noise averages out. Chosen for `two-tower` on the validation split of ml-1m at ε = 4.
    var values: [String: Double] = [
      "dimension": isPrivate ? 16 : 64, "rounds": 100, "optimizer": 2, "rate": isPrivate ? 0.03 : 0.01, "momentum": 0.9,
      "window": name == "two-tower" || name == "ncf" ? 200 : 50, "negatives": 256, "local-steps": 1, "local-rate": 1,
      "dropout": isPrivate ? 0 : name == "cnn" ? 0.5 : 0.2, "update-bound": isPrivate ? 0.1 : 1, "participation": 1,
      "popularity-prior": 1, "counts-share": 0.1, "feature-dimension": 0,
    ]
    switch name {
    case "sasrec": values.merge(["blocks": isPrivate ? 1 : 2, "heads": isPrivate ? 1 : 2]) { $1 }
    case "cnn": values.merge(["width": 5, "horizontal": 16, "vertical": 4]) { $1 }
    case "ncf":
      values.merge(["hidden": isPrivate ? 16 : 64, "tower-inputs": isPrivate ? 4 : 16, "tower": isPrivate ? 8 : 32]) { $1 }
      // A perceptron per pair costs more than a scalar product: fewer pairs.
      values["negatives"] = 128
    default: values["hidden"] = isPrivate ? 16 : 64
    }
    return values
  }

  /// - Parameters:
  ///   - real: the value of a parameter; `whole`: the same, which must be a whole number.
  static func make(
    _ name: String, itemCount: Int, featureDimension: Int, features: ItemFeatures?,
    real: (String) throws(InvalidHyperparameter) -> Double,
    whole: (String) throws(InvalidHyperparameter) -> Int
  ) throws -> any FederatedAlgorithm {
    let architecture: NeuralArchitecture =
      switch name {
      case "sasrec": .transformer(blocks: try whole("blocks"), heads: try whole("heads"))
      case "gru": .recurrent(hidden: try whole("hidden"))
      case "cnn":
        .convolution(width: try whole("width"), horizontal: try whole("horizontal"), vertical: try whole("vertical"))
      case "ncf":
        .collaborative(hidden: try whole("hidden"), inputs: try whole("tower-inputs"), tower: try whole("tower"))
      default: .towers(hidden: try whole("hidden"))
      }
    let rate = Float(try real("rate"))
    let kind = try whole("optimizer")
    try Requirement.holds(
      (0...2).contains(kind), "parameter 'optimizer' of \(name)", kind, "0 (FedAvg), 1 (FedAvgM) or 2 (FedAdam)")
    let optimizer: ServerOptimizer =
      switch kind {
      case 0: .average(rate: rate)
      case 1: .momentum(rate: rate, momentum: Float(try real("momentum")))
      default: .adam(rate: rate, beta2: 0.999, epsilon: 1e-6)
      }
    let training = try LocalTraining(
      window: whole("window"), negatives: whole("negatives"), steps: whole("local-steps"), rate: Float(real("local-rate")),
      dropout: Float(real("dropout")), updateBound: Float(real("update-bound")), participation: real("participation"))
    return try NeuralRecommender(
      itemCount: itemCount, architecture: architecture, dimension: whole("dimension"), rounds: whole("rounds"),
      training: training, optimizer: optimizer, popularityPrior: Float(real("popularity-prior")),
      countsShare: real("counts-share"), featureDimension: featureDimension, features: features)
  }
}
