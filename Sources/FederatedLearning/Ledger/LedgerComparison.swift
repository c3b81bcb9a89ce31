internal import CryptoPrimitives
internal import SecureAggregation

/// Compares what different parties have of the same ledgers: whole files, signed heads, proofs.
///
/// Two heads of one size that differ are a fork, proven by both signatures. Two ledgers of one holder for one budget are as bad. Heads of different sizes agree where a whole ledger
/// holds both; otherwise only a proof of growth can tell, and it is named as missing.
public struct LedgerComparison: Sendable {
  /// One sentence for each head that a whole ledger was found to hold.
  public private(set) var agreements: [String] = []
  /// One sentence for each proof of two ledgers.
  public private(set) var forks: [(proof: LedgerFork, sentence: String)] = []
  /// One sentence for each pair of ledgers that one holder began for the same budget: only one of them is continued.
  public private(set) var restarts: [String] = []
  /// One sentence for each pair that has nothing to do with each other, so that nobody takes silence for agreement.
  public private(set) var unrelated: [String] = []
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
    for (other, name) in ledgers {
      guard other.head.ledger == state.head.ledger, other.header.key == state.header.key else {
        compareHeaders(other, name, state, source)
        continue
      }
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

  /// Two ledgers with different headers. A new header, if only of another second, gives another ledger that no fork is seen in.
  private mutating func compareHeaders(_ one: LedgerState, _ name: String, _ other: LedgerState, _ source: String) {
    let (first, second) = (one.header, other.header)
    if first.key == second.key, first.kind == second.kind, first.dataset == second.dataset {
      restarts.append(
        "\(name) and \(source) are two ledgers of one key for '\(first.dataset)', begun at \(first.created) and \(second.created): a ledger is continued, never begun again"
      )
    } else {
      unrelated.append(
        "\(name) and \(source) are ledgers of \(first.key == second.key ? "different data sets" : "different holders"): nothing in them was compared"
      )
    }
  }

  /// Signatures may differ under one head; that is no fork.
  private static func part(_ one: SignedLedgerHead, _ other: SignedLedgerHead) -> Bool {
    one.head != other.head || one.root != other.root
  }

  private mutating func add(_ statement: LedgerStatement, from source: String) {
    for (other, name) in statements {
      guard other.key == statement.key, other.head.ledger == statement.head.ledger else {
        unrelated.append("\(name) and \(source) are heads of two ledgers: nothing in them was compared")
        continue
      }
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
    guard statement.key == state.header.key, statement.head.ledger == state.head.ledger, size >= 1 else {
      unrelated.append("\(name) is of another ledger than \(ledger): nothing in them was compared")
      return
    }
    guard size <= state.size else { return }
    if let fork = LedgerFork(statement.head, state.signedHead(size: Int(size)), key: statement.key) {
      forks.append(
        (fork, "\(ledger) does not hold the \(size) records of \(name): their holder signed both, and keeps two ledgers"))
    } else {
      agreements.append("\(ledger) goes on from the \(size) records of \(name)")
    }
  }

  /// One sentence for each head beyond the end of every ledger at hand: records were signed that nobody here has.
  public var rollbacks: [String] {
    statements.compactMap { statement, name in
      let own = ledgers.filter { $0.state.head.ledger == statement.head.ledger && $0.state.header.key == statement.key }
      guard let longest = own.max(by: { $0.state.size < $1.state.size }), statement.head.head.size > longest.state.size else {
        return nil
      }
      return
        "\(longest.source) ends at record \(longest.state.size), but \(name) is a signed head of \(statement.head.head.size): records were rolled back, or this is an older copy; ask for the rest"
    }
  }

  /// What was not compared, one sentence each: heads without a proof between them.
  public var unknown: [String] {
    var sentences: [String] = []
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
