package import Recommender

/// Users of a simulated shard whose messages an audit dictates.
///
/// Everything after the message is as for any other user of the shard: the sampling coin, clip, rounding, sum, noise share and mask.
/// Only simulations make shards with canaries; the services have no way to.
package protocol CanaryUsers: Sendable {
  /// Canaries in this shard.
  var count: Int { get }
  /// Writes one canary's message of one release, in units of contributions; the buffer is empty on entry.
  func contribute(canary: Int, round: Int, into buffer: inout ContributionBuffer)
  /// Is shown the shard's exact sums of a release, in grid units before noise and mask: of its ordinary users, and of everybody.
  ///
  /// Called again when a release is tried again.
  func witness(round: Int, ordinary: [Int64], all: [Int64])
}
