internal import CryptoPrimitives
internal import SwiftProtobuf

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

extension Tacit_V1_MessageCursor {
  init(_ cursor: MessageCursor) {
    self.init()
    round = cursor.round
    attempt = cursor.attempt
    ordinal = cursor.ordinal
  }

  var contract: MessageCursor { MessageCursor(round: round, attempt: attempt, ordinal: ordinal) }
}

extension Tacit_V1_PollRequest {
  init(_ query: PollQuery) {
    self.init()
    session = Data(query.session)
    if let after = query.after { self.after = Tacit_V1_MessageCursor(after) }
    waitMs = UInt32(max(0, min(3_600_000, query.wait / .milliseconds(1))))
  }

  func contract(longestWait: Duration) throws(MalformedField) -> PollQuery {
    guard session.isEmpty || session.count == 16 else { throw MalformedField(field: "session") }
    return PollQuery(
      session: [UInt8](session), after: hasAfter ? after.contract : nil,
      wait: min(.milliseconds(Int64(waitMs)), longestWait))
  }
}

extension Tacit_V1_MessageEnvelope {
  init(_ envelope: MessageEnvelope) {
    self.init()
    cursor = Tacit_V1_MessageCursor(envelope.cursor)
    size = envelope.size
    sha256 = Data(envelope.sha256.bytes)
    switch envelope.content {
    case .inline(let bytes): inline = Data(bytes)
    case .document(let name): document = name
    }
  }

  func contract() throws(MalformedField) -> MessageEnvelope {
    guard hasCursor, cursor.ordinal >= 1 else { throw MalformedField(field: "envelopes.cursor") }
    let content: MessageEnvelope.Content
    switch self.content {
    case .inline(let data):
      guard UInt64(data.count) == size, data.count <= MessageEnvelope.inlineBytesMax else {
        throw MalformedField(field: "envelopes.inline")
      }
      content = .inline([UInt8](data))
    case .document(let name):
      content = .document(try WireField.text(name, "envelopes.document", counts: 1...256))
    case nil: throw MalformedField(field: "envelopes.content")
    }
    return MessageEnvelope(
      cursor: cursor.contract, size: size, sha256: try WireField.digest(sha256, "envelopes.sha256"), content: content)
  }
}

extension Tacit_V1_PollResponse {
  init(_ answer: PollAnswer) {
    self.init()
    session = Data(answer.session)
    envelopes = answer.envelopes.map { Tacit_V1_MessageEnvelope($0) }
    if let hash = answer.planHash { planHash = Data(hash.bytes) }
    if let release = answer.newestRelease { newestRelease = release }
    switch answer.state {
    case .idle: idle = .init()
    case .waiting(let until):
      waiting = .with { if let until { $0.until = until } }
    case .running: running = .init()
    case .finished(let reason): finished = .with { $0.reason = reason }
    case .draining: draining = .init()
    }
  }

  func contract(after: MessageCursor?) throws(MalformedField) -> PollAnswer {
    guard session.isEmpty || session.count == 16 else { throw MalformedField(field: "session") }
    var envelopes: [MessageEnvelope] = []
    var newest = after
    for envelope in self.envelopes {
      let envelope = try envelope.contract()
      guard newest.map({ $0 < envelope.cursor }) ?? true else { throw MalformedField(field: "envelopes.cursor") }
      newest = envelope.cursor
      envelopes.append(envelope)
    }
    let state: TaskState
    switch self.state {
    case .idle: state = .idle
    case .waiting(let waiting): state = .waiting(until: waiting.hasUntil ? waiting.until : nil)
    case .running: state = .running
    case .finished(let finished):
      state = .finished(reason: try WireField.text(finished.reason, "finished.reason", counts: 0...512))
    case .draining: state = .draining
    case nil: throw MalformedField(field: "state")
    }
    return PollAnswer(
      session: [UInt8](session), envelopes: envelopes,
      planHash: planHash.isEmpty ? nil : try WireField.digest(planHash, "plan_hash"),
      newestRelease: hasNewestRelease ? newestRelease : nil, state: state)
  }
}
