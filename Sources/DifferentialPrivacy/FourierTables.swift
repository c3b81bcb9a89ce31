internal import Glibc
internal import Synchronization

/// Factors of the transforms of one length (for each stage of half-length h = size/2, …, 1 the h factors e^(−2πik/(2h)) in turn); the last
/// length is kept, as one answer asks for it several times.
struct FourierTables: Sendable {
  let size: Int
  let cosines: [Double]
  let sines: [Double]

  static func tables(size: Int) -> FourierTables {
    if let kept = last.withLock({ $0 }), kept.size == size { return kept }
    var cosines = [Double](repeating: 1, count: size)
    var sines = [Double](repeating: 0, count: size)
    // The first stage has the angles of all others: each further stage takes every second one. Half of the first stage is the other
    // half turned by a right angle.
    let half = size / 2
    let quarter = max(1, half / 2)
    for k in 0..<quarter {
      let angle = -Double.pi * Double(k) / Double(half)
      cosines[k] = cos(angle)
      sines[k] = sin(angle)
      if half > 1 {
        cosines[k + quarter] = sines[k]
        sines[k + quarter] = -cosines[k]
      }
    }
    var from = 0
    var length = half
    while length > 1 {
      let to = from + length
      for k in 0..<length / 2 {
        cosines[to + k] = cosines[from + 2 * k]
        sines[to + k] = sines[from + 2 * k]
      }
      from = to
      length /= 2
    }
    let tables = FourierTables(size: size, cosines: cosines, sines: sines)
    last.withLock { $0 = tables }
    return tables
  }

  private static let last = Mutex<FourierTables?>(nil)
}
