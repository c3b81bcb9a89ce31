internal import Synchronization

/// Divergences of single releases that were computed before: a run asks for the same few thousands of times (a filter
/// before every release, a ledger for every charge), and all orders of one release cost milliseconds.
///
/// A divergence depends on public parameters only, so that sharing it between threads and runs changes no result.
enum RenyiDivergenceCache {
  struct Key: Hashable {
    let term: PrivacyLoss.Term
    let adjacency: Adjacency
    let order: Double
    let isPublished: Bool
  }

  private static let divergences = Mutex<[Key: Double]>([:])

  /// The divergence under `key`, computed by `compute` when it is asked for the first time.
  static func divergence(_ key: Key, compute: () -> Double) -> Double {
    if let known = divergences.withLock({ $0[key] }) { return known }
    // Computed outside the lock: two threads may do the same work once, and get the same value.
    let divergence = compute()
    divergences.withLock { divergences in
      if divergences.count >= countMax { divergences.removeAll() }
      divergences[key] = divergence
    }
    return divergence
  }

  private static let countMax = 1 << 16
}
