import CryptoPrimitives
import SecureAggregation
import Testing

/// Whole attempts made by the independent Python: every byte that both sides send must be the file's.
@Suite struct AttemptVectorTests {
  private final class Seat {
    var session: ClientSession
    init(_ session: consuming ClientSession) { self.session = session }
  }

  @Test(
    "Both sides repeat every message of an attempt byte for byte",
    arguments: VectorFiles.names(prefix: "good_attempt"))
  func replay(name: String) throws {
    let vector: AttemptVector = try VectorFiles.load(name)
    let parameters = try vector.parameters()
    let context = try vector.context.context()
    let ids = parameters.participants
    let seats = try vector.clients.map { Seat(try vector.session($0)) }
    var server = try AggregatorSession(parameters: parameters, context: context, roster: vector.roster())

    // Advertise keys.
    let list = try vector.list()
    for (index, seat) in seats.enumerated() {
      let message = ClientMessage.keyAdvertisement(list.advertisements[index])
      #expect(seat.session.advertise() == .send(message))
      #expect(server.receive(message, from: ids[index]) == .accepted)
    }
    expectSends(server.closeStage(), ids.map { ($0, .advertisementList(list)) })
    let hash = try vector.context.keys().advertisementsHash(list.advertisements, parameters: parameters)
    #expect(hash.bytes == vector.advertisementsHash.bytes)

    // Share keys.
    for (index, seat) in seats.enumerated() {
      let message = ClientMessage.keyShares(try vector.keyShares(index))
      #expect(seat.session.receive(.advertisementList(list)) == .send(message))
      #expect(server.receive(message, from: ids[index]) == .accepted)
    }
    let deliveries = try ids.map { ($0, ServerMessage.shareDelivery(try vector.delivery(to: $0.rawValue))) }
    expectSends(server.closeStage(), deliveries)

    // Masked input.
    for (index, seat) in seats.enumerated() {
      guard case .awaitInput(let request) = seat.session.receive(deliveries[index].1) else {
        Issue.record("\(ids[index]) does not take its shares")
        return
      }
      #expect(request.contributors == ids)
      #expect(request.transcript.bytes == vector.transcript.bytes)
      let masked = vector.maskedInputs[index]
      let message = ClientMessage.maskedInput(
        MaskedInput(context: context, participant: ids[index], packed: masked.packed.bytes))
      #expect(seat.session.submit(vector.input(vector.clients[index])) == .send(message))
      if !vector.silentAtMaskedInput.contains(masked.participant) {
        #expect(server.receive(message, from: ids[index]) == .accepted)
      }
    }
    let survivors = try vector.survivorSet()
    expectSends(server.closeStage(), survivors.survivors.map { ($0, .survivorSet(survivors)) })

    // Consistency check.
    let signatures = try vector.consistencySignatures()
    for entry in signatures.entries {
      let seat = seats[try #require(ids.firstIndex(of: entry.participant))]
      let message = ClientMessage.consistencySignature(
        ConsistencySignature(context: context, participant: entry.participant, signature: entry.signature))
      #expect(seat.session.receive(.survivorSet(survivors)) == .send(message))
      #expect(server.receive(message, from: entry.participant) == .accepted)
    }
    expectSends(
      server.closeStage(),
      try signatures.entries.map {
        ($0.participant, .consistencySignatures(try vector.consistencySignatures(for: $0.participant)))
      })

    // Unmask.
    for index in vector.unmaskResponses.indices {
      let response = try vector.response(index)
      let seat = seats[try #require(ids.firstIndex(of: response.participant))]
      let message = ClientMessage.unmaskResponse(response)
      let shown = try vector.consistencySignatures(for: response.participant)
      #expect(seat.session.receive(.consistencySignatures(shown)) == .sendLast(message))
      #expect(server.receive(message, from: response.participant) == .accepted)
    }
    guard case .finish(let sum) = server.closeStage() else {
      Issue.record("no sum")
      return
    }
    #expect((0..<sum.sum.count).map { sum.sum[$0] } == vector.sum)
    #expect(sum.transcript.bytes == vector.transcript.bytes)
  }

  private func expectSends(
    _ action: AggregatorAction, _ messages: [(ParticipantID, ServerMessage)],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(
      action == .send(OutgoingMessages(messages.map { OutgoingMessage(recipient: $0.0, message: $0.1) })),
      sourceLocation: sourceLocation)
  }

  /// One server message of an attempt replaced by a wrong one.
  private struct BadAttempt: Decodable {
    let attempt: String
    let recipient: UInt32
    let event: String
    let refusal: String
    let message: ServerMessageVector

    enum CodingKeys: CodingKey { case attempt, recipient, event, refusal, message, contributors }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      attempt = try container.decode(String.self, forKey: .attempt)
      recipient = try container.decode(UInt32.self, forKey: .recipient)
      event = try container.decode(String.self, forKey: .event)
      refusal = try container.decode(String.self, forKey: .refusal)
      switch event {
      case "advertisementList":
        message = .advertisements(try container.decode([AdvertisementVector].self, forKey: .message))
      case "shareDelivery":
        message = .delivery(
          try container.decode([DeliveryEntryVector].self, forKey: .message),
          contributors: try container.decodeIfPresent([UInt32].self, forKey: .contributors) ?? [])
      case "survivorSet": message = .survivors(try container.decode([UInt32].self, forKey: .message))
      default: message = .signatures(try container.decode([SignatureVector].self, forKey: .message))
      }
    }
  }

  private enum ServerMessageVector {
    case advertisements([AdvertisementVector])
    case delivery([DeliveryEntryVector], contributors: [UInt32])
    case survivors([UInt32])
    case signatures([SignatureVector])

    func message(_ vector: AttemptVector) throws -> ServerMessage {
      let context = try vector.context.context()
      switch self {
      case .advertisements(let list):
        return .advertisementList(
          AdvertisementList(advertisements: try list.map { try $0.message(vector.context) }))
      case .delivery(let entries, let contributors):
        return .shareDelivery(
          ShareDelivery(
            context: context, contributors: contributors.map { ParticipantID($0) },
            entries: try entries.map { try $0.entry() }))
      case .survivors(let ids):
        return .survivorSet(SurvivorSet(context: context, survivors: ids.map { ParticipantID($0) }))
      case .signatures(let entries):
        return .consistencySignatures(
          ConsistencySignatures(context: context, entries: try entries.map { try $0.entry() }))
      }
    }
  }

  @Test(
    "A wrong server message closes the client for the reason in the file",
    arguments: VectorFiles.names(prefix: "bad_attempt"))
  func refusal(name: String) throws {
    let bad: BadAttempt = try VectorFiles.load(name)
    let vector: AttemptVector = try VectorFiles.load(bad.attempt)
    let client = try #require(vector.clients.first { $0.participant == bad.recipient })
    var session = try vector.session(client)
    _ = session.advertise()
    if bad.event != "advertisementList" {
      _ = session.receive(.advertisementList(try vector.list()))
      if bad.event != "shareDelivery" {
        _ = session.receive(.shareDelivery(try vector.delivery(to: bad.recipient)))
        _ = session.submit(vector.input(client))
        if bad.event == "consistencySignatures" {
          _ = session.receive(.survivorSet(try vector.survivorSet()))
        }
      }
    }
    expectTrue(!session.isClosed)
    guard case .refuse(let refusal) = session.receive(try bad.message.message(vector)) else {
      Issue.record("the client took it")
      return
    }
    #expect(refusal.reason.rawValue == bad.refusal)
    expectTrue(session.isClosed)
  }

  @Test("The vector files are there")
  func present() {
    #expect(VectorFiles.names(prefix: "good_").count >= 9)
    #expect(VectorFiles.names(prefix: "bad_").count >= 25)
  }
}
