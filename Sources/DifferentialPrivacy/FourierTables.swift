internal import CVectorKernels
internal import Synchronization

/// Factors of the transforms of one length; the last length is kept, as one answer asks for it several times.
struct FourierTables: Sendable {
  let size: Int
  let cosines: [Double]
  let sines: [Double]

  static func tables(size: Int) -> FourierTables {
    if let kept = last.withLock({ $0 }), kept.size == size { return kept }
    var cosines = [Double](repeating: 0, count: size)
    var sines = cosines
    tacit_fft_twiddles(&cosines, &sines, size)
    let tables = FourierTables(size: size, cosines: cosines, sines: sines)
    last.withLock { $0 = tables }
    return tables
  }

  private static let last = Mutex<FourierTables?>(nil)
}
