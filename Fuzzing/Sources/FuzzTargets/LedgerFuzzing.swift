internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import SecureAggregation

/// Ledgers of strangers, read and judged as `tacit verify` does.
enum LedgerFuzzing {
  static let holder = Seeds.key(3)
  static let planHash = SHA256.hash(Array("plan".utf8))
  private static let rules = [
    EvidenceRules(
      plan: planHash,
      roster: Dictionary(uniqueKeysWithValues: (UInt8(1)...4).map { (ParticipantID(UInt32($0)), Seeds.key($0).verificationKey) }),
      threshold: 2)
  ]

  static func read(_ bytes: [UInt8]) {
    let verification = LedgerVerifier(key: nil, rules: rules).verify(bytes)
    hold(!bytes.isEmpty || verification.state == nil, "no ledger is nothing")
    hold(!verification.verdicts.isEmpty || verification.state == nil, "a verdict is given on every ledger")
    guard let epsilon = verification.epsilonUpper(delta: nil) else { return }
    hold(epsilon >= 0, "what was spent is no less than nothing, found \(epsilon)")
    if let state = verification.state { hold(state.size >= 1, "a ledger has a header") }
  }

  /// Each line of the input becomes a record: chained, counted into the tree and signed by the holder, whatever it says.
  static func readSigned(_ bytes: [UInt8]) {
    var (digest, tree, ledger) = (Digest.zero, MerkleLog(), Digest.zero)
    var lines: [UInt8] = []
    for (index, payload) in bytes.split(separator: UInt8(ascii: "\n"), maxSplits: 40).enumerated() {
      digest = SHA256.hash(Array("tacit/ledger/link/v1\0".utf8) + digest.bytes + payload)
      tree.append(digest.bytes)
      if index == 0 { ledger = digest }
      let size = (0..<8).map { UInt8(truncatingIfNeeded: UInt64(index + 1) >> UInt64(56 - 8 * $0)) }
      let signature = holder.sign(Array("tacit/ledger/head/v2\0".utf8) + ledger.bytes + size + digest.bytes + tree.root.bytes)
      lines += payload
      lines += Array("\t\(digest.hex)\t\(tree.root.hex)\t\(signature.hex)\n".utf8)
    }
    read(lines)
  }

  /// A ledger with every kind of record.
  static func honest() throws -> [UInt8] {
    let memory = LedgerMemory(
      try PrivacyLedger.headerLine(kind: .partner, holder: "p", dataset: "d", created: 1, key: holder))
    let ledger = try PrivacyLedger(content: memory.bytes, journal: memory, key: holder)
    guard let session = SessionID(bytes: [UInt8](repeating: 7, count: 16)) else { return [] }
    let release = try GaussianRelease(sigmaSquared: 1_000_004, deltaSquared: 10_000, dimension: 100, adjacency: .addRemove)
    let events: [PrivacyEvent] = [
      .gaussian(release: release), .poissonSampled(rate: try SamplingRate(0.01), release: release),
    ]
    for (round, event) in events.enumerated() {
      let attempt = LedgerAttempt(session: session, round: round, attempt: 0)
      try ledger.charge(
        ChargeRequest(
          attempt: attempt, release: round, name: "r", plan: planHash, binding: SHA256.hash([UInt8(round)]),
          event: .accounted(event), sampler: "everyone", participants: 4, survivors: nil, delta: 1e-6, time: 2))
      try ledger.record(LedgerOutcome(attempt: attempt, release: round, result: .released(nil), survivors: 4, time: 3))
    }
    try ledger.note("a remark", time: 4)
    return memory.bytes
  }

  static func documents() throws -> [[UInt8]] {
    guard let state = LedgerVerifier(key: nil).verify(try honest()).state else { return [] }
    let record = LedgerReader(try honest()).records[1]
    return [
      LedgerDocument.head(state.statement), .record(state.proof(of: record, size: state.size)),
      .growth(state.growth(from: 2, to: state.size)),
    ].map(\.json.bytes)
  }
}
