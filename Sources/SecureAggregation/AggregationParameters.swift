public import CryptoPrimitives

/// What the plan fixes about a masked sum. A value of this type has passed every check below.
public struct AggregationParameters: Hashable, Sendable {
  /// The plan's roster in ascending order: never the set that a server says has shown up.
  public let participants: [ParticipantID]
  /// Shares that open a secret, t.
  public let threshold: Int
  /// The fewest inputs that a sum may hold, n_min; clients refuse to unmask below it.
  public let minimumSurvivors: Int
  /// Entries of every input.
  public let dimension: Int
  /// The ring is the integers modulo 2^modulusBits.
  public let modulusBits: Int
  /// How masks are expanded.
  public let suite: KeystreamSuite
  /// Who deals shares to whom and shares masks with whom.
  public let graph: AggregationGraph

  /// The most entries of one input: 2^28.
  public static let dimensionMax = 1 << 28
  /// The most participants of the complete graph.
  public static let participantsMax = 1000
  /// The most participants of a drawn graph.
  public static let drawnParticipantsMax = 20_000

  /// - Parameters:
  ///   - participants: distinct, in any order; at least three, or two when `allowTwoParties` is set; at least four in a
  ///     drawn graph.
  ///   - threshold: more than half of the holders of a secret (all participants, or the k drawn ones), so that two disjoint
  ///     groups never both open secrets; by default ⌊2n/3⌋ + 1, at most n (of k in a drawn graph).
  ///   - minimumSurvivors: at least max(t, 3) and at most n, by default max(t, 3); in a drawn graph more than half of the
  ///     participants, by default n − ⌊n/10⌋.
  ///   - dimension: 1 to 2^28.
  ///   - modulusBits: 2 to 62.
  ///   - allowTwoParties: a sum of two inputs tells each partner the other's; right only where noise covers it.
  /// - Throws: `AggregationParameterError` naming what was found and what was expected.
  public init(
    participants: [ParticipantID], threshold: Int? = nil, minimumSurvivors: Int? = nil, dimension: Int,
    modulusBits: Int, suite: KeystreamSuite = .aes256CTR, graph: AggregationGraph = .complete,
    allowTwoParties: Bool = false
  ) throws(AggregationParameterError) {
    let sorted = participants.sorted()
    let count = sorted.count
    for index in sorted.indices.dropFirst() where sorted[index] == sorted[index - 1] {
      throw .init("Participant \(sorted[index]) is listed twice; list each participant once.")
    }
    guard count >= (allowTwoParties ? 2 : 3) else {
      throw .init(
        """
        A masked sum needs at least 3 participants, found \(count): with two, the sum tells each partner the \
        other's input. Add partners, or allow two parties explicitly where noise covers it.
        """)
    }
    let fit = try graph.fit(participants: count, threshold: threshold, minimumSurvivors: minimumSurvivors)
    guard (1...Self.dimensionMax).contains(dimension) else {
      throw .init("The dimension is \(dimension); expected 1 to \(Self.dimensionMax).")
    }
    guard RingVector.modulusBitsRange.contains(modulusBits) else {
      throw .init("The modulus has \(modulusBits) bits; expected 2 to 62.")
    }
    self.participants = sorted
    self.threshold = fit.threshold
    self.minimumSurvivors = fit.minimumSurvivors
    self.dimension = dimension
    self.modulusBits = modulusBits
    self.suite = suite
    self.graph = graph
  }

  /// ⌊2n/3⌋ + 1, at most n: 3→3, 4→3, 5→4, 7→5, 10→7.
  public static func defaultThreshold(_ participantCount: Int) -> Int {
    min(participantCount, 2 * participantCount / 3 + 1)
  }

  /// The fewest participants that advertise keys, share keys or send a masked input for the attempt to go on.
  public var fewestContributors: Int { max(threshold, minimumSurvivors) }

  /// Whether `participant` is in the roster.
  public func contains(_ participant: ParticipantID) -> Bool { rank(of: participant) != nil }

  /// The point at which `participant`'s shares are taken: 1 + its rank in the roster; `nil` outside the roster.
  package func sharePoint(of participant: ParticipantID) -> UInt64? {
    rank(of: participant).map { UInt64($0 + 1) }
  }

  private func rank(of participant: ParticipantID) -> Int? {
    var low = 0
    var high = participants.count
    while low < high {
      let middle = (low + high) / 2
      if participants[middle] < participant { low = middle + 1 } else { high = middle }
    }
    return low < participants.count && participants[low] == participant ? low : nil
  }
}

/// A plan's aggregation parameters do not fit together; the message says what was found and what was expected.
public struct AggregationParameterError: Error, Equatable, CustomStringConvertible {
  public let message: String
  public init(_ message: String) { self.message = message }
  public var description: String { message }
}
