public import CryptoPrimitives

/// Remarks that tell of a search over settings on private data: one for each plan that is a try of it, before the plan's first charge.
///
/// Every try is charged by itself; the remark says that there was a choice among them.
extension PrivacyLedger {
  /// Notes that the plan is a try of the search that it names; nothing happens for other plans, or when that is noted already.
  ///
  /// - Parameters:
  ///   - hash: of the plan's bytes.
  ///   - time: seconds since 1970.
  public func noteSearch(of plan: TrainingPlan, hash: Digest, time: Int) throws {
    guard let search = plan.search else { return }
    let text = "\(LedgerState.searchMark)\(search) (plan \(hash.hex.prefix(16)))"
    guard !state.notes.contains(where: { $0.text == text }) else { return }
    try note(text, time: time)
  }
}

extension LedgerState {
  /// The searches that the remarks tell of, by name.
  public var searches: Set<String> {
    Set(
      notes.compactMap { note in
        guard note.text.hasPrefix(Self.searchMark) else { return nil }
        let name = note.text.dropFirst(Self.searchMark.count)
        let plan = name.suffix(" (plan 0123456789abcdef)".count)
        return String(plan.hasPrefix(" (plan ") && plan.hasSuffix(")") ? name.dropLast(plan.count) : name)
      })
  }

  fileprivate static let searchMark = "search: "
}
