internal import DifferentialPrivacy

/// That a cap refused an attempt, as it stands among the settings of a home: `LEDGER EPSILON DELTA`.
struct CapRefusal: Equatable {
  let ledger: DataSetName
  /// The cap that was too small then; what it is now is another matter.
  let cap: PrivacyBudget

  init(ledger: DataSetName, cap: PrivacyBudget) {
    self.ledger = ledger
    self.cap = cap
  }

  var text: String { "\(ledger) \(cap.epsilon) \(cap.delta)" }

  /// - Returns: `nil` for any other text.
  init?(_ text: String) {
    let parts = text.split(separator: " ").map(String.init)
    guard parts.count == 3, let ledger = try? DataSetName(parts[0]), let epsilon = Double(parts[1]), let delta = Double(parts[2]),
      let cap = try? PrivacyBudget(epsilon: epsilon, delta: delta)
    else { return nil }
    self.init(ledger: ledger, cap: cap)
  }
}
