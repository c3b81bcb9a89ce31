public import CryptoPrimitives
public import SecureAggregation

/// Checks a ledger against nothing but its own bytes and what the verifier brings along; no I/O, no trust in anyone.
///
/// Every question that is not asked (no key, no plan, no known head) is named in the answer's `limits`.
public struct LedgerVerifier: Sendable {
  /// The holder's identity, from the signed roster or the holder's own key file.
  public let key: VerificationKey?
  /// Hash of the plan whose charges are expected.
  public let plan: Digest?
  /// A head that the holder signed earlier, as another party kept it.
  public let knownHead: LedgerHead?
  /// Rosters and thresholds against which refunds are judged.
  public let rules: [EvidenceRules]

  public init(
    key: VerificationKey? = nil, plan: Digest? = nil, knownHead: LedgerHead? = nil,
    rules: [EvidenceRules] = []
  ) {
    self.key = key
    self.plan = plan
    self.knownHead = knownHead
    self.rules = rules
  }

  /// Reads, folds and recomputes; never fails, whatever the bytes are.
  ///
  /// - Parameter bytes: a whole ledger.
  public func verify(_ bytes: [UInt8]) -> LedgerVerification {
    judge(LedgerReader(bytes, expectedKey: key), after: nil)
  }

  /// Verifies what a ledger has grown by: the same state and findings as of the whole one.
  ///
  /// - Parameters:
  ///   - bytes: everything after the records of `state`.
  ///   - state: of a ledger that was verified by its own key, without a finding, and that ended with a line feed.
  public func verify(appended bytes: ArraySlice<UInt8>, to state: LedgerState) -> LedgerVerification {
    judge(LedgerReader(bytes, appendedTo: state), after: state)
  }

  private func judge(_ reader: LedgerReader, after earlier: LedgerState?) -> LedgerVerification {
    var findings: [LedgerFinding] = []
    var state = earlier
    for record in reader.records {
      guard state != nil else {
        guard case .header(let header) = record.entry else {
          preconditionFailure("the reader checks the header")
        }
        state = LedgerState(header: header, record: record)
        continue
      }
      findings += state?.fold(record, rules: rules) ?? []
    }
    findings += reader.findings
    if let state {
      findings += comparePlan(state)
      findings += compareHead(state)
    }
    return LedgerVerification(state: state, findings: findings, limits: limits(of: state), isKeyUnchecked: key == nil)
  }

  /// A coordinator's ledger holds one task; a partner's holds all plans of its data set, this one among them.
  private func comparePlan(_ state: LedgerState) -> [LedgerFinding] {
    guard let plan, !state.charges.isEmpty else { return [] }
    switch state.header.kind {
    case .coordinator:
      return state.charges.filter { $0.charge.plan != plan }.prefix(1).map {
        LedgerFinding(
          .otherPlan, line: $0.number,
          "the charge is of plan \($0.charge.plan.hex.prefix(16))…, expected \(plan.hex.prefix(16))…: this is the ledger of another task"
        )
      }
    case .partner:
      if state.charges.contains(where: { $0.charge.plan == plan }) { return [] }
      return [
        LedgerFinding(
          .otherPlan, "none of the \(state.charges.count) charges is of plan \(plan.hex.prefix(16))…")
      ]
    }
  }

  private func compareHead(_ state: LedgerState) -> [LedgerFinding] {
    guard let knownHead, !state.isExtension(of: knownHead) else { return [] }
    if state.size < knownHead.size {
      return [
        LedgerFinding(
          .behindKnownHead,
          "the ledger ends at record \(state.size), but its holder has signed a head of \(knownHead.size): records were rolled back"
        )
      ]
    }
    return [
      LedgerFinding(
        .forked, line: Int(knownHead.size),
        "the chain hash of record \(knownHead.size) is not the one that the holder signed earlier: the ledger was forked"
      )
    ]
  }

  private func limits(of state: LedgerState?) -> [String] {
    var limits: [String] = []
    if key == nil {
      limits.append("The key was taken from the ledger itself: compare its fingerprint with the roster's.")
    }
    if plan == nil { limits.append("Charges were not compared with a plan.") }
    if knownHead == nil {
      limits.append(
        "A ledger that lost whole records at its end looks like a younger one: compare its head with one that others keep."
      )
    }
    let kind = state?.header.kind
    limits.append(
      kind == .partner
        ? "That every masked input was charged before it left is known to the partner's own machine alone."
        : "That noise was drawn at all, with this variance and once, cannot be seen from a ledger: with central noise, partners trust the coordinator for it."
    )
    limits.append(
      "That contributions were clipped and users sampled as charged rests on the partners' own programs.")
    return limits
  }
}

/// What a verification found: the state as far as it can be relied on, and every objection.
public struct LedgerVerification: Sendable {
  /// The ledger up to its first fault; `nil` when not even a header could be read.
  public let state: LedgerState?
  /// Objections in order of the lines; empty for a whole ledger.
  public let findings: [LedgerFinding]
  /// What this verification could not see, one sentence each.
  public let limits: [String]
  /// Whether the holder's key was taken from the ledger itself.
  public let isKeyUnchecked: Bool

  /// Whether nothing was found but what a crash leaves and what makes ε larger.
  public var isSound: Bool { state != nil && !findings.contains(where: \.isFault) }

  /// An upper value for ε of everything charged, recomputed from events alone; refunds without proof count as spent.
  ///
  /// It covers the records in `state` only: when `isSound` is false, more may have been spent.
  /// - Parameter delta: the δ to state it at; the last charge's when `nil`.
  /// - Returns: `nil` when no record could be read; 0 when nothing was charged.
  public func epsilonUpper(delta: Double? = nil) -> Double? {
    guard let state else { return nil }
    guard let delta = delta ?? self.delta else { return 0 }
    return state.proven.epsilon(delta: delta)
  }

  /// The δ of the last charge.
  public var delta: Double? { state?.charges.last?.charge.delta }

  /// One sentence for each finding, or one that says that all is well.
  public var verdicts: [String] {
    if !findings.isEmpty { return findings.map(\.description) }
    guard let state else { return [] }
    return [
      "ok: \(state.size) records, \(state.charges.count) charges, chain, signatures, order and every ε agree."
    ]
  }
}
