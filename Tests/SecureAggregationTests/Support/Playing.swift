import CryptoPrimitives
import SecureAggregation
import Testing

/// How an attempt went that was played with a lying server, lying clients or a lying network.
struct Witness {
  let report: AggregationRehearsal.Report
  /// Everything that clients really sent, with its sender, in order.
  let sent: [(message: ClientMessage, sender: ParticipantID)]

  /// What clients revealed.
  var revealed: [UnmaskResponse] {
    sent.compactMap { if case .unmaskResponse(let response) = $0.message { response } else { nil } }
  }

  /// Who handed over its masked input.
  var committed: [ParticipantID] {
    sent.compactMap { if case .maskedInput(let input) = $0.message { input.participant } else { nil } }
  }

  func refusal(of participant: ParticipantID) -> ClientRefusalReason? {
    report.clientRefusals[participant]?.reason
  }

  func suspects(of participant: ParticipantID) -> [ParticipantID]? {
    report.clientRefusals[participant]?.suspects
  }
}

/// Plays an attempt in which `server` rewrites what each client is told and `clients` what the server is told.
func play(
  _ rehearsal: AggregationRehearsal, inputs given: [ParticipantID: RingVector]? = nil,
  silentFrom: [ParticipantID: AggregationStage] = [:],
  server: @escaping (ServerMessage, ParticipantID) -> [ServerMessage] = { message, _ in [message] },
  clients: @escaping (ClientMessage, ParticipantID) -> [ClientMessage] = { message, _ in [message] },
  beforeClosing: @escaping (inout AggregatorSession) -> Void = { _ in }
) throws -> Witness {
  var sent: [(message: ClientMessage, sender: ParticipantID)] = []
  var network = AggregationRehearsal.Network()
  network.toClient = { outgoing in
    server(outgoing.message, outgoing.recipient).map {
      OutgoingMessage(recipient: outgoing.recipient, message: $0)
    }
  }
  network.toServer = { message, sender in
    sent.append((message, sender))
    return clients(message, sender).map { ($0, sender) }
  }
  network.beforeClosing = beforeClosing
  let report = try rehearsal.run(
    inputs: given ?? inputs(rehearsal), silentFrom: silentFrom, network: network)
  return Witness(report: report, sent: sent)
}

/// The same with an honest server.
func relay(
  _ rehearsal: AggregationRehearsal, inputs given: [ParticipantID: RingVector]? = nil,
  silentFrom: [ParticipantID: AggregationStage] = [:],
  _ clients: @escaping (ClientMessage, ParticipantID) -> [ClientMessage]
) throws -> Witness {
  try play(rehearsal, inputs: given, silentFrom: silentFrom, clients: clients)
}

/// The expectation macro cannot look into a noncopyable session itself.
func expectTrue(_ condition: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
  #expect(condition, sourceLocation: sourceLocation)
}

// Rewriters of one kind of message; other kinds pass.

func rewriting(
  _ victim: ParticipantID? = nil, list change: @escaping (inout [KeyAdvertisement]) -> Void
) -> (ServerMessage, ParticipantID) -> [ServerMessage] {
  { message, recipient in
    guard case .advertisementList(var list) = message, victim == nil || victim == recipient else {
      return [message]
    }
    change(&list.advertisements)
    return [.advertisementList(list)]
  }
}

func rewriting(
  _ victim: ParticipantID? = nil, delivery change: @escaping (inout ShareDelivery) -> Void
) -> (ServerMessage, ParticipantID) -> [ServerMessage] {
  { message, recipient in
    guard case .shareDelivery(var delivery) = message, victim == nil || victim == recipient else {
      return [message]
    }
    change(&delivery)
    return [.shareDelivery(delivery)]
  }
}

func rewriting(
  _ victim: ParticipantID? = nil, survivors change: @escaping (inout SurvivorSet) -> Void
) -> (ServerMessage, ParticipantID) -> [ServerMessage] {
  { message, recipient in
    guard case .survivorSet(var set) = message, victim == nil || victim == recipient else { return [message] }
    change(&set)
    return [.survivorSet(set)]
  }
}

func rewriting(
  _ victim: ParticipantID? = nil, signatures change: @escaping (inout ConsistencySignatures) -> Void
) -> (ServerMessage, ParticipantID) -> [ServerMessage] {
  { message, recipient in
    guard case .consistencySignatures(var signatures) = message, victim == nil || victim == recipient else {
      return [message]
    }
    change(&signatures)
    return [.consistencySignatures(signatures)]
  }
}
