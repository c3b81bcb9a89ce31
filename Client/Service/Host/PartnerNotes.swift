internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Logging
internal import SecureAggregation

/// What is noted for people; nothing of a round depends on it.
extension PartnerHost {
  /// For people and for finding a ledger that was put back; the ledger itself is what counts, so that a full disk stops nothing here.
  func rememberLedger(_ task: ActiveTask) {
    do { try store.record(ledgerHead: task.ledger.head.head, of: task.ledgerName) } catch {
      logger.error("the ledger's head could not be noted", metadata: ["reason": "\(error)"])
    }
    guard task.firstCap == nil, let cap = task.cap, task.ledger.state.firstPlan != nil else { return }
    do {
      try store.keep(firstCap: cap, of: task.ledgerName)
      task.firstCap = cap
    } catch { logger.error("the first cap of the ledger could not be noted", metadata: ["reason": "\(error)"]) }
  }

  /// Remembers that a cap refused an attempt: who raises it means to go on (`Joining.set(cap:)`).
  func rememberCap(of task: ActiveTask) {
    // Not by the plan's own.
    guard let cap = task.cap else { return }
    do { try store.set(.refusedByCap, to: CapRefusal(ledger: task.ledgerName, cap: cap).text) } catch {
      logger.error("a refusal could not be noted", metadata: ["reason": "\(error)"])
    }
  }

  /// Why this home refused an attempt, and what its person can do.
  func words(for reason: PartnerRefusal, _ task: ActiveTask) -> String {
    switch reason {
    case .budgetExhausted:
      let cap = (try? store.dataSet(task.dataSet))?.cap.map { "your cap of ε = \($0.epsilon)" } ?? "the plan's cap"
      let first = task.firstCap.flatMap { first in
        first == task.cap
          ? nil : ", judged at the order of the first cap, ε = \(first.epsilon), as every cap of a charged ledger is"
      }
      let linked = task.group.places().isEmpty ? "" : ", with what linked ledgers have spent"
      return
        "refused by this home: it would overspend \(cap) or the plan's\(linked)\(first ?? ""); see tacit-client data list and data cap"
    case .ledgerUnavailable:
      return "refused by this home: \(task.group.trouble ?? "\(reason)")"
    case .paused: return "refused by this home: it is paused; go on with tacit-client resume"
    default: return "refused by this home: \(reason)"
    }
  }

  func note(_ message: CoordinatorMessage, _ task: ActiveTask) {
    switch message {
    case .roundStart(let start):
      logger.info("an attempt opens", metadata: ["round": "\(start.round)", "attempt": "\(start.attempt)"])
      note("open", task, round: start.round, attempt: start.attempt, isFirst: true)
    case .roundEnd(let end):
      let words = end.abortReason.map { "came to nothing: \($0)" } ?? "released"
      logger.info(
        "an attempt ends",
        metadata: [
          "round": "\(end.context.round)", "attempt": "\(end.context.attempt)", "result": "\(words)",
        ])
      note(words, task, round: end.context.round, attempt: end.context.attempt)
    case .aggregation: break
    }
  }

  func note(_ words: String, _ task: ActiveTask, round: UInt32, attempt: UInt32, isFirst: Bool = false) {
    do { try store.note(words, session: task.session.hex, round: round, attempt: attempt, time: now) } catch {
      logger.error("an attempt could not be noted", metadata: ["reason": "\(error)"])
    }
  }
}
