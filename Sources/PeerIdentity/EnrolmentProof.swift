public import CryptoPrimitives

/// What a partner signs with its new identity when it enrols: token, identity and certificate request belong together.
///
/// Without it somebody who has seen a token could put another's certificate request under an identity, or the other way round.
public enum EnrolmentProof {
  /// The signed bytes: label, hash of the token's secret (32), verification key (32), SHA-256 of the request's DER (32).
  public static func message(secret: SecretBytes, verificationKey: VerificationKey, request: [UInt8]) -> [UInt8] {
    Array("tacit/v1/enrolment-proof\n".utf8) + EnrolmentToken.secretHash(secret).bytes + verificationKey.bytes
      + SHA256.hash(request).bytes
  }

  /// The signature that an application carries.
  public static func sign(secret: SecretBytes, request: [UInt8], key: SigningKey) -> Signature {
    key.sign(message(secret: secret, verificationKey: key.verificationKey, request: request))
  }

  /// Whether whoever applies holds the identity, the token and meant this request.
  public static func verifies(
    _ proof: Signature, secret: SecretBytes, request: [UInt8], key: VerificationKey
  ) -> Bool {
    key.verifies(proof, of: message(secret: secret, verificationKey: key, request: request))
  }
}
