package import CryptoPrimitives

/// Who deals shares to whom, and who shares masks with whom.
public enum AggregationGraph: Hashable, Sendable {
  /// Everybody with everybody, shares to oneself included: for dozens of partners. Its promise is not one of probability:
  /// no coalition of fewer than 2t − n learns anything.
  case complete

  /// Every participant draws, by its own private coins and after it has seen who takes part, k holders among the n − 1
  /// others of the roster; they and nobody else get shares of its secrets. With the first m of them it also shares a
  /// mask, and with everybody that drew it so. A mask is shared by 2m participants on average, less what was drawn twice.
  ///
  /// No seed makes this graph, so that there is none to choose or to grind: an honest participant's holders depend on
  /// nothing that anybody else says (Bell et al., CCS 2020, active variant). `DrawnGraphSolver` gives k, m and t.
  case drawn(holders: Int, maskDraws: Int)

  /// Threshold and n_min with their defaults, checked against the graph.
  func fit(participants count: Int, threshold: Int?, minimumSurvivors: Int?) throws(AggregationParameterError) -> (
    threshold: Int, minimumSurvivors: Int
  ) {
    switch self {
    case .complete: try Self.fitComplete(count, threshold, minimumSurvivors)
    case .drawn(let holders, let maskDraws): try Self.fitDrawn(count, holders, maskDraws, threshold, minimumSurvivors)
    }
  }

  private static func fitComplete(_ count: Int, _ threshold: Int?, _ minimumSurvivors: Int?) throws(AggregationParameterError)
    -> (threshold: Int, minimumSurvivors: Int)
  {
    guard count <= AggregationParameters.participantsMax else {
      throw .init(
        "The complete graph takes at most \(AggregationParameters.participantsMax) participants, found \(count); split the roster, or draw the graph."
      )
    }
    let threshold = threshold ?? AggregationParameters.defaultThreshold(count)
    guard threshold >= 2, 2 * threshold > count, threshold <= count else {
      throw .init(
        """
        Threshold \(threshold) does not fit \(count) participants: expected more than half and at most all, \
        such as \(AggregationParameters.defaultThreshold(count)).
        """)
    }
    let leastSurvivors = count == 2 ? 2 : max(threshold, 3)
    let minimumSurvivors = minimumSurvivors ?? leastSurvivors
    guard (leastSurvivors...count).contains(minimumSurvivors) else {
      throw .init(
        """
        The least number of survivors is \(minimumSurvivors); with \(count) participants and threshold \
        \(threshold) it must lie in \(leastSurvivors)...\(count).
        """)
    }
    return (threshold, minimumSurvivors)
  }

  private static func fitDrawn(
    _ count: Int, _ holders: Int, _ maskDraws: Int, _ threshold: Int?, _ minimumSurvivors: Int?
  ) throws(AggregationParameterError) -> (threshold: Int, minimumSurvivors: Int) {
    let most = AggregationParameters.drawnParticipantsMax
    guard (4...most).contains(count) else {
      throw .init("A drawn graph takes 4 to \(most) participants, found \(count).")
    }
    guard (2..<count).contains(holders) else {
      throw .init("Each participant draws \(holders) holders; with \(count) participants expected 2 to \(count - 1).")
    }
    let threshold = threshold ?? AggregationParameters.defaultThreshold(holders)
    guard threshold >= 2, 2 * threshold > holders, threshold <= holders else {
      throw .init(
        """
        Threshold \(threshold) does not fit \(holders) holders: expected more than half and at most all, \
        such as \(AggregationParameters.defaultThreshold(holders)).
        """)
    }
    // k − t of a participant's holders may be missing: with no more mask draws than that, all its masks could be.
    guard (holders - threshold + 1...holders).contains(maskDraws) else {
      throw .init(
        "Each participant shares masks with \(maskDraws) of its \(holders) holders; with threshold \(threshold) expected \(holders - threshold + 1) to \(holders)."
      )
    }
    let leastSurvivors = max(threshold, count / 2 + 1)
    let minimumSurvivors = minimumSurvivors ?? max(leastSurvivors, count - count / 10)
    guard (leastSurvivors...count).contains(minimumSurvivors) else {
      throw .init(
        """
        The least number of survivors is \(minimumSurvivors); in a drawn graph of \(count) participants with threshold \
        \(threshold) it must lie in \(leastSurvivors)...\(count).
        """)
    }
    return (threshold, minimumSurvivors)
  }
}

/// The holders that one participant drew for itself.
package struct HolderDraw: Sendable {
  /// In the order in which they were drawn: the first m share a mask with the one that drew.
  package let order: [ParticipantID]

  /// Draws `count` of the roster's participants but `participant`, each set in each order with the same probability: 8 random
  /// bytes for each, taken modulo n − 1 by rejection, skipping who is drawn already.
  package init(
    _ count: Int, for participant: ParticipantID, of participants: [ParticipantID], random: inout some RandomSource
  ) {
    precondition(count < participants.count, "\(count) of \(participants.count - 1) others cannot be drawn")
    guard let own = participants.firstIndex(of: participant) else {
      preconditionFailure("participant \(participant) draws from a roster that it is in")
    }
    var order: [ParticipantID] = []
    var isDrawn = [Bool](repeating: false, count: participants.count)
    isDrawn[own] = true
    while order.count < count {
      let index = Int(random.uniform(below: UInt64(participants.count - 1)))
      let rank = index < own ? index : index + 1
      if isDrawn[rank] { continue }
      isDrawn[rank] = true
      order.append(participants[rank])
    }
    self.order = order
  }
}
