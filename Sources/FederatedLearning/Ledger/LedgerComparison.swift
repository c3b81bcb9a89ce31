internal import CryptoPrimitives
internal import SecureAggregation

/// Compares what different parties have of the same ledgers: whole files, signed heads, proofs.
///
/// Two heads of one size that differ are a fork, proven by both signatures. Heads of different sizes agree where a whole ledger
/// holds both; otherwise only a proof of growth can tell, and it is named as missing.
public struct LedgerComparison: Sendable {
  /// One sentence for each head that a whole ledger was found to hold.
  public private(set) var agreements: [String] = []
  /// One sentence for each proof of two ledgers.
  public private(set) var forks: [(proof: LedgerFork, sentence: String)] = []
  private var statements: [(statement: LedgerStatement, source: String)] = []
  private var ledgers: [(state: LedgerState, source: String)] = []
  /// Pairs of heads that growth proofs connect.
  private var connected: Set<[LedgerStatement]> = []

  public init() {}

  /// Adds a document without objection.
  public mutating func add(_ document: LedgerDocument, from source: String) {
    if case .growth(let proof) = document { connected.insert([proof.earlier, proof.later]) }
    if case .fork(let fork) = document {
      forks.append((fork, "\(source) proves two ledgers of size \(fork.first.head.size) under one key: its holder forked"))
      return
    }
    for statement in document.statements { add(statement, from: source) }
  }

  /// Adds a whole ledger, as far as it could be read.
  public mutating func add(_ state: LedgerState, from source: String) {
    for (other, name) in ledgers where other.head.ledger == state.head.ledger && other.header.key == state.header.key {
      let common = min(other.size, state.size)
      if let size = (1...common).first(where: { Self.part(other.signedHead(size: $0), state.signedHead(size: $0)) }),
        let fork = LedgerFork(other.signedHead(size: size), state.signedHead(size: size), key: state.header.key)
      {
        forks.append((fork, "\(name) and \(source) part at record \(size): their holder signed both, and keeps two ledgers"))
      } else {
        agreements.append("\(name) and \(source) hold the same first \(common) records")
      }
    }
    for (statement, name) in statements { compare(statement, name, with: state, source) }
    ledgers.append((state, source))
  }

  /// Signatures may differ under one head; that is no fork.
  private static func part(_ one: SignedLedgerHead, _ other: SignedLedgerHead) -> Bool {
    one.head != other.head || one.root != other.root
  }

  private mutating func add(_ statement: LedgerStatement, from source: String) {
    for (other, name) in statements where other.key == statement.key {
      if let fork = LedgerFork(other.head, statement.head, key: statement.key) {
        forks.append(
          (
            fork,
            "\(name) and \(source) are two signed heads of \(statement.head.head.size) records: their holder keeps two ledgers"
          ))
      }
    }
    for (state, name) in ledgers { compare(statement, source, with: state, name) }
    statements.append((statement, source))
  }

  private mutating func compare(_ statement: LedgerStatement, _ name: String, with state: LedgerState, _ ledger: String) {
    let size = statement.head.head.size
    guard statement.key == state.header.key, statement.head.ledger == state.head.ledger, size >= 1 else { return }
    guard size <= state.size else { return }
    if let fork = LedgerFork(statement.head, state.signedHead(size: Int(size)), key: statement.key) {
      forks.append(
        (fork, "\(ledger) does not hold the \(size) records of \(name): their holder signed both, and keeps two ledgers"))
    } else {
      agreements.append("\(ledger) goes on from the \(size) records of \(name)")
    }
  }

  /// What was not compared, one sentence each: ledgers shorter than a head, and heads without a proof between them.
  public var unknown: [String] {
    var sentences: [String] = []
    for (state, ledger) in ledgers {
      for (statement, name) in statements
      where statement.head.ledger == state.head.ledger && statement.head.head.size > state.size {
        sentences.append(
          "\(ledger) ends at record \(state.size), but \(name) is a signed head of \(statement.head.head.size): ask for the rest; it may have been rolled back"
        )
      }
    }
    for (index, (first, name)) in statements.enumerated() {
      for (second, other) in statements.dropFirst(index + 1)
      where first.key == second.key && first.head.ledger == second.head.ledger
        && first.head.head.size != second.head.head.size
        && !connected.contains(first.head.head.size < second.head.head.size ? [first, second] : [second, first])
        && !ledgers.contains(where: {
          $0.state.head.ledger == first.head.ledger
            && UInt64($0.state.size) >= max(first.head.head.size, second.head.head.size)
        })
      {
        sentences.append(
          "whether \(name) and \(other) are of one ledger is not shown: ask for tacit ledger prove --since \(min(first.head.head.size, second.head.head.size))"
        )
      }
    }
    return sentences
  }
}
