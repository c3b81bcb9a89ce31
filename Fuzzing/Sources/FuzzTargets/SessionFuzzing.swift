internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation
internal import WireProtocol

/// Sessions of an attempt of four, fed with the messages of an honest attempt in any order, changed at will.
///
/// Input: a byte for the graph, then a `FuzzOperation` for each step.
struct SessionFuzzing {
  static let shared = SessionFuzzing()

  let rehearsals: [AggregationRehearsal]
  /// What honest parties sent in attempts over both graphs, without and with one participant that leaves.
  private(set) var toClients: [ServerMessage] = []
  private(set) var toServer: [(message: ClientMessage, sender: ParticipantID)] = []

  private init() {
    func make(_ graph: AggregationGraph) -> AggregationRehearsal {
      do throws(AggregationParameterError) {
        return AggregationRehearsal(
          parameters: try AggregationParameters(
            participants: (1...4).map { ParticipantID($0) }, threshold: graph == .complete ? 3 : 2, minimumSurvivors: 3,
            dimension: 4, modulusBits: 20, graph: graph), seed: 1)
      } catch { fatalError("\(error)") }
    }
    rehearsals = [make(.complete), make(.drawn(holders: 3, maskDraws: 2))]
    for rehearsal in rehearsals {
      for leaves in [nil, AggregationStage.maskedInput] {
        var network = AggregationRehearsal.Network()
        var (down, up): ([ServerMessage], [(ClientMessage, ParticipantID)]) = ([], [])
        network.toClient = { outgoing in
          if outgoing.recipient.rawValue == 1 { down.append(outgoing.message) }
          return [outgoing]
        }
        network.toServer = { message, sender in
          up.append((message, sender))
          return [(message, sender)]
        }
        do throws(AggregationParameterError) {
          _ = try rehearsal.run(
            inputs: Dictionary(uniqueKeysWithValues: rehearsal.parameters.participants.map { ($0, Self.input) }),
            silentFrom: leaves.map { [ParticipantID(4): $0] } ?? [:], network: network)
        } catch { fatalError("\(error)") }
        toClients += down
        toServer += up.map { (message: $0.0, sender: $0.1) }
      }
    }
  }

  private static var input: RingVector { RingVector(integers: [1, 2, 3, -4], modulusBits: 20) }

  /// One client: a survivor set is signed once, one unmask response leaves, never with both kinds of share of one dealer.
  func playClient(_ bytes: [UInt8]) {
    guard let first = bytes.first else { return }
    let rehearsal = rehearsals[Int(first & 1)]
    guard var session = try? rehearsal.client(ParticipantID(1)) else { fatalError("a rehearsal has a client 1") }
    var (answers, signatures) = (0, 0)
    _ = session.advertise()
    for operation in FuzzOperation.all(in: bytes) {
      let action: ClientAction
      switch operation.what & 3 {
      case 0: action = session.receive(toClients[operation.message % toClients.count])
      case 1, 2:
        let wire = WireCodec.encode(.aggregation(toClients[operation.message % toClients.count]))
        guard case .aggregation(let message)? = try? WireCodec.decodeCoordinatorMessage(operation.changed(wire)) else {
          continue
        }
        action = session.receive(message)
      default: action = session.submit(Self.input)
      }
      switch action {
      case .send(.consistencySignature): signatures += 1
      case .sendLast(.unmaskResponse(let response)):
        answers += 1
        hold(Set(response.entries.map(\.dealer)).count == response.entries.count, "one kind of share for each dealer")
        hold(session.isClosed, "an answer closes the session")
      case .refuse: hold(session.isClosed, "a refusal closes the session")
      default: break
      }
    }
    hold(answers <= 1 && signatures <= 1 && answers <= signatures, "a client signs once and answers once")
  }

  /// The aggregator: whatever it is fed, it refuses, goes on, aborts or ends with a sum over enough.
  func playAggregator(_ bytes: [UInt8]) {
    guard let first = bytes.first else { return }
    let rehearsal = rehearsals[Int(first & 1)]
    guard
      var session = try? AggregatorSession(
        parameters: rehearsal.parameters, context: rehearsal.context, roster: rehearsal.roster)
    else { fatalError("a rehearsal has a roster") }
    for operation in FuzzOperation.all(in: bytes) where session.stage != nil {
      let sent = toServer[operation.message % toServer.count]
      switch operation.what & 7 {
      case 0, 1, 2: _ = session.receive(sent.message, from: sent.sender)
      case 3: _ = session.receive(sent.message, from: ParticipantID(operation.sender % 6))
      case 4, 5:
        let wire = WireCodec.encode(.aggregation(sent.message))
        guard case .aggregation(let message)? = try? WireCodec.decodePartnerMessage(operation.changed(wire)) else { continue }
        _ = session.receive(message, from: sent.sender)
      case 6: session.drop(ParticipantID(operation.sender % 6))
      default:
        if case .finish(let sum) = session.closeStage() {
          hold(sum.survivors.count >= rehearsal.parameters.minimumSurvivors, "no sum over too few")
        }
      }
    }
  }

  /// The honest courses as operations.
  static func seeds(isClient: Bool) -> [[UInt8]] {
    let shared = shared
    var seeds: [[UInt8]] = []
    if isClient {
      for (course, range) in stride(from: 0, to: shared.toClients.count, by: 4).enumerated() {
        var bytes: [UInt8] = [UInt8(course / 2)]
        for index in range..<min(range + 4, shared.toClients.count) {
          bytes += [0, UInt8(index), 0, 0, 0, 0, 0, 0]
          if index == range + 1 { bytes += [3, 0, 0, 0, 0, 0, 0, 0] }
        }
        seeds.append(bytes)
      }
      return seeds
    }
    var bytes: [UInt8] = [0]
    var stage: AggregationStage?
    for (index, sent) in shared.toServer.enumerated() where index < 256 {
      if let known = stage, let next = sent.message.stage, next != known {
        bytes += [7, 0, 0, 0, 0, 0, 0, 0]
        if next < known {
          seeds.append(bytes)
          bytes = [UInt8(seeds.count / 2)]
        }
      }
      stage = sent.message.stage ?? stage
      bytes += [0, UInt8(index), 0, 0, 0, 0, 0, 0]
    }
    return seeds + [bytes + [7, 0, 0, 0, 0, 0, 0, 0]]
  }
}
