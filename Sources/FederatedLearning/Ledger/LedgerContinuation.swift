internal import CryptoPrimitives
public import SecureAggregation

/// The records of a ledger between two heads: the proof, for whoever kept the earlier one, that the later one goes on from it.
///
/// Nobody keeps more of the coordinator's ledger than size and chain hash. A tree's consistency proof says nothing to them: whoever
/// signs a head also chooses its root, and could put any two chain hashes under one. The records do: chained to the hash that
/// is known they give the later hash, or they are not the records between the two (Protocols/ledger.md §4).
public struct LedgerContinuation: Sendable, Equatable {
  /// As they were chained, oldest first; canonical JSON, and so without a line feed.
  public let payloads: [[UInt8]]

  public init(payloads: [[UInt8]]) { self.payloads = payloads }

  /// The payloads, each with a line feed after it.
  public var encoded: [UInt8] { payloads.flatMap { $0 + [Self.lineFeed] } }

  /// - Returns: `nil` for bytes that do not end with a line feed.
  public init?(decoding bytes: [UInt8]) {
    guard bytes.last == Self.lineFeed else { return nil }
    payloads = bytes.dropLast().split(separator: Self.lineFeed, omittingEmptySubsequences: false).map { Array($0) }
  }

  /// The heads that the records lead to from `known`, one for each.
  public func heads(after known: LedgerHead) -> [LedgerHead] {
    var last = known
    return payloads.map { payload in
      last = LedgerHead(size: last.size &+ 1, head: LedgerChain.link(previous: last.head, payload: payload))
      return last
    }
  }

  private static let lineFeed = UInt8(ascii: "\n")
}
