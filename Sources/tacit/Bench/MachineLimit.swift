internal import Recommender
internal import Simulation

/// What one core of this machine does at best, measured in the run whose rows it stands beside.
struct MachineLimit {
  /// Floating-point operations of a product of 512 × 512 Float32 matrices, per CPU second.
  let operationsPerSecond: Double
  /// Bytes read and written by a copy of 64 MiB, per CPU second.
  let bytesPerSecond: Double

  /// The best of several tries: a limit is what can be reached, not what is usual.
  static func measure() -> MachineLimit {
    MachineLimit(operationsPerSecond: product(order: 512), bytesPerSecond: copy(bytes: 1 << 26))
  }

  /// CPU seconds that this much arithmetic and this many bytes take at the limit.
  func seconds(operations: Double, bytes: Double = 0) -> Double {
    operations / operationsPerSecond + bytes / bytesPerSecond
  }

  private static func product(order: Int) -> Double {
    let a = (0..<order * order).map { Float($0 % 13) }
    var c = a
    // For half a second or so: OpenBLAS starts a thread for every core, and those that get no work spin before they sleep.
    let best = best(of: 200) {
      c.withUnsafeMutableBufferPointer { c in
        guard let base = c.baseAddress else { return }
        DenseAlgebra.multiply(a, a, into: base, rows: order, columns: order, inner: order)
      }
    }
    return 2 * Double(order * order * order) / best
  }

  private static func copy(bytes: Int) -> Double {
    let source = [UInt8](repeating: 1, count: bytes)
    var target = source
    let best = best(of: 6) {
      target.withUnsafeMutableBytes { target in source.withUnsafeBytes { target.copyMemory(from: $0) } }
    }
    return 2 * Double(bytes) / best
  }

  private static func best(of count: Int, _ body: () -> Void) -> Double {
    body()
    return (0..<count).map { _ in
      let began = StageMeter.processCPU()
      body()
      return max(StageMeter.processCPU() - began, 1e-9)
    }.min() ?? .infinity
  }
}
