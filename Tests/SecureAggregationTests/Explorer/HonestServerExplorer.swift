import CryptoPrimitives
import SecureAggregation

/// Every course of one attempt with an honest coordinator: clients' messages arrive in any order, early, late or never, clients
/// leave at any moment, and every stage is closed as soon as it may be, or later.
///
/// Explored is the production `AggregatorSession`, a value, and the clients' sessions. Courses that differ in the order of arrivals
/// only are merged; each time two meet, the sessions must be seen to agree in everything that they show and in what they would send
/// when the stage is closed now.
final class HonestServerExplorer {
  struct Report: CustomStringConvertible {
    var states = 0
    var courses = 0
    var completions = 0
    var aborts = 0
    /// Messages after their stage was closed, all of them refused.
    var late = 0

    var description: String {
      "\(states) states, \(courses) events, \(completions) completed with the exact sum, \(aborts) aborted for want of participants, \(late) late messages refused"
    }
  }

  private struct Key: Hashable {
    /// Who answered which stage, by stage, up to the open one.
    var arrived: [Ranks] = [0]
    var gone: Ranks = 0
  }

  private struct State {
    var key = Key()
    var server: AggregatorSession
    /// What each client took, and what it answers next; `nil` when nothing is due.
    var histories: [[ServerMessage]]
    var due: [ClientMessage?]
  }

  /// What a session shows at a place where several courses meet.
  private struct Shown: Equatable {
    let stage: AggregationStage?
    let awaited: [ParticipantID]
    let needed: Int
    let survivors: [ParticipantID]?
    let closed: AggregatorAction?
  }

  private let rehearsal: AggregationRehearsal
  private let count: Int
  private var report = Report()
  private var replies: [[Int]: ClientMessage?] = [:]
  private var messages: [ServerMessage: Int] = [:]

  /// - Parameter graph: the complete one, or a drawn one in which everybody draws everybody.
  init(participants: Int, threshold: Int, graph: AggregationGraph = .complete) throws {
    let parameters = try AggregationParameters(
      participants: SecureAggregationTests.participants(participants), threshold: threshold,
      minimumSurvivors: graph == .complete ? nil : max(threshold, participants / 2 + 1), dimension: 3, modulusBits: 32,
      graph: graph)
    rehearsal = AggregationRehearsal(parameters: parameters, seed: 6)
    count = participants
  }

  private func id(_ rank: Int) -> ParticipantID { rehearsal.parameters.participants[rank] }

  func explore() throws -> Report {
    let server = try AggregatorSession(
      parameters: rehearsal.parameters, context: rehearsal.context, roster: rehearsal.roster)
    var first = State(server: server, histories: [[ServerMessage]](repeating: [], count: count), due: [])
    for rank in 0..<count { first.due.append(try reply(rank, [])) }
    var seen: [Key: Shown] = [first.key: shown(first)]
    var open = [first]
    while let state = open.popLast() {
      for next in try after(state) {
        report.courses += 1
        let shows = shown(next)
        if let known = seen[next.key] {
          guard known == shows else { throw ExplorerError("the order of arrivals makes a difference: \(next.key)") }
          continue
        }
        seen[next.key] = shows
        open.append(next)
      }
    }
    report.states = seen.count
    return report
  }

  /// Every event that may come next.
  private func after(_ state: State) throws -> [State] {
    guard let stage = state.server.stage else { return [] }
    var next: [State] = []
    for rank in 0..<count where state.key.gone >> Ranks(rank) & 1 == 0 {
      if let message = state.due[rank], let wanted = message.stage {
        var arrived = state
        let receipt = arrived.server.receive(message, from: id(rank))
        arrived.due[rank] = nil
        if wanted == stage {
          guard receipt == .accepted else { throw ExplorerError("rank \(rank)'s \(wanted) was refused: \(receipt)") }
          arrived.key.arrived[arrived.key.arrived.count - 1] |= 1 << Ranks(rank)
          // The same once more.
          guard case .refused = arrived.server.receive(message, from: id(rank)) else {
            throw ExplorerError("rank \(rank)'s \(wanted) was taken twice")
          }
          next.append(arrived)
        } else {
          report.late += 1
          guard receipt == .refused(.stageClosed) else { throw ExplorerError("a late message was not refused: \(receipt)") }
        }
      }
      var left = state
      left.server.drop(id(rank))
      left.due[rank] = nil
      left.key.gone |= 1 << Ranks(rank)
      // Who leaves before the shares are handed out takes what it sent with it.
      if stage <= .shareKeys { left.key.arrived[left.key.arrived.count - 1] &= ~(1 << Ranks(rank)) }
      next.append(left)
    }
    if let closed = try close(state) { next.append(closed) }
    return next
  }

  /// - Returns: `nil` when the attempt is over, after its end was checked.
  private func close(_ state: State) throws -> State? {
    var next = state
    let stage = state.server.stage
    let answered = state.key.arrived[state.key.arrived.count - 1].nonzeroBitCount
    let parameters = rehearsal.parameters
    let least = (stage ?? .unmask) <= .maskedInput ? parameters.fewestContributors : parameters.threshold
    switch next.server.closeStage() {
    case .send(let outgoing):
      guard answered >= least else { throw ExplorerError("\(answered) answers were enough to go on") }
      for message in outgoing {
        guard let rank = parameters.participants.firstIndex(of: message.recipient) else { continue }
        next.histories[rank].append(message.message)
        next.due[rank] = try reply(rank, next.histories[rank])
      }
      next.key.arrived.append(0)
      return next
    case .abort(let abort, _):
      let isShort = answered < least || parameters.graph != .complete
      guard abort.reason == .tooFewParticipants, isShort else { throw ExplorerError("aborted with \(answered): \(abort)") }
      report.aborts += 1
      return nil
    case .finish(let sum):
      let survivors = (0..<count).filter { state.key.arrived[2] >> Ranks($0) & 1 == 1 }
      var expected = RingVector(count: parameters.dimension, modulusBits: parameters.modulusBits)
      for rank in survivors { expected.add(ReplayedClient.input(rank, parameters)) }
      guard sum.sum == expected, sum.survivors == survivors.map(id), survivors.count >= parameters.minimumSurvivors else {
        throw ExplorerError("the sum over \(sum.survivors) is not the plain one")
      }
      report.completions += 1
      return nil
    }
  }

  /// What a client answers to a history: the same every time, so that it is played once.
  private func reply(_ rank: Int, _ history: [ServerMessage]) throws -> ClientMessage? {
    let key =
      [rank]
      + history.map { message in
        if let known = messages[message] { return known }
        messages[message] = messages.count
        return messages.count - 1
      }
    if let known = replies[key] { return known }
    let step = try ReplayedClient(rehearsal: rehearsal, rank: rank).play(history)
    let reply: ClientMessage
    switch step.actions.last {
    case .send(let message), .sendLast(let message): reply = message
    case let action: throw ExplorerError("rank \(rank) did not answer an honest server: \(String(describing: action))")
    }
    replies[key] = reply
    return reply
  }

  private func shown(_ state: State) -> Shown {
    var copy = state.server
    return Shown(
      stage: state.server.stage, awaited: state.server.awaited, needed: state.server.needed, survivors: state.server.survivors,
      closed: state.server.stage == nil ? nil : copy.closeStage())
  }
}
