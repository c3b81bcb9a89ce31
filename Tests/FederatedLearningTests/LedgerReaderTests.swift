internal import CryptoPrimitives
internal import FederatedLearning
internal import Testing

@Suite struct LedgerReaderTests {
  @Test func `a whole ledger verifies with one sentence`() throws {
    let bytes = try LedgerWorld.sample()
    let verification = LedgerVerifier(key: LedgerWorld.key.verificationKey, plan: LedgerWorld.plan).verify(
      bytes)
    #expect(verification.isSound)
    #expect(verification.findings == [])
    #expect(
      verification.verdicts == ["ok: 5 records, 2 charges, chain, signatures, order and every ε agree."])
    #expect(verification.state?.notes.map(\.text) == ["two rounds, \"no\" search\tat all"])
  }

  @Test func `cut at every byte a ledger is the one before or after a record, never else`() throws {
    let bytes = try LedgerWorld.sample()
    let starts = LedgerWorld.lineStarts(bytes)
    let heads = LedgerReader(bytes).records.map(\.digest)
    for length in 1..<bytes.count {
      let reader = LedgerReader(Array(bytes[..<length]))
      let whole = starts.filter { $0 <= length }.count - 1
      if starts.contains(length) {
        #expect(reader.findings == [] && reader.records.count == whole, "cut at \(length)")
      } else if starts.contains(length + 1) {
        // Only the line feed is missing: the record is whole, and counts.
        #expect(reader.findings.map(\.kind) == [.missingLineFeed] && reader.records.count == whole + 1)
      } else {
        #expect(
          reader.findings.map(\.kind) == [.tornLastLine] && reader.records.count == whole, "cut at \(length)")
        #expect(reader.goodByteCount == starts[whole])
      }
      #expect(reader.records.map(\.digest) == Array(heads.prefix(reader.records.count)))
    }
  }

  @Test func `what a ledger has grown by is judged as in the whole one, and by itself`() throws {
    let bytes = try LedgerWorld.sample()
    let whole = LedgerVerifier().verify(bytes)
    for start in LedgerWorld.lineStarts(bytes).dropFirst() {
      let earlier = try #require(LedgerVerifier().verify(Array(bytes[..<start])).state)
      let grown = LedgerVerifier().verify(appended: bytes[start...], to: earlier)
      #expect(grown.findings == [] && grown.state?.head == whole.state?.head && grown.state?.charges == whole.state?.charges)
      #expect(grown.state?.recorded.epsilon(delta: 1e-6) == whole.state?.recorded.epsilon(delta: 1e-6))
      // Cut, changed, or another's.
      for cut in start..<bytes.count {
        let found = LedgerVerifier().verify(Array(bytes[..<cut]))
        let other = LedgerVerifier().verify(appended: bytes[start..<cut], to: earlier)
        #expect(other.findings == found.findings && other.state?.head == found.state?.head)
      }
      for position in stride(from: start, to: bytes.count, by: 7) {
        var changed = bytes
        changed[position] ^= 1
        let other = LedgerVerifier().verify(appended: changed[start...], to: earlier)
        #expect(!other.isSound && other.findings == LedgerVerifier().verify(changed).findings)
      }
      // Records that were read already stand in no other place.
      if start < bytes.count { #expect(!LedgerVerifier().verify(appended: bytes[...], to: earlier).isSound) }
    }
  }

  @Test func `no flipped bit goes unnoticed, wherever it is`() throws {
    let bytes = try LedgerWorld.sample()
    let starts = LedgerWorld.lineStarts(bytes)
    let verifier = LedgerVerifier(key: LedgerWorld.key.verificationKey)
    for (offset, bit) in bytes.indices.flatMap({ offset in (0..<8).map { (offset, $0) } }) {
      var damaged = bytes
      damaged[offset] ^= 1 << bit
      let verification = verifier.verify(damaged)
      let line = starts.filter { $0 <= offset }.count
      #expect(!verification.isSound, "bit \(bit) of byte \(offset) in line \(line)")
      #expect(verification.findings.last?.line == line, "bit \(bit) of byte \(offset): \(verification.verdicts)")
      #expect(verification.state?.size ?? 0 == line - 1, "bit \(bit) of byte \(offset)")
    }
  }

  @Test func `lines that were swapped, removed or repeated are told from changed ones`() throws {
    let bytes = try LedgerWorld.sample()
    let starts = LedgerWorld.lineStarts(bytes)
    let lines = (0..<5).map { Array(bytes[starts[$0]..<starts[$0 + 1]]) }
    for order in [[0, 2, 1, 3, 4], [0, 2, 3, 4], [0, 1, 1, 2], [0, 4]] {
      let verification = LedgerVerifier().verify(order.flatMap { lines[$0] })
      #expect(verification.findings.map(\.kind) == [.recordMoved], "\(order)")
      #expect(!verification.isSound)
    }
    // A ledger that lost whole lines at its end looks younger; only somebody who remembers its head can tell.
    let younger = LedgerVerifier().verify(lines[0] + lines[1])
    #expect(younger.isSound)
    let head = try #require(LedgerReader(bytes).head?.head)
    let remembered = LedgerVerifier(knownHead: head).verify(lines[0] + lines[1])
    #expect(remembered.findings.map(\.kind) == [.behindKnownHead])
  }

  @Test func `a ledger rewritten under another key is forged, and a signature of another key is wrong`()
    throws
  {
    let (ledger, memory) = try LedgerWorld.ledger(key: LedgerWorld.stranger)
    try ledger.charge(try LedgerWorld.request(0))
    let bytes = memory.bytes
    let forged = LedgerVerifier(key: LedgerWorld.key.verificationKey).verify(bytes)
    #expect(forged.findings.map(\.kind) == [.forgedKey])
    #expect(forged.state == nil)
    // Without the expected key the forgery is consistent, and the verification says what it did not see.
    let believed = LedgerVerifier().verify(bytes)
    #expect(believed.isSound)
    #expect(believed.limits.contains { $0.contains("fingerprint") })
  }

  @Test func `another plan's charges are named`() throws {
    let other = SHA256.hash(Array("another plan".utf8))
    for kind in LedgerHeader.Kind.allCases {
      let (ledger, memory) = try LedgerWorld.ledger(kind)
      try ledger.charge(try LedgerWorld.request(0, plan: other))
      let verifier = LedgerVerifier(plan: LedgerWorld.plan)
      #expect(verifier.verify(memory.bytes).findings.map(\.kind) == [.otherPlan])
      // A partner's ledger holds every plan of its data set; a coordinator's holds one task.
      try ledger.charge(try LedgerWorld.request(0, session: "t"))
      #expect(verifier.verify(memory.bytes).findings.map(\.kind) == (kind == .partner ? [] : [.otherPlan]))
    }
  }

  @Test func `any bytes get a verdict`() {
    for bytes in [
      [], [0x0A], [0x09, 0x09, 0x0A], Array("{}\t\t\n".utf8), [UInt8](repeating: 0, count: 5000),
      [UInt8](repeating: 0x0A, count: 100), Array("[".utf8) + [0x0A], [0xFF, 0xFE, 0x0A],
    ] as [[UInt8]] {
      let verification = LedgerVerifier().verify(bytes)
      #expect(!verification.isSound)
      #expect(verification.findings.count == 1)
      #expect(verification.epsilonUpper() == nil)
    }
    #expect(LedgerVerifier().verify([]).findings.map(\.kind) == [.empty])
  }

  @Test func `what a ledger cannot show is said for each kind`() throws {
    let central = LedgerVerifier().verify(try LedgerWorld.ledger(.coordinator).memory.bytes)
    #expect(central.limits.contains { $0.contains("noise was drawn") })
    let partner = LedgerVerifier().verify(try LedgerWorld.ledger(.partner).memory.bytes)
    #expect(partner.limits.contains { $0.contains("before it left") })
  }
}
