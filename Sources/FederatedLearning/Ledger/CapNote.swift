public import DifferentialPrivacy

/// Remarks that tell under which cap over all plans a ledger is charged from there on.
///
/// A cap moves no budget, it stops its holder. That it stands in the ledger means that it is found again with it, and so is the first
/// one, at whose order all later caps are judged (`SpendingCap`).
extension PrivacyLedger {
  /// Notes a cap; nothing happens when it is the one that stands.
  ///
  /// - Parameter time: seconds since 1970.
  public func note(cap: PrivacyBudget, time: Int) throws {
    guard state.cap != cap else { return }
    try note("\(LedgerState.capMark)\(cap.epsilon),\(cap.delta)", time: time)
  }
}

extension LedgerState {
  static let capMark = "cap over all plans: "

  /// The cap that a remark tells of; `nil` for other remarks.
  static func cap(in note: LedgerNote) -> PrivacyBudget? {
    guard note.text.hasPrefix(capMark) else { return nil }
    let parts = note.text.dropFirst(capMark.count).split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard parts.count == 2, let epsilon = parts[0], let delta = parts[1] else { return nil }
    return try? PrivacyBudget(epsilon: epsilon, delta: delta)
  }
}
