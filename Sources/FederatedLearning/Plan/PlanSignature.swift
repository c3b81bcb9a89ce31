public import CryptoPrimitives

/// The coordinator's signature on a plan: what a partner checks before it reads a word of it.
public enum PlanSignature {
  /// The signed bytes: label and SHA-256 of the plan's bytes.
  public static func message(_ planBytes: [UInt8]) -> [UInt8] {
    Array("tacit/v1/plan\n".utf8) + SHA256.hash(planBytes).bytes
  }

  /// Whether `key` signed exactly these bytes of a plan.
  public static func verifies(_ signature: Signature, of planBytes: [UInt8], by key: VerificationKey) -> Bool {
    key.verifies(signature, of: message(planBytes))
  }
}
