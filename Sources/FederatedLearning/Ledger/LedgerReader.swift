public import CryptoPrimitives
internal import SecureAggregation

/// Reads the bytes of a ledger record by record and checks what binds them: lines, chain, signatures, places.
///
/// It judges no content: that is `LedgerState`, which folds over the records read here. Reading stops at the first
/// fault, because nothing after a broken link can be relied on.
public struct LedgerReader: Sendable, Equatable {
  /// The records up to the first fault.
  public let records: [LedgerRecord]
  /// What ended the reading early, or what a crash left at the end; empty for a whole ledger.
  public let findings: [LedgerFinding]
  /// Bytes from the beginning that hold `records`; a file is cut back to this length when its last line is torn.
  public let goodByteCount: Int

  /// - Parameters:
  ///   - bytes: the whole ledger.
  ///   - expectedKey: the holder's identity as pinned elsewhere (roster, plan, key file). Without it the key is taken
  ///     from the header, and whoever rewrote the whole ledger under another key goes unnoticed.
  public init(_ bytes: [UInt8], expectedKey: VerificationKey? = nil) {
    var reading = Reading(expectedKey: expectedKey)
    reading.read(bytes)
    records = reading.records
    findings = reading.findings
    goodByteCount = reading.goodByteCount
  }

  /// Reads what was appended to a ledger that was read before.
  init(_ bytes: ArraySlice<UInt8>, appendedTo state: LedgerState) {
    var reading = Reading(after: state)
    reading.read(Array(bytes))
    records = reading.records
    findings = reading.findings
    goodByteCount = reading.goodByteCount
  }

  /// The head after the last good record of a whole ledger; `nil` when there is none.
  public var head: SignedLedgerHead? {
    guard let first = records.first, let last = records.last else { return nil }
    return SignedLedgerHead(
      ledger: first.digest, head: LedgerHead(size: UInt64(last.number), head: last.digest), root: last.root,
      signature: last.signature)
  }
}

private struct Reading {
  let expectedKey: VerificationKey?
  var key: VerificationKey?
  var records: [LedgerRecord] = []
  /// Over the chain hashes.
  var tree = MerkleLog()
  var findings: [LedgerFinding] = []
  var goodByteCount = 0
  /// What was read before, and is not in `records`.
  private let earlier: LedgerState?

  init(expectedKey: VerificationKey?) {
    self.expectedKey = expectedKey
    earlier = nil
  }

  init(after state: LedgerState) {
    expectedKey = nil
    key = state.header.key
    tree = state.tree
    earlier = state
  }

  /// The number of the next record.
  private var next: Int { (earlier?.size ?? 0) + records.count + 1 }

  mutating func read(_ bytes: [UInt8]) {
    guard !bytes.isEmpty || earlier != nil else {
      findings.append(LedgerFinding(.empty, "the ledger is empty; its first line should be a header"))
      return
    }
    while goodByteCount < bytes.count {
      let rest = bytes[goodByteCount...]
      guard let lineFeed = rest.firstIndex(of: UInt8(ascii: "\n")) else {
        readTail(rest)
        return
      }
      switch record(in: rest[..<lineFeed]) {
      case .success(let record):
        records.append(record)
        goodByteCount = lineFeed + 1
      case .failure(let fault):
        findings.append(fault.finding)
        return
      }
    }
  }

  /// Bytes after the last line feed: what a write left that a crash cut short.
  ///
  /// A tail that still proves to be a whole record counts as one, so that a lost line feed cannot hide a charge.
  private mutating func readTail(_ tail: ArraySlice<UInt8>) {
    let line = next
    if case .success(let record) = record(in: tail) {
      records.append(record)
      findings.append(
        LedgerFinding(
          .missingLineFeed, line: line,
          "the record is whole but its line feed is missing; it counts, and reopening adds it"))
      return
    }
    // A torn write is a beginning of a line. With all tabs and more than a whole signature it was damaged instead.
    let fields = tail.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
    if fields.count > 4 || (fields.count == 4 && fields[3].count >= 2 * Signature.byteCount) {
      findings.append(
        LedgerFinding(
          .malformedLine, line: line,
          "the last line is longer than its signature, or its record does not verify: it was damaged, not torn"
        ))
    } else {
      findings.append(
        LedgerFinding(
          .tornLastLine, line: line,
          "the last \(tail.count) bytes are the beginning of a record whose write did not end; nothing had left on the strength of it, and reopening drops it"
        ))
    }
  }

  private mutating func record(in line: ArraySlice<UInt8>) -> Result<LedgerRecord, LedgerFault> {
    let number = next
    func fault(_ kind: LedgerFinding.Kind, _ sentence: String) -> Result<LedgerRecord, LedgerFault> {
      .failure(LedgerFault(finding: LedgerFinding(kind, line: number, sentence)))
    }
    guard line.count < LedgerChain.lineBytesMax else {
      return fault(
        .malformedLine, "the line has \(line.count) bytes, \(LedgerChain.lineBytesMax - 1) are allowed")
    }
    let fields = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
    if number == 1, let version = Self.otherVersion(fields[0]) {
      return fault(
        .otherVersion,
        "the ledger has format version \(version), this program reads \(LedgerHeader.formatVersion): its charges stand; read and continue it with a program of its version"
      )
    }
    guard fields.count == 4, let digest: Digest = Self.fixed(fields[1]), let root: Digest = Self.fixed(fields[2]),
      let signature: Signature = Self.fixed(fields[3])
    else {
      return fault(
        .malformedLine,
        "the line is not payload, tab, 64 hexadecimal digits, tab, 64 hexadecimal digits, tab, 128 hexadecimal digits")
    }
    let payload = fields[0]
    let isLinked =
      LedgerChain.link(previous: records.last?.digest ?? earlier?.lastHash ?? LedgerChain.origin, payload: payload) == digest

    let json: CanonicalJSON
    let entry: LedgerEntry
    do {
      json = try CanonicalJSON(canonical: payload)
      entry = try LedgerEntry(payload: json)
    } catch {
      guard isLinked else { return fault(.chainBroken, Self.brokenChain) }
      return fault(.malformedPayload, "\(error)")
    }
    if number == 1 {
      guard isLinked else { return fault(.chainBroken, Self.brokenChain) }
      guard case .header(let header) = entry else {
        return fault(.headerMissing, "the first record is a \(entry.kind), expected a header")
      }
      if let expectedKey, header.key != expectedKey {
        return fault(
          .forgedKey,
          "the header names the key \(header.key.hex.prefix(16))…, expected \(expectedKey.hex.prefix(16))…: the ledger is another holder's, or was rewritten"
        )
      }
      key = header.key
    }
    guard let key else { preconditionFailure("a record was read before the header") }
    let ledger = earlier?.head.ledger ?? records.first?.digest ?? digest
    var claimed = number
    if case .object(let members) = json, case .integer(let integer)? = members["record"] {
      claimed = Int(integer)
    }
    let isSigned = key.verifies(
      signature,
      of: LedgerChain.message(ledger: ledger, head: LedgerHead(size: UInt64(claimed), head: digest), root: root))
    guard isLinked else {
      guard isSigned, claimed != number else { return fault(.chainBroken, Self.brokenChain) }
      return fault(
        .recordMoved,
        "here stands record \(claimed) with a genuine signature: records were removed or put in another order"
      )
    }
    // Reading ends with the first fault, so that the tree may grow before the rest is checked.
    tree.append(digest.bytes)
    guard root == tree.root else {
      return fault(.wrongRoot, "the root is not that of the tree over the \(number) chain hashes up to here")
    }
    guard isSigned else {
      return fault(.wrongSignature, "the signature is not the holder's on this record")
    }
    guard claimed == number else {
      return fault(.outOfOrder, "the holder signed this as record \(claimed), expected \(number)")
    }
    return .success(LedgerRecord(number: number, entry: entry, digest: digest, root: root, signature: signature))
  }

  /// The version of a header of another one than this.
  private static func otherVersion(_ payload: ArraySlice<UInt8>) -> Int64? {
    guard case .object(let members)? = try? CanonicalJSON(canonical: payload), members["kind"] == .string("header"),
      case .integer(let version)? = members["version"], version != Int64(LedgerHeader.formatVersion)
    else { return nil }
    return version
  }

  /// Exactly so many lower-case hexadecimal digits.
  private static func fixed<Value: FixedBytes>(_ digits: ArraySlice<UInt8>) -> Value? {
    let text = String(decoding: digits, as: UTF8.self)
    guard let value = Value(hex: text), value.hex == text else { return nil }
    return value
  }

  private static let brokenChain =
    "the chain breaks here: this payload or hash was changed, or a record before it was changed, removed or put in"
}

private struct LedgerFault: Error { let finding: LedgerFinding }
