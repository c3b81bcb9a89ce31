internal import Dispatch

/// Loops on all cores.
enum Parallel {
  /// Calls `body` once for every block of `0..<count`, several blocks at a time; returns when all are done.
  ///
  /// The body runs on many threads: it may read anything, but must write only what belongs to its block. The blocks do
  /// not depend on the number of cores, so sums made block by block are the same everywhere.
  static func forEachBlock(of count: Int, size: Int, _ body: (Range<Int>) -> Void) {
    precondition(size > 0, "a block needs at least one element")
    withoutActuallyEscaping(body) { body in
      // The compiler cannot see that blocks are disjoint; the contract above says so.
      nonisolated(unsafe) let body = body
      DispatchQueue.concurrentPerform(iterations: (count + size - 1) / size) { block in
        body(block * size..<min(count, (block + 1) * size))
      }
    }
  }
}
