import CryptoPrimitives
import Testing

@Suite struct FixedBytesTests {
  @Test("A value of fixed length takes exactly its length")
  func lengths() {
    #expect(Digest(bytes: [UInt8](repeating: 1, count: 31)) == nil)
    #expect(Digest(bytes: [UInt8](repeating: 1, count: 33)) == nil)
    #expect(Digest(bytes: [UInt8](repeating: 0, count: 32)) == Digest.zero)
    #expect(Signature(bytes: [UInt8](repeating: 0, count: 32)) == nil)
    #expect(X25519.PublicKey(bytes: []) == nil)
    #expect(VerificationKey(bytes: [UInt8](repeating: 0, count: 64)) == nil)
  }

  @Test("Hexadecimal goes both ways and refuses what is no hexadecimal")
  func hexadecimal() {
    let digest = SHA256.hash([1])
    #expect(Digest(hex: digest.hex) == digest)
    #expect(Digest(hex: digest.hex.uppercased()) == digest)
    #expect(Digest(hex: String(digest.hex.dropLast())) == nil)
    #expect(Digest(hex: "g" + digest.hex.dropFirst()) == nil)
    #expect(Hexadecimal.decode("0") == nil)
    #expect(Hexadecimal.decode("00ff") == [0, 255])
  }
}
