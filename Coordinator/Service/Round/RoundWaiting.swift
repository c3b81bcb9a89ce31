internal import FederatedLearning
internal import Foundation
internal import Logging
internal import Operations

/// Who is waited for, in words: a run that waits for ever must say for whom.
extension RoundRunner {
  /// Says once a minute, while the next attempt is due and partners are missing, which they are.
  ///
  /// - Parameters:
  ///   - standings: of the plan's partners; who said nothing has none.
  ///   - takesPart: active partners of the plan that neither rest nor left.
  ///   - present: those of them that have consented and are connected.
  func noteWaiting(
    _ standings: [UInt32: PartnerStanding], takesPart: Set<UInt32>, present: Set<UInt32>, needed: Int, now: Date
  ) {
    guard let since = waitingNoted, now >= since else {
      waitingNoted = now
      return
    }
    guard now.timeIntervalSince(since) >= Self.waitingPause else { return }
    waitingNoted = now
    let (consented, others) = (
      takesPart.filter { standings[$0]?.hasConsented == true }, takesPart.filter { standings[$0]?.hasConsented != true }
    )
    let resting = plan.roster.map(\.participant).filter { standings[$0]?.isPaused == true && standings[$0]?.hasLeft != true }
    let missing = [
      ("not consented", others), ("not connected", consented.subtracting(present)), ("paused", Set(resting)),
    ].filter { !$0.1.isEmpty }
    parts.logger.notice(
      "the next attempt waits for partners",
      [
        .needed: LogValue(needed), .found: LogValue(present.count),
        .awaited: .text(missing.map { "\($0.0): \(Self.list($0.1))" }.joined(separator: "; ")),
      ])
  }

  /// Seconds between two such lines.
  private static let waitingPause: Double = 60

  /// The first twenty numbers.
  private static func list(_ participants: Set<UInt32>) -> String {
    let shown = participants.sorted().prefix(20).map(String.init).joined(separator: ", ")
    return participants.count > 20 ? "\(shown) and \(participants.count - 20) more" : shown
  }
}
