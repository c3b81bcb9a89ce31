/// `item-knn` in the numbers of a plan.
extension ItemNeighbours {
  /// What a plan says where nobody said otherwise.
  ///
  /// Plans without noise name the users' exponent, private ones the share of the counts and the threshold; so do readers of a plan tell them apart.
  static func defaults(_ setting: AlgorithmRegistry.Setting) -> [String: Double] {
    let standard = Configuration()
    var values = [
      "neighbours": Double(min(standard.neighbours, setting.itemCount)), "history-exponent": standard.historyExponent,
      "candidate-exponent": standard.candidateExponent,
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
