internal import Synchronization

/// Divergences of single releases that were computed before: a run asks for the same few thousands of times (a filter
/// before every release, a ledger for every charge), and one curve costs tens of milliseconds.
///
/// A curve depends on public parameters only, so that sharing it between threads and runs changes no result.
enum RenyiCurveCache {
  struct Key: Hashable {
    let term: PrivacyLoss.Term
    let adjacency: Adjacency
    let orders: [Double]
  }

  private static let curves = Mutex<[Key: [Double]]>([:])

  /// The curve under `key`, computed by `compute` when it is asked for the first time.
  static func curve(_ key: Key, compute: () -> [Double]) -> [Double] {
    if let known = curves.withLock({ $0[key] }) { return known }
    // Computed outside the lock: two threads may do the same work once, and get the same curve.
    let curve = compute()
    curves.withLock { curves in
      if curves.count >= countMax { curves.removeAll() }
      curves[key] = curve
    }
    return curve
  }

  private static let countMax = 512
}
