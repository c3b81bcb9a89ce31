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

  @Test("A value of fixed length is its bytes, in their order, and differs in every one")
  func bytes() throws {
    func check<Value: FixedBytes>(_ type: Value.Type, _ count: Int) throws {
      #expect(Value.byteCount == count)
      let bytes = (0..<count).map { UInt8($0 + 1) }
      let value = try #require(Value(bytes: bytes))
      #expect(value.bytes == bytes)
      #expect(value.withUnsafeBytes { Array($0) } == bytes)
      #expect(value.hex == Hexadecimal.encode(bytes))
      #expect([UInt8](repeating: 9, count: 1).withUnsafeBytes { Value(copying: $0) } == nil)
      #expect(([0] + bytes).withUnsafeBytes { Value(copying: UnsafeRawBufferPointer(rebasing: $0[1...])) } == value)
      var others: Set<Value> = [value]
      for index in bytes.indices {
        var changed = bytes
        changed[index] ^= 0x80
        others.insert(try #require(Value(bytes: changed)))
      }
      #expect(others.count == count + 1)
    }
    try check(Digest.self, 32)
    try check(VerificationKey.self, 32)
    try check(Signature.self, 64)
    try check(X25519.PublicKey.self, 32)
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
