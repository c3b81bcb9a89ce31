internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Logging
internal import SecureAggregation
internal import Transport
internal import WireProtocol

/// A message of the engine on its way: encoded once, and sent as these bytes until the coordinator says what became of it.
///
/// A masked input is charged before it leaves. Were it dropped because a call failed, its users would have paid for nothing;
/// were it made again, there would be two.
struct PendingMessage {
  let key: UploadKey
  let bytes: [UInt8]
  /// How many hellos it has outlived.
  var failures = 0

  /// A coordinator that answers badly this often (a quarter of an hour with the longest pauses) is not waited for with this message.
  static let failuresMax = 20
}

/// What leaves, in order, and again after a new hello where a call failed.
extension PartnerHost {
  func pending(_ message: PartnerMessage, _ task: ActiveTask) -> PendingMessage {
    var place = (session: task.session, round: task.cursor.round, attempt: task.cursor.attempt)
    if case .refusal(let refusal) = message {
      place = (refusal.session, refusal.round, refusal.attempt)
      count("refused: \(refusal.reason)")
      logger.warning(
        "an attempt is refused",
        metadata: [
          "round": "\(refusal.round)", "attempt": "\(refusal.attempt)", "reason": "\(refusal.reason)",
        ])
      if refusal.reason == .ledgerUnavailable, let trouble = task.group.trouble {
        logger.error("linked ledgers cannot be counted", metadata: ["reason": "\(trouble)"])
      }
      note(words(for: refusal.reason, task), task, round: refusal.round, attempt: refusal.attempt)
      if refusal.reason == .budgetExhausted { rememberCap(of: task) }
    }
    return PendingMessage(
      key: UploadKey(session: place.session.bytes, round: place.round, attempt: place.attempt, kind: message.kind),
      bytes: WireCodec.encode(message))
  }

  /// Sends what has not reached a final phase.
  ///
  /// - Throws: `TransportFailure` that a new hello may mend; the message stays pending.
  func sendPending(_ task: ActiveTask) async throws {
    while let next = task.pending.first {
      do { try await upload(next) } catch {
        task.pending[0].failures += 1
        if task.pending[0].failures >= PendingMessage.failuresMax {
          task.pending.removeFirst()
          count("an upload was given up")
          logger.error("a message is given up", metadata: ["kind": "\(next.key.kind)", "error": "\(error)"])
        }
        throw error
      }
      task.pending.removeFirst()
    }
  }

  /// Returns when the message is in a final phase, whichever.
  private func upload(_ message: PendingMessage) async throws {
    let (key, payload) = (message.key, BytesPayload(message.bytes))
    var backoff = Backoff(first: options.firstPause, longest: options.longestPause)
    let end = ContinuousClock.now + options.uploadPatience
    while true {
      do {
        switch try await line.connection.upload(key, payload: payload) {
        case .accepted: break
        case .receiving: break
        case .refused(let reason):
          count("an upload was refused: \(reason)")
          logger.warning("the coordinator did not take a message", metadata: ["kind": "\(key.kind)", "reason": "\(reason)"])
        case .superseded: count("an upload came too late")
        }
        return
      } catch let failure {
        switch failure {
        case .refused(.stageClosed(let reason)):
          count("an upload came too late")
          logger.warning("a message came too late", metadata: ["kind": "\(key.kind)", "reason": "\(reason)"])
          return
        case .refused(.conflict), .refused(.malformed), .refused(.tooLarge):
          count("an upload was refused: \(failure)")
          logger.error("the coordinator does not take a message", metadata: ["kind": "\(key.kind)", "error": "\(failure)"])
          return
        default: break
        }
        guard failure.isTemporary, !isStopping, .now < end else { throw failure }
        try? await Task.sleep(for: FatalFailure.pause(for: failure) ?? backoff.next(using: &generator))
        if Task.isCancelled { throw TransportFailure.cancelled }
      }
    }
  }
}
