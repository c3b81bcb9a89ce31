public import CryptoPrimitives

/// Who calls: what the server knows of the other end of a call before it looks at the call itself.
public struct Peer: Sendable, Hashable {
  /// Number in the task's roster, from the certificate's URI name (never from a message).
  public var participant: UInt32
  /// SHA-256 of the certificate's DER; 32 zero bytes in insecure loopback mode.
  public var certificateFingerprint: Digest
  /// Serial number of the certificate, lower-case hexadecimal; empty in insecure loopback mode.
  public var serial: String
  /// End of the certificate's validity, seconds since 1970; the greatest number in insecure loopback mode.
  public var notAfter: Int64
  /// Address and port that the call came from, for the log.
  public var address: String
  /// 16 random bytes that the calling process drew when it started; every call carries them.
  public var instance: InstanceID

  public init(
    participant: UInt32, certificateFingerprint: Digest, serial: String, notAfter: Int64, address: String, instance: InstanceID
  ) {
    self.participant = participant
    self.certificateFingerprint = certificateFingerprint
    self.serial = serial
    self.notAfter = notAfter
    self.address = address
    self.instance = instance
  }
}

/// 16 random bytes, drawn by a partner's process when it starts: two processes of one identity differ in it.
public struct InstanceID: FixedBytes {
  private let storage: InlineArray<2, UInt64>

  /// A new one, from the system's generator.
  public static func random() -> InstanceID {
    var generator = SystemRandomNumberGenerator()
    return InstanceID { bytes in for index in bytes.indices { bytes[index] = UInt8.random(in: 0...255, using: &generator) } }
  }

  /// 16 zero bytes: nobody's.
  public static let none = InstanceID { _ in }
}
