internal import CVectorKernels
internal import Glibc
internal import Synchronization

/// Factors of the transforms of one length (for each stage of half-length h = size/2, …, 1 the h factors e^(−2πik/(2h)) in turn).
///
/// The last half of them are those of half the length, and so on down. So the longest tables that were asked for are kept, and serve all
/// shorter transforms, to the last bit: angles of corresponding places differ by powers of two.
struct FourierTables: Sendable {
  private let size: Int
  private let cosines: [Double]
  private let sines: [Double]

  /// Tables for transforms of this length and of shorter ones.
  static func tables(size: Int) -> FourierTables {
    if let kept = longest.withLock({ $0 }), kept.size >= size { return kept }
    let tables = FourierTables(size: size)
    longest.withLock { $0 = tables }
    return tables
  }

  private init(size: Int) {
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
    self.size = size
    self.cosines = cosines
    self.sines = sines
  }

  /// Transforms the first `count` entries in place; `count` is a power of two.
  func forward(_ re: inout [Double], _ im: inout [Double], count: Int) {
    withFactors(of: count) { tacit_fft_forward(&re, &im, count, $0, $1) }
  }

  /// The way back, times `count`.
  func inverse(_ re: inout [Double], _ im: inout [Double], count: Int) {
    withFactors(of: count) { tacit_fft_inverse(&re, &im, count, $0, $1) }
  }

  private func withFactors(of count: Int, _ body: (UnsafePointer<Double>, UnsafePointer<Double>) -> Void) {
    precondition(count <= size, "tables serve transforms of their length and shorter ones")
    cosines.withUnsafeBufferPointer { cosines in
      sines.withUnsafeBufferPointer { sines in
        guard let cosines = cosines.baseAddress, let sines = sines.baseAddress else { return }
        body(cosines + (size - count), sines + (size - count))
      }
    }
  }

  private static let longest = Mutex<FourierTables?>(nil)
}
