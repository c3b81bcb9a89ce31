public import CryptoPrimitives

/// What a partner tells the coordinator about its own part, signed with its identity: it joins a plan, rests, goes on, leaves.
///
/// The statement is the partner's to make and the coordinator's to keep: whoever asks later why a partner was in a plan is
/// shown these bytes. Numbers ascend, so that an old statement that is sent again changes nothing.
public struct PartnerStatement: Sendable, Equatable {
  /// What is stated.
  public enum Kind: UInt8, Sendable, Equatable, CaseIterable {
    /// The partner has read the plan and takes part in it.
    case consent = 1
    /// No attempt is answered until further notice.
    case pause = 2
    case resume = 3
    /// The partner takes no further part in the task.
    case leave = 4
  }

  public let kind: Kind
  /// The task, 16 bytes.
  public let task: [UInt8]
  public let participant: UInt32
  /// Counts this partner's statements from 1.
  public let number: UInt64
  /// SHA-256 of the plan that is consented to; zero for the other kinds.
  public let plan: Digest
  /// SHA-256 of the signed roster that the partner was shown with the plan; zero for the other kinds.
  public let roster: Digest
  /// Seconds since 1970-01-01 00:00 UTC, by the partner's clock.
  public let time: UInt64
  /// By the partner's identity, over `signedBytes`.
  public let signature: Signature

  /// Makes and signs a statement.
  ///
  /// - Precondition: `task` has 16 bytes.
  public init(
    _ kind: Kind, task: [UInt8], participant: UInt32, number: UInt64, plan: Digest = .zero, roster: Digest = .zero,
    time: UInt64, key: SigningKey
  ) {
    precondition(task.count == Self.taskByteCount, "a task has 16 bytes, found \(task.count)")
    self.kind = kind
    self.task = task
    self.participant = participant
    self.number = number
    self.plan = plan
    self.roster = roster
    self.time = time
    signature = key.sign(Self.signedBytes(kind, task, participant, number, plan, roster, time))
  }

  /// Reads a statement as `encoded` writes it; the signature is not looked at.
  ///
  /// - Returns: `nil` for anything that `encoded` would not write.
  public init?(decoding bytes: [UInt8]) {
    guard bytes.count == Self.byteCount, bytes.starts(with: Self.label) else { return nil }
    var position = Self.label.count
    func take(_ count: Int) -> [UInt8] {
      defer { position += count }
      return Array(bytes[position..<position + count])
    }
    func integer<T: FixedWidthInteger>(_ type: T.Type) -> T {
      take(MemoryLayout<T>.size).reversed().reduce(0) { $0 << 8 | T($1) }
    }
    guard let kind = Kind(rawValue: integer(UInt8.self)) else { return nil }
    self.kind = kind
    task = take(Self.taskByteCount)
    participant = integer(UInt32.self)
    number = integer(UInt64.self)
    guard let plan = Digest(bytes: take(32)), let roster = Digest(bytes: take(32)) else { return nil }
    self.plan = plan
    self.roster = roster
    time = integer(UInt64.self)
    guard let signature = Signature(bytes: take(Signature.byteCount)) else { return nil }
    self.signature = signature
  }

  /// The signed bytes with the signature after them.
  public var encoded: [UInt8] { signedBytes + signature.bytes }

  /// Whether the identity signed exactly this.
  public func isSigned(by key: VerificationKey) -> Bool { key.verifies(signature, of: signedBytes) }

  /// Label, kind (1 byte), task (16), participant (4), number (8), plan (32), roster (32), time (8); integers little-endian.
  private var signedBytes: [UInt8] { Self.signedBytes(kind, task, participant, number, plan, roster, time) }

  private static func signedBytes(
    _ kind: Kind, _ task: [UInt8], _ participant: UInt32, _ number: UInt64, _ plan: Digest, _ roster: Digest, _ time: UInt64
  ) -> [UInt8] {
    var bytes = label
    bytes.append(kind.rawValue)
    bytes += task
    withUnsafeBytes(of: participant.littleEndian) { bytes += $0 }
    withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
    bytes += plan.bytes
    bytes += roster.bytes
    withUnsafeBytes(of: time.littleEndian) { bytes += $0 }
    return bytes
  }

  private static let label = Array("tacit/v1/partner-statement\n".utf8)
  private static let taskByteCount = 16
  private static let byteCount = label.count + 1 + taskByteCount + 4 + 8 + 32 + 32 + 8 + Signature.byteCount
}
