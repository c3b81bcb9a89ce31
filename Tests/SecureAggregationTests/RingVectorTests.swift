import CryptoPrimitives
import SecureAggregation
import Testing

@Suite struct RingVectorTests {
  /// The specification's packing, bit by bit.
  private func referencePacking(_ vector: RingVector) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: (vector.count * vector.modulusBits + 7) / 8)
    for entry in 0..<vector.count {
      for bit in 0..<vector.modulusBits where vector[entry] >> UInt64(bit) & 1 == 1 {
        let position = entry * vector.modulusBits + bit
        bytes[position / 8] |= 1 << UInt8(position % 8)
      }
    }
    return bytes
  }

  private func random(_ count: Int, _ modulusBits: Int) -> RingVector {
    var source = KeyedRandomSource(insecureSeed: UInt64(count * 100 + modulusBits))
    return RingVector(
      integers: (0..<count).map { _ in Int64(bitPattern: source.nextUInt64()) }, modulusBits: modulusBits)
  }

  @Test(
    "Packing is the specification's, and unpacking undoes it, for every width",
    arguments: RingVector.modulusBitsRange)
  func packing(modulusBits: Int) throws {
    for count in Array(0...40) + [255, 1000] {
      let vector = random(count, modulusBits)
      let packed = vector.packed()
      #expect(packed == referencePacking(vector), "\(count) entries of \(modulusBits) bits")
      #expect(try RingVector(packed: packed, count: count, modulusBits: modulusBits) == vector)
    }
  }

  @Test("Rounded reals are the nearest integers in the ring, ties to even", arguments: [2, 23, 32, 33, 62])
  func rounding(modulusBits: Int) throws {
    var source = KeyedRandomSource(insecureSeed: UInt64(modulusBits))
    let ties = [-2.5, -1.5, -0.5, -0.0, 0.5, 1.5, 2.5, 0.49999999999999994, 0x1p31, -0x1p31, 0x1p40 + 0.5]
    let values = ties + (0..<1000).map { _ in Double(Int64(bitPattern: source.nextUInt64()) >> 20) / 1024 }
    for scale in [1.0, 0.75] {
      let expected = RingVector(
        integers: values.map { Int64(($0 * scale).rounded(.toNearestOrEven)) }, modulusBits: modulusBits)
      let found = try #require(RingVector(rounding: values, scale: scale, limit: 1 << 45, modulusBits: modulusBits))
      #expect(found == expected)
    }
  }

  @Test("Reals that are no numbers, or too large once rounded, are not taken", arguments: [23, 40])
  func roundingOutOfRange(modulusBits: Int) {
    func takes(_ value: Double, limit: Int64 = 10) -> Bool {
      // At every place of a vector's loop, and in its tail.
      let taken = [0, 7, 16, 19].map { place in
        var values = [Double](repeating: 1, count: 20)
        values[place] = value
        return RingVector(rounding: values, scale: 2, limit: limit, modulusBits: modulusBits) != nil
      }
      #expect(Set(taken).count == 1, "\(value)")
      return taken[0]
    }
    #expect(takes(5.2) && takes(-5.2) && !takes(5.3) && !takes(-5.3))
    #expect(!takes(.nan) && !takes(.infinity) && !takes(-.infinity) && !takes(1e300) && !takes(0x1p62, limit: .max))
    #expect(takes(-0x1p61, limit: .max) && RingVector(rounding: [], scale: 1, limit: 0, modulusBits: modulusBits)?.count == 0)
  }

  @Test("Adding packed bytes is adding the vector", arguments: [2, 7, 23, 32, 33, 62])
  func addPacked(modulusBits: Int) throws {
    let one = random(100, modulusBits)
    var sum = RingVector(integers: (0..<100).map { Int64($0) - 50 }, modulusBits: modulusBits)
    var expected = sum
    expected.add(one)
    try sum.add(packed: one.packed())
    #expect(sum == expected)
    sum.subtract(one)
    #expect(sum.centred() == (0..<100).map { wrap(Int64($0) - 50, modulusBits) })
  }

  private func wrap(_ value: Int64, _ bits: Int) -> Int64 {
    let shift = Int64(64 - bits)
    return (value << shift) >> shift
  }

  @Test("Bytes of a wrong length or with padding bits are refused", arguments: [3, 23, 45])
  func malformed(modulusBits: Int) {
    let packed = random(3, modulusBits).packed()
    let expected = packed.count
    for bytes in [[], Array(packed.dropLast()), packed + [0]] {
      #expect(throws: RingDecodingError.length(found: bytes.count, expected: expected)) {
        try RingVector(packed: bytes, count: 3, modulusBits: modulusBits)
      }
    }
    for bit in (3 * modulusBits % 8)..<8 {
      var padded = packed
      padded[expected - 1] |= 1 << UInt8(bit)
      #expect(throws: RingDecodingError.padding) {
        try RingVector(packed: padded, count: 3, modulusBits: modulusBits)
      }
    }
  }

  @Test("A refused packed vector leaves the sum unchanged")
  func refusedAddition() {
    var sum = random(9, 5)
    let before = sum
    var padded = random(9, 5).packed()
    padded[padded.count - 1] |= 0x80
    #expect(throws: RingDecodingError.padding) { try sum.add(packed: padded) }
    #expect(sum == before)
  }

  @Test(
    "Signed integers come back centred, at the edges of the ring too", arguments: [2, 16, 31, 32, 33, 62])
  func centred(modulusBits: Int) {
    let half = Int64(1) << Int64(modulusBits - 1)
    let integers = [0, 1, -1, half - 1, -half]
    #expect(RingVector(integers: integers, modulusBits: modulusBits).centred() == integers)
    #expect(RingVector(integers: [half], modulusBits: modulusBits).centred() == [-half])
    #expect(RingVector(integers: [-1], modulusBits: modulusBits)[0] == UInt64(half) * 2 - 1)
  }

  @Test("Sums wrap around modulo 2^b and equality looks at the ring only")
  func wrapAround() {
    var vector = RingVector(integers: [Int64(7), -4], modulusBits: 4)
    vector.add(RingVector(integers: [Int64(1), -5], modulusBits: 4))
    #expect(vector.centred() == [-8, 7])
    #expect(vector == RingVector(integers: [Int64(8), 7], modulusBits: 4))
    #expect(vector != RingVector(integers: [Int64(8), 6], modulusBits: 4))
    #expect(vector != RingVector(integers: [Int64(8), 7], modulusBits: 5))
  }
}
