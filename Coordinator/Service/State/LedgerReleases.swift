internal import CryptoPrimitives
internal import FederatedLearning

/// What a coordinator's ledger says about releases.
enum LedgerReleases {
  /// The rounds whose sums were released, as far as the ledger can be read.
  static func rounds(in content: [UInt8], key: String) -> Set<Int> {
    let state = LedgerVerifier(key: VerificationKey(hex: key)).verify(content).state
    return Set(
      (state?.charges ?? []).compactMap { standing in
        if case .released? = standing.outcome?.result { standing.charge.release } else { nil }
      })
  }
}
