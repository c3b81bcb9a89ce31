public import CryptoPrimitives

/// The coordinator's word that a new key signs from now on, signed by the old key and by the new one.
///
/// The old key's signature alone makes nobody trust the new key: whoever stole the old one could write it. A person at each
/// partner compares the new key's fingerprint on the phone.
///
/// Signed bytes: "tacit/v1/key-succession" ‖ LF ‖ task ID (16) ‖ old key (32) ‖ new key (32) ‖ issued, seconds since 1970 (8,
/// big-endian). `encoded` adds the old key's signature (64) and the new key's (64).
public struct KeySuccession: Sendable, Hashable {
  /// 32 hexadecimal digits.
  public let taskID: String
  public let old: VerificationKey
  public let new: VerificationKey
  /// Seconds since 1970.
  public let issued: Int
  private let oldSignature: Signature
  private let newSignature: Signature

  /// Signs a succession.
  ///
  /// - Precondition: the task ID is one, and the keys differ.
  public init(taskID: String, old: SigningKey, new: SigningKey, issued: Int) {
    precondition(PartnerIdentityURI.isTaskID(taskID), "a task ID has 32 hexadecimal digits")
    precondition(old.verificationKey != new.verificationKey, "a key does not follow itself")
    let bytes = Self.signedBytes(taskID: taskID, old: old.verificationKey, new: new.verificationKey, issued: issued)
    self.taskID = taskID
    self.old = old.verificationKey
    self.new = new.verificationKey
    self.issued = issued
    oldSignature = old.sign(bytes)
    newSignature = new.sign(bytes)
  }

  /// Reads `encoded`; whether the signatures hold is `isSigned`'s to say.
  ///
  /// - Throws: `PeerIdentityError` of kind `corrupt` for anything that `encoded` would not write.
  public init(decoding bytes: [UInt8]) throws {
    guard let content = bytes.withUnsafeBytes({ Self(reading: $0) }) else {
      throw PeerIdentityError(.corrupt, "\(bytes.count) bytes are no succession of a coordinator's key; fetch it again")
    }
    self = content
  }

  /// Reads successions that stand one behind the other.
  ///
  /// - Throws: `PeerIdentityError` of kind `corrupt`, also for more than `countMax` of them.
  public static func all(decoding bytes: [UInt8]) throws -> [KeySuccession] {
    guard bytes.count.isMultiple(of: byteCount), bytes.count / byteCount <= countMax else {
      throw PeerIdentityError(.corrupt, "\(bytes.count) bytes are no successions of a coordinator's key; fetch them again")
    }
    return try stride(from: 0, to: bytes.count, by: byteCount).map {
      try KeySuccession(decoding: Array(bytes[$0..<$0 + byteCount]))
    }
  }

  /// Successions of one task at most.
  public static let countMax = 1000

  public var encoded: [UInt8] {
    Self.signedBytes(taskID: taskID, old: old, new: new, issued: issued) + oldSignature.bytes + newSignature.bytes
  }

  /// Whether both keys signed exactly this.
  public var isSigned: Bool {
    let bytes = Self.signedBytes(taskID: taskID, old: old, new: new, issued: issued)
    return old != new && old.verifies(oldSignature, of: bytes) && new.verifies(newSignature, of: bytes)
  }

  private init?(reading bytes: UnsafeRawBufferPointer) {
    var reader = CanonicalReader(bytes)
    guard let label = reader.raw(Self.label.count), label.elementsEqual(Self.label), let task = reader.raw(16),
      let old = reader.fixed(VerificationKey.self), let new = reader.fixed(VerificationKey.self),
      let issued = reader.integer(Int64.self), let oldSignature = reader.fixed(Signature.self),
      let newSignature = reader.fixed(Signature.self), reader.isAtEnd
    else { return nil }
    taskID = Hexadecimal.encode(task)
    self.old = old
    self.new = new
    self.issued = Int(issued)
    self.oldSignature = oldSignature
    self.newSignature = newSignature
  }

  private static func signedBytes(taskID: String, old: VerificationKey, new: VerificationKey, issued: Int) -> [UInt8] {
    var writer = CanonicalWriter()
    writer.raw(label)
    writer.raw(Hexadecimal.decode(taskID) ?? [])
    writer.raw(old.bytes)
    writer.raw(new.bytes)
    writer.integer(Int64(issued))
    return writer.bytes
  }

  private static let label = Array("tacit/v1/key-succession\n".utf8)
  private static let byteCount = label.count + 16 + 32 + 32 + 8 + 2 * Signature.byteCount
}
