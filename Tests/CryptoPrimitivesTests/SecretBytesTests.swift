import CryptoPrimitives
import Dispatch
import Synchronization
import Testing

@Suite struct SecretBytesTests {
  @Test("Nothing prints a secret's content")
  func unprintable() {
    let secret = SecretBytes(copying: Array("correct horse".utf8))
    let key = SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 0xAB, count: 32)))
    let agreement = X25519.SecretKey(scalar: SecretBytes(copying: [UInt8](repeating: 0xAB, count: 32)))
    var dumped = ""
    dump(secret, to: &dumped)
    dump(key, to: &dumped)
    dump(agreement, to: &dumped)
    dump([secret], to: &dumped)
    for text in [
      "\(secret)", String(reflecting: secret), "\(key)", String(reflecting: key), "\(agreement)", dumped,
    ] {
      #expect(!text.contains("horse") && !text.contains("171") && !text.lowercased().contains("abab"))
      #expect(!text.contains("0x"))
    }
    #expect(Mirror(reflecting: secret).children.isEmpty)
    #expect(Mirror(reflecting: key).children.isEmpty)
    #expect(Mirror(reflecting: agreement).children.isEmpty)
  }

  @Test("Secrets are compared by content")
  func equality() {
    let one = SecretBytes(copying: [1, 2, 3] as [UInt8])
    #expect(one.isEqual(to: SecretBytes(copying: [1, 2, 3] as [UInt8])))
    #expect(!one.isEqual(to: SecretBytes(copying: [1, 2, 4] as [UInt8])))
    #expect(!one.isEqual(to: SecretBytes(copying: [1, 2] as [UInt8])))
    #expect(SecretBytes(count: 0) { _ in }.isEqual(to: SecretBytes(copying: [UInt8]())))
  }

  @Test("A fresh secret is zero until it is written, and random ones differ")
  func initialisation() {
    SecretBytes(count: 40) { memory in #expect(memory.allSatisfy { $0 == 0 }) }.withUnsafeBytes {
      #expect($0.count == 40)
    }
    var random = SystemRandomSource()
    #expect(!SecretBytes(count: 32, random: &random).isEqual(to: SecretBytes(count: 32, random: &random)))
  }

  @Test("Wiping an array empties it and wiping a buffer zeroes it")
  func wiping() {
    var bytes: [UInt8] = [1, 2, 3]
    bytes.withUnsafeMutableBytes { buffer in
      wipe(buffer)
      #expect(buffer.allSatisfy { $0 == 0 })
    }
    bytes = [4]
    wipe(&bytes)
    #expect(bytes.isEmpty)
  }

  @Test("Of the secrets that many threads make and give back at once no two lie in one place")
  func threads() {
    let wrong = Mutex(0)
    DispatchQueue.concurrentPerform(iterations: 8) { index in
      let mark = UInt8(index + 1)
      for _ in 0..<1000 {
        let secrets = (0..<4).map { _ in SecretBytes(copying: [UInt8](repeating: mark, count: 32)) }
        if !secrets.allSatisfy({ $0.withUnsafeBytes { $0.allSatisfy { $0 == mark } } }) { wrong.withLock { $0 += 1 } }
      }
    }
    #expect(wrong.withLock { $0 } == 0)
  }
}
