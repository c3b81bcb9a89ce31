/// Against whom a sparse graph has to hold.
public enum GraphAdversary: String, Sendable, CaseIterable {
  /// Nobody is curious: only completeness counts.
  case none
  /// A server that keeps to the protocol and pools what it sees with the corrupt participants.
  case curiousServer = "curious"
  /// A server that also lies: it chooses who drops out after it has seen the graph and tells different participants
  /// different survivor sets. The default.
  case lyingServer = "lying"
}

/// What a sparse graph must withstand.
public struct GraphRequirements: Sendable, Hashable {
  /// n, the participants of the plan's roster.
  public var participants: Int
  /// γ: the share of participants that is corrupt, 0 to below 1.
  public var corruptShare: Double
  /// δ: the share of participants that may be missing, 0 to below 1.
  public var dropoutShare: Double
  public var adversary: GraphAdversary
  /// σ: privacy fails with a probability of at most 2^−σ.
  public var securityBits: Int
  /// η: an attempt in which no more than δn are missing fails with a probability of at most 2^−η.
  public var correctnessBits: Int

  public init(
    participants: Int, corruptShare: Double = 0.1, dropoutShare: Double = 0.1, adversary: GraphAdversary = .lyingServer,
    securityBits: Int = 40, correctnessBits: Int = 20
  ) {
    self.participants = participants
    self.corruptShare = corruptShare
    self.dropoutShare = dropoutShare
    self.adversary = adversary
    self.securityBits = securityBits
    self.correctnessBits = correctnessBits
  }

  /// ⌊γn⌋; a share that is a decimal fraction is not lost to its binary rounding.
  public var corruptCount: Int { Int((corruptShare + Self.roundingGuard) * Double(participants)) }
  /// ⌊δn⌋.
  public var dropoutCount: Int { Int((dropoutShare + Self.roundingGuard) * Double(participants)) }

  private static let roundingGuard = 1e-14

  /// - Throws: `AggregationParameterError` when no graph can meet them: the shares leave no room for a threshold.
  func check() throws(AggregationParameterError) {
    guard (1...1_000_000).contains(participants) else {
      throw .init("A graph has 1 to 1,000,000 participants, found \(participants).")
    }
    guard (0..<1).contains(corruptShare), (0..<1).contains(dropoutShare) else {
      throw .init(
        "The corrupt share is \(corruptShare) and the share of dropouts \(dropoutShare); expected 0 to below 1 for both.")
    }
    guard adversary != .none || corruptShare == 0 else {
      throw .init("A corrupt share of \(corruptShare) without an adversary; expected 0, or an adversary.")
    }
    let load = corruptShare + (adversary == .lyingServer ? 2 : 1) * dropoutShare
    guard load <= 0.9 else {
      throw .init(
        """
        A corrupt share of \(corruptShare) and a share of dropouts of \(dropoutShare) leave no room for a threshold: \
        expected \(adversary == .lyingServer ? "corrupt + 2 · dropouts" : "corrupt + dropouts") of at most 0.9.
        """)
    }
    guard (1...128).contains(securityBits), (1...128).contains(correctnessBits) else {
      throw .init("σ is \(securityBits) and η \(correctnessBits); expected 1 to 128 for both.")
    }
  }
}
