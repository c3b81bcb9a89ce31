public import CryptoPrimitives

/// One enrolled participant of a plan, by the number that the plan's roster gives it.
public struct ParticipantID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  public let rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public init(_ rawValue: UInt32) { self.rawValue = rawValue }

  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  public var description: String { String(rawValue) }
}

/// One run of a plan: 16 bytes that never repeat.
public struct SessionID: FixedBytes {
  private let storage: InlineArray<2, UInt64>
}

/// Which attempt a message, a key or a signature belongs to.
///
/// All of it enters every key derivation, every hash and every signature, so that nothing made for one attempt can be
/// used in another, nor under another plan or model (Pasquini et al., CCS 2022).
public struct AttemptContext: Hashable, Sendable {
  public let session: SessionID
  /// Index of the round within the session, from 0.
  public let round: UInt32
  /// Index of the attempt at this round, from 0.
  public let attempt: UInt32
  /// The plan hash: covers plan, roster, model bytes and the coordinator's ledger head.
  public let binding: Digest

  public init(session: SessionID, round: UInt32, attempt: UInt32, binding: Digest) {
    self.session = session
    self.round = round
    self.attempt = attempt
    self.binding = binding
  }
}

/// What a participant says about its own privacy ledger when it joins an attempt (privacy ledger, no rollback).
public struct LedgerHead: Hashable, Sendable {
  /// Number of entries.
  public let size: UInt64
  /// Hash of the last entry; all zero for an empty ledger.
  public let head: Digest

  public init(size: UInt64, head: Digest) {
    self.size = size
    self.head = head
  }

  public static let empty = LedgerHead(size: 0, head: .zero)
}

/// The five stages of Bonawitz et al. (CCS 2017, figure 4), in order.
public enum AggregationStage: UInt8, Sendable, CaseIterable, Comparable, CustomStringConvertible {
  case advertiseKeys = 1
  case shareKeys = 2
  case maskedInput = 3
  case consistencyCheck = 4
  case unmask = 5

  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  public var description: String {
    switch self {
    case .advertiseKeys: "advertise keys"
    case .shareKeys: "share keys"
    case .maskedInput: "masked input"
    case .consistencyCheck: "consistency check"
    case .unmask: "unmask"
    }
  }
}
