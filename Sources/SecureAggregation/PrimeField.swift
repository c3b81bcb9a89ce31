/// Arithmetic modulo the Mersenne prime p = 2^61 − 1, free of branches on values.
package enum PrimeField {
  package static let modulus: UInt64 = (1 << 61) - 1

  /// a + b mod p, for a, b < p.
  @inline(__always)
  package static func add(_ a: UInt64, _ b: UInt64) -> UInt64 { reduceOnce(a &+ b) }

  /// a − b mod p, for a, b < p.
  @inline(__always)
  package static func subtract(_ a: UInt64, _ b: UInt64) -> UInt64 { reduceOnce(a &+ modulus &- b) }

  /// a · b mod p, for a, b < p. The product is below 2^122: its low 61 bits and the rest add up to it mod p.
  @inline(__always)
  package static func multiply(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    let high = product.high &<< 3 | product.low &>> 61
    return reduceOnce((product.low & modulus) &+ high)
  }

  /// a^(p−2), the inverse of a ≠ 0. The exponent is public.
  package static func inverse(_ a: UInt64) -> UInt64 {
    var result: UInt64 = 1
    var power = a
    var exponent = modulus - 2
    while exponent > 0 {
      if exponent & 1 == 1 { result = multiply(result, power) }
      power = multiply(power, power)
      exponent >>= 1
    }
    return result
  }

  /// x mod p for x < 2p: subtracts p and adds it back under a mask made of the borrow.
  @inline(__always)
  private static func reduceOnce(_ x: UInt64) -> UInt64 {
    let difference = x &- modulus
    let borrow = UInt64(bitPattern: Int64(bitPattern: difference) >> 63)
    return difference &+ (modulus & borrow)
  }
}
