public import CryptoPrimitives
public import SecureAggregation

/// How far a ledger has come (`LedgerHead`: number of records and chain hash of the last, as in every key advertisement)
/// with the signature that stands in the ledger; whoever keeps it can hold its signer to it.
public struct SignedLedgerHead: Sendable, Hashable {
  /// Which ledger: the chain hash of its header.
  public let ledger: Digest
  public let head: LedgerHead
  public let signature: Signature

  public init(ledger: Digest, head: LedgerHead, signature: Signature) {
    self.ledger = ledger
    self.head = head
    self.signature = signature
  }

  public func isSigned(by key: VerificationKey) -> Bool {
    key.verifies(signature, of: LedgerChain.message(ledger: ledger, head: head))
  }
}

extension LedgerHead {
  /// The least that a holder can show once it has charged: one record more, whose hash nobody else knows and which stands as
  /// `Digest.zero`.
  public var afterCharge: LedgerHead { LedgerHead(size: size == .max ? size : size + 1, head: .zero) }

  /// Whether a ledger with this head may be the one that `known` was seen of, later: longer, or as long with the same head
  /// (any head where none is known). Only who has the records can say more (`LedgerState.reaches(_:)`).
  public func goesOn(from known: LedgerHead) -> Bool {
    size > known.size || (size == known.size && (known.head == .zero || self == known))
  }
}

/// Proof that a holder keeps two ledgers where there should be one: two signed heads of one size.
///
/// Heads of different sizes prove nothing by themselves; then ask for the longer ledger and see whether it is an
/// extension of the shorter head (`LedgerState.isExtension(of:)`).
public struct LedgerFork: Sendable, Equatable {
  public let first: SignedLedgerHead
  public let second: SignedLedgerHead
  public let key: VerificationKey

  /// `nil` unless both heads are of the same ledger and size, differ, and carry valid signatures of `key`.
  public init?(_ first: SignedLedgerHead, _ second: SignedLedgerHead, key: VerificationKey) {
    guard first.ledger == second.ledger, first.head.size == second.head.size,
      first.head.head != second.head.head, first.isSigned(by: key), second.isSigned(by: key)
    else { return nil }
    self.first = first
    self.second = second
    self.key = key
  }
}

/// The two labelled messages of the chain and the bytes of a line (Protocols/ledger.md §4).
enum LedgerChain {
  static let linkLabel = Array("tacit/ledger/link/v1\0".utf8)
  static let headLabel = Array("tacit/ledger/head/v1\0".utf8)
  /// What the header is chained to.
  static let origin = Digest.zero
  /// Longest line, line feed included; a longer one is refused unread.
  static let lineBytesMax = 1 << 20

  /// hash_i = SHA-256(label ‖ hash_{i−1} ‖ payload_i).
  static func link(previous: Digest, payload: some Sequence<UInt8>) -> Digest {
    SHA256.hash(linkLabel + previous.bytes + Array(payload))
  }

  /// What is signed for a record: label ‖ ledger (32) ‖ size (8, big-endian) ‖ hash_i (32).
  static func message(ledger: Digest, head: LedgerHead) -> [UInt8] {
    let size = (0..<8).map { UInt8(truncatingIfNeeded: head.size >> UInt64(56 - 8 * $0)) }
    return headLabel + ledger.bytes + size + head.head.bytes
  }

  /// payload TAB chain hash TAB signature LF.
  static func line(payload: [UInt8], digest: Digest, signature: Signature) -> [UInt8] {
    var line = payload
    line.append(UInt8(ascii: "\t"))
    line += Array(digest.hex.utf8)
    line.append(UInt8(ascii: "\t"))
    line += Array(signature.hex.utf8)
    line.append(UInt8(ascii: "\n"))
    return line
  }
}
