extension LedgerSpending {
  /// What some of a ledger's charges add up to by themselves: those of one plan, or of one kind.
  ///
  /// The same rule decides about the accountant as for a whole ledger. Charges that no accountant can compose make ε infinite.
  public init(of charges: [LedgerState.Standing]) {
    self.init()
    for standing in charges { _ = add(standing.charge) }
  }
}
