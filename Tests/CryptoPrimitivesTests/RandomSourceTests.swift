import CryptoPrimitives
import Testing

@Suite struct RandomSourceTests {
  @Test("A keyed source is one stream whatever the pieces, and repeats for its seed")
  func stream() {
    var one = KeyedRandomSource(insecureSeed: 1)
    var two = KeyedRandomSource(insecureSeed: 1)
    var other = KeyedRandomSource(insecureSeed: 2)
    let whole = one.bytes(40_000)
    #expect(two.bytes(1) + two.bytes(16_384) + two.bytes(23_615) == whole)
    #expect(other.bytes(40_000) != whole)
  }

  @Test("A keyed source is the ChaCha20 keystream of its key")
  func keystream() {
    let key = [UInt8](0..<32)
    var source = KeyedRandomSource(key: key)
    #expect(source.bytes(20_000) == Keystream(suite: .chaCha20, key: SecretBytes(copying: key)).next(20_000))
  }

  @Test("Uniform integers stay below their bound and reach every value")
  func uniform() {
    var source = KeyedRandomSource(insecureSeed: 3)
    var seen = Set<UInt64>()
    for _ in 0..<1000 {
      let value = source.uniform(below: 7)
      #expect(value < 7)
      seen.insert(value)
    }
    #expect(seen.count == 7)
    #expect(source.uniform(below: 1) == 0)
  }
}

extension RandomSourceTests {
  @Test("A keyed source has no printable form, so that its key cannot stand in a log")
  func unprintable() {
    var source = KeyedRandomSource(key: [UInt8](repeating: 0xC7, count: 32))
    _ = source.bytes(1)
    var text = "\(source) \(String(reflecting: source))"
    dump(source, to: &text)
    dump(["inside": source as any RandomSource], to: &text)
    #expect(!text.contains("199"))
    #expect(Mirror(reflecting: source).children.isEmpty)
  }

  @Test("A key that the caller keeps is not wiped under its hands")
  func keptKey() {
    let key = [UInt8](repeating: 0xC7, count: 32)
    var one = KeyedRandomSource(key: key)
    var two = KeyedRandomSource(key: key)
    #expect(one.bytes(64) == two.bytes(64))
    #expect(key == [UInt8](repeating: 0xC7, count: 32))
  }
}
