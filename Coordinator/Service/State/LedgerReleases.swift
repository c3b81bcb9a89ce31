internal import CryptoPrimitives
internal import FederatedLearning

/// What a coordinator's ledger says about releases.
enum LedgerReleases {
  /// The rounds whose sums were released, as far as the ledger can be read.
  static func rounds(in content: [UInt8], key: String) -> Set<Int> {
    LedgerVerifier(key: VerificationKey(hex: key)).verify(content).state.map { rounds(of: $0) } ?? []
  }

  /// The rounds whose sums were released.
  static func rounds(of ledger: LedgerState) -> Set<Int> {
    Set(
      ledger.charges.compactMap { standing in
        if case .released? = standing.outcome?.result { standing.charge.release } else { nil }
      })
  }
}
