internal import FederatedLearning
internal import Foundation
internal import Logging
internal import SecureAggregation
internal import Transport
internal import WireProtocol

/// Messages in, in order, and what the engine answers, out.
extension PartnerHost {
  /// Handles one message, in order.
  ///
  /// - Returns: `false` when the message cannot be handled yet: something is missing before it.
  func take(_ envelope: MessageEnvelope, _ task: ActiveTask) async throws -> Bool {
    let (cursor, known) = (envelope.cursor, task.cursor)
    guard cursor > known else {
      count("a message that was handled before")
      return true
    }
    let bytes = try await line.connection.message(envelope, limit: UInt64(WireCodec.messageBytesMax))
    let message: CoordinatorMessage
    do { message = try WireCodec.decodeCoordinatorMessage(bytes) } catch {
      count("a malformed message")
      logger.error("a message of the coordinator cannot be read", metadata: ["reason": "\(error)"])
      task.cursor = cursor
      return true
    }
    let continuation = try await records(for: message, task)
    let isSameAttempt = (cursor.round, cursor.attempt) == (known.round, known.attempt)
    if cursor.ordinal != (isSameAttempt ? known.ordinal + 1 : 1) {
      // Of an attempt that is over only its end is still there; it needs nothing of what came before it.
      guard case .roundEnd = message else {
        count("a message out of order")
        return false
      }
    }
    task.cursor = cursor
    task.engine.isPaused = try store.isPaused
    task.setCap(of: try store.dataSet(task.dataSet)?.ledger)
    if case .roundStart = message { try task.takeNewEvents(from: store) }
    let actions = task.engine.receive(message, continuation: continuation, random: &random, time: now)
    note(message, task)
    if case .roundStart(let start) = message { try keepModel(of: start, task) }
    try await perform(actions, task)
    rememberLedger(task)
    return true
  }

  /// Fetches what the coordinator has to show of its ledger before the engine takes a start.
  ///
  /// - Returns: `nil` when nothing is missing, or the coordinator has no such records: the engine refuses the start then.
  private func records(for message: CoordinatorMessage, _ task: ActiveTask) async throws -> LedgerContinuation? {
    guard case .roundStart(let start) = message else { return nil }
    return try await records(task.engine.missingRecords(for: start))
  }

  func records(_ missing: ClosedRange<UInt64>?) async throws -> LedgerContinuation? {
    guard let missing else { return nil }
    do {
      let bytes = try await line.connection.download(
        "ledger/\(missing.lowerBound)/\(missing.upperBound)", limit: Self.recordBytesMax)
      return LedgerContinuation(decoding: bytes)
    } catch TransportFailure.refused(.unknownDocument) {
      count("the coordinator does not show its ledger")
      return nil
    }
  }

  /// Of one document of ledger records: some ten thousand rounds.
  private static let recordBytesMax: UInt64 = 1 << 26

  // MARK: - Actions of the engine

  func perform(_ actions: [PartnerAction], _ task: ActiveTask) async throws {
    for action in actions {
      switch action {
      case .train:
        let next = task.engine.train(time: now)
        rememberLedger(task)
        try await perform(next, task)
      case .send(let message): task.pending.append(pending(message, task))
      }
    }
    try await sendPending(task)
  }
}
