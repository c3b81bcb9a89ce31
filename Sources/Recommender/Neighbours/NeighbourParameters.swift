/// `item-knn` in the numbers of a plan.
extension ItemNeighbours {
  /// What a plan says where nobody said otherwise.
  ///
  /// Plans without noise name the users' exponent, private ones the share of the counts and the threshold; so do readers of a plan tell them apart.
  static func defaults(_ setting: AlgorithmRegistry.Setting) -> [String: Double] {
    let standard = Configuration()
    var values = [
      "neighbours": Double(min(standard.neighbours, setting.itemCount)), "history-exponent": standard.historyExponent,
      "candidate-exponent": candidateExponent(itemCount: setting.itemCount),
      "block-rows": Double(PairBlocks.usualRows(itemCount: setting.itemCount)),
    ]
    if setting.usersOverNoise == nil {
      values["user-exponent"] = Configuration.usualUserExponent
    } else {
      values["counts-share"] = standard.countsShare
      values["threshold"] = standard.threshold
    }
    return values
  }
}

extension ItemNeighbours {
  /// From so many items on a catalogue is taken for a sparse one.
  public static let largeCatalogue = 5000

  /// β by the only thing that is known before the data are: on validation (full NDCG@10, half-life 3) amazon-beauty with 12,101 items gives
  /// .054 with 0.3 and .046 with 0.6, its 8,000 most frequent items .060 and .056, its 5,000 .067 with both, gowalla agrees; ml-1m with 3,706 gives .067 with 0.4 and .102 with 0.6, online-retail .107 and .133.
  static func candidateExponent(itemCount: Int) -> Double { itemCount >= largeCatalogue ? 0.3 : 0.6 }
}

extension ItemNeighbours.Configuration {
  /// From the parameters of a plan.
  ///
  /// - Parameters:
  ///   - real: a parameter by its name.
  ///   - whole: the same for whole numbers.
  init(
    _ values: [String: Double], real: (String) throws(InvalidHyperparameter) -> Double,
    whole: (String) throws(InvalidHyperparameter) -> Int
  ) throws(InvalidHyperparameter) {
    self.init(
      neighbours: try whole("neighbours"), historyExponent: try real("history-exponent"),
      candidateExponent: try real("candidate-exponent"), blockRows: try whole("block-rows"))
    guard values["threshold"] == nil, values["counts-share"] == nil else {
      guard values["user-exponent"] == nil else {
        throw InvalidHyperparameter(
          name: "user-exponent of item-knn", found: "one, beside a threshold or share of the counts",
          expected: "it in plans without noise only: under noise all pairs of a user together have length 1")
      }
      weighting = .unitNorm
      countsShare = try real("counts-share")
      threshold = try real("threshold")
      return
    }
    weighting = .power(try real("user-exponent"))
  }
}
