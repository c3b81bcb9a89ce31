/// What an audit attacks.
public enum AuditMethod: String, Sendable, Equatable, CaseIterable {
  /// Canaries with a fair coin each, and guesses about the coins.
  case oneRun = "one-run"
  /// Canaries with random directions that all take part, and the cosines of what was released.
  case oneShot = "one-shot"
  /// Released minus exact sums, which only a simulation knows.
  case residual
}

/// How an audit is made; everything in it is fixed before anything is released.
public struct AuditSettings: Sendable, Equatable {
  public var methods: [AuditMethod]
  /// m canaries of the one-run audit, and k of the one-shot audit.
  public var canaries: Int
  /// r guesses of the one-run audit: half of them "in" for the highest scores, half "out" for the lowest.
  public var guesses: Int
  /// Of the lower bounds, above 0.5 and below 1.
  public var confidence: Double
  /// The probability with which the whole audit of a right mechanism finds fault.
  public var falseAlarms: Double
  /// The residual test plays the task again, at most `Self.mostPlays` times, until it has seen noise on so many coordinates.
  public var residualCoordinates: Int
  /// Of coins and directions; public.
  public var seed: UInt64

  public init(
    methods: [AuditMethod] = AuditMethod.allCases, canaries: Int = 1000, guesses: Int = 200, confidence: Double = 0.95,
    falseAlarms: Double = 0.01, residualCoordinates: Int = 100_000, seed: UInt64
  ) {
    self.methods = methods
    self.canaries = canaries
    self.guesses = guesses
    self.confidence = confidence
    self.falseAlarms = falseAlarms
    self.residualCoordinates = residualCoordinates
    self.seed = seed
  }

  /// Plays of one audit, at most.
  public static let mostPlays = 50

  /// - Parameter users: ordinary users of the run.
  /// - Throws: `AuditError` that says what was found and expected.
  func validate(users: Int, hasNoise: Bool) throws {
    guard hasNoise else {
      throw AuditError(
        "the plan has no noise and claims no ε, so that there is nothing to audit; expected central or distributed noise")
    }
    guard !methods.isEmpty else { throw AuditError("no method of audit; expected one-run, one-shot, residual or all") }
    guard canaries >= 2, canaries <= 1_000_000 else {
      throw AuditError("\(canaries) canaries; expected 2 to 1000000")
    }
    guard canaries <= users else {
      throw AuditError(
        "\(canaries) canaries among \(users) users; expected at most as many canaries as users, so that the run is still the run that is audited"
      )
    }
    guard guesses >= 1, guesses <= canaries else {
      throw AuditError("\(guesses) guesses about \(canaries) canaries; expected 1 to the number of canaries")
    }
    guard confidence > 0.5, confidence < 1 else {
      throw AuditError("the confidence is \(confidence); expected above 0.5 and below 1, such as 0.95")
    }
    guard falseAlarms > 0, falseAlarms < 0.5 else {
      throw AuditError("the probability of a false alarm is \(falseAlarms); expected above 0 and below 0.5, such as 0.01")
    }
  }
}

/// Why there is no audit: what was found, what was expected.
public struct AuditError: Error, Equatable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
