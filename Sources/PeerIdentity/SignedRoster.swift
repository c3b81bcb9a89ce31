public import CryptoPrimitives

/// One partner of a roster.
public struct RosterEntry: Sendable, Hashable {
  public enum Status: UInt8, Sendable, CaseIterable {
    case active = 1
    case revoked = 2
  }

  public let participant: UInt32
  public let name: PartnerName
  /// The partner's Ed25519 identity.
  public let verificationKey: VerificationKey
  public let status: Status
  /// Seconds since 1970.
  public let enrolledAt: Int

  public init(participant: UInt32, name: PartnerName, verificationKey: VerificationKey, status: Status, enrolledAt: Int) {
    self.participant = participant
    self.name = name
    self.verificationKey = verificationKey
    self.status = status
    self.enrolledAt = enrolledAt
  }
}

/// Who takes part in a task, signed by its coordinator, with a fingerprint that partners compare on the phone.
///
/// Signed bytes: "tacit/v1/roster" ‖ LF ‖ task ID (16) ‖ version (8) ‖ issued, seconds since 1970 (8) ‖ the coordinator's
/// Ed25519 key (32) ‖ number of entries (4) ‖ entries by rising participant: number (4), key (32), status (1), enrolled
/// (8), name (length, then bytes). Integers are big-endian. `encoded()` adds the signature (64).
public struct SignedRoster: Sendable, Hashable {
  /// 32 hexadecimal digits (`TrustAnchor.taskID`), by which the roster covers the certificate authority.
  public let taskID: String
  /// By rising participant.
  public let entries: [RosterEntry]
  /// Seconds since 1970.
  public let issued: Int
  /// Grows with every change.
  public let version: UInt64
  /// Who signed.
  public let coordinator: VerificationKey
  public let signature: Signature

  /// Signs a roster.
  ///
  /// - Throws: `PeerIdentityError` of kind `malformed` when a participant or a key stands there twice, or two active
  ///   partners have one name.
  public static func sign(taskID: String, entries: [RosterEntry], issued: Int, version: UInt64, key: SigningKey) throws
    -> SignedRoster
  {
    guard PartnerIdentityURI.isTaskID(taskID) else {
      throw PeerIdentityError(.malformed, "the task ID is not 32 lower-case hexadecimal digits")
    }
    let entries = entries.sorted { $0.participant < $1.participant }
    if let sentence = complaint(about: entries, issued: issued) { throw PeerIdentityError(.malformed, sentence) }
    let bytes = signedBytes(
      taskID: taskID, entries: entries, issued: issued, version: version, coordinator: key.verificationKey)
    return SignedRoster(
      taskID: taskID, entries: entries, issued: issued, version: version, coordinator: key.verificationKey,
      signature: key.sign(bytes))
  }

  /// Reads `encoded()`; whether the signature holds is `isSigned(by:)`'s to say.
  ///
  /// - Throws: `PeerIdentityError` of kind `corrupt` unless the bytes are the one encoding of a roster.
  public init(decoding bytes: [UInt8]) throws {
    guard bytes.count <= Self.byteCountMax, let roster = bytes.withUnsafeBytes({ Self(reading: $0) }),
      Self.complaint(about: roster.entries, issued: roster.issued) == nil
    else {
      throw PeerIdentityError(.corrupt, "\(bytes.count) bytes are no roster of a task; fetch it again")
    }
    self = roster
  }

  /// Canonical bytes with the signature.
  public func encoded() -> [UInt8] { signedBytes + signature.bytes }

  /// Whether the coordinator whom the reader pinned signed exactly this.
  public func isSigned(by key: VerificationKey) -> Bool { key == coordinator && key.verifies(signature, of: signedBytes) }

  /// Over everything that is signed: task and authority, coordinator, partners with keys and status, version and time.
  public var fingerprint: ShortFingerprint { ShortFingerprint(of: SHA256.hash(signedBytes)) }

  public func entry(of participant: UInt32) -> RosterEntry? { entries.first { $0.participant == participant } }

  private var signedBytes: [UInt8] {
    Self.signedBytes(taskID: taskID, entries: entries, issued: issued, version: version, coordinator: coordinator)
  }

  private static func signedBytes(
    taskID: String, entries: [RosterEntry], issued: Int, version: UInt64, coordinator: VerificationKey
  ) -> [UInt8] {
    var writer = CanonicalWriter()
    writer.raw(label)
    writer.raw(Hexadecimal.decode(taskID) ?? [])
    writer.integer(version)
    writer.integer(Int64(issued))
    writer.raw(coordinator.bytes)
    writer.integer(UInt32(entries.count))
    for entry in entries {
      writer.integer(entry.participant)
      writer.raw(entry.verificationKey.bytes)
      writer.integer(entry.status.rawValue)
      writer.integer(Int64(entry.enrolledAt))
      writer.text(entry.name.text)
    }
    return writer.bytes
  }

  private init?(reading bytes: UnsafeRawBufferPointer) {
    var reader = CanonicalReader(bytes)
    guard let label = reader.raw(Self.label.count), label.elementsEqual(Self.label), let task = reader.raw(16),
      let version = reader.integer(UInt64.self), let issued = reader.integer(Int64.self),
      let coordinator = reader.fixed(VerificationKey.self), let count = reader.integer(UInt32.self)
    else { return nil }
    var entries: [RosterEntry] = []
    for _ in 0..<count {
      guard let participant = reader.integer(UInt32.self), let key = reader.fixed(VerificationKey.self),
        let status = reader.integer(UInt8.self).flatMap(RosterEntry.Status.init), let enrolledAt = reader.integer(Int64.self),
        let field = reader.field(), let name = try? PartnerName(String(decoding: field, as: UTF8.self))
      else { return nil }
      entries.append(
        RosterEntry(
          participant: participant, name: name, verificationKey: key, status: status, enrolledAt: Int(enrolledAt)))
    }
    guard let signature = reader.fixed(Signature.self), reader.isAtEnd else { return nil }
    self.init(
      taskID: Hexadecimal.encode(task), entries: entries, issued: Int(issued), version: version, coordinator: coordinator,
      signature: signature)
  }

  private init(
    taskID: String, entries: [RosterEntry], issued: Int, version: UInt64, coordinator: VerificationKey, signature: Signature
  ) {
    self.taskID = taskID
    self.entries = entries
    self.issued = issued
    self.version = version
    self.coordinator = coordinator
    self.signature = signature
  }

  private static func complaint(about entries: [RosterEntry], issued: Int) -> String? {
    if issued < 0 || entries.contains(where: { $0.enrolledAt < 0 }) { return "the roster has a time before 1970" }
    for (left, right) in zip(entries, entries.dropFirst()) where left.participant >= right.participant {
      return "participant \(right.participant) stands in the roster twice or out of order"
    }
    if Set(entries.map(\.verificationKey)).count < entries.count { return "two partners of the roster have the same key" }
    let names = entries.filter { $0.status == .active }.map(\.name)
    if Set(names).count < names.count { return "two active partners of the roster have the same name" }
    return nil
  }

  private static let label = Array("tacit/v1/roster\n".utf8)
  private static let byteCountMax = 16 << 20
}
