import CryptoPrimitives
import SecureAggregation
import Testing

/// Replayed, reordered and misplaced messages; rebuilt and repeated sessions.
@Suite struct StateMachineTests {
  private let everybody = participants(5)

  /// One genuine server message of each kind for the first participant, and every client's messages.
  private func record(_ rehearsal: AggregationRehearsal) throws -> (
    server: [ServerMessage], clients: [(message: ClientMessage, sender: ParticipantID)],
    outgoing: [ParticipantID: [ServerMessage]]
  ) {
    var outgoing: [ParticipantID: [ServerMessage]] = [:]
    let witness = try play(
      rehearsal,
      server: { message, recipient in
        outgoing[recipient, default: []].append(message)
        return [message]
      })
    return (outgoing[everybody[0]] ?? [], witness.sent, outgoing)
  }

  /// A client brought forward by its first `steps` events: advertise, list, delivery, submit, survivors.
  private func client(_ rehearsal: AggregationRehearsal, steps: Int, _ genuine: [ServerMessage]) throws
    -> ClientSession
  {
    var session = try rehearsal.client(everybody[0])
    let input = try #require(inputs(rehearsal)[everybody[0]])
    for step in 0..<steps {
      switch step {
      case 0: _ = session.advertise()
      case 1: _ = session.receive(genuine[0])
      case 2: _ = session.receive(genuine[1])
      case 3: _ = session.submit(input)
      default: _ = session.receive(genuine[step - 2])
      }
    }
    expectTrue(!session.isClosed)
    return session
  }

  @Test(
    "Every server message outside its stage closes the client, which then answers nothing at all", arguments: TestGraph.allCases)
  func clientTakesItsMessagesInOrder(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let genuine = try record(rehearsal).server
    #expect(genuine.count == 4)
    let expectedMessage: [Int?] = [nil, 0, 1, nil, 2, 3]
    for steps in 0...5 {
      for index in 0..<4 where expectedMessage[steps] != index {
        var session = try client(rehearsal, steps: steps, genuine)
        #expect(
          isRefusal(session.receive(genuine[index]), .unexpectedMessage), "step \(steps), message \(index)")
        expectTrue(session.isClosed)
        for message in genuine { #expect(isRefusal(session.receive(message), .sessionClosed)) }
        #expect(isRefusal(session.advertise(), .sessionClosed))
        #expect(isRefusal(session.submit(try #require(inputs(rehearsal)[everybody[0]])), .sessionClosed))
      }
    }
  }

  @Test("Advertising twice and submitting out of turn close the client", arguments: TestGraph.allCases)
  func clientCallsInOrder(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let genuine = try record(rehearsal).server
    let input = try #require(inputs(rehearsal)[everybody[0]])
    for steps in 1...5 {
      var session = try client(rehearsal, steps: steps, genuine)
      #expect(isRefusal(session.advertise(), .unexpectedMessage))
      expectTrue(session.isClosed)
    }
    for steps in [0, 1, 2, 4, 5] {
      var session = try client(rehearsal, steps: steps, genuine)
      #expect(isRefusal(session.submit(input), .unexpectedMessage))
      expectTrue(session.isClosed)
    }
  }

  @Test(
    "An abort ends the client's session at every stage; an abort of another attempt is a refusal", arguments: TestGraph.allCases)
  func abort(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let genuine = try record(rehearsal).server
    let other = AttemptContext(
      session: rehearsal.context.session, round: 0, attempt: 1, binding: rehearsal.context.binding)
    for steps in 0...5 {
      var session = try client(rehearsal, steps: steps, genuine)
      let abort = Abort(context: rehearsal.context, reason: .stopped)
      #expect(session.receive(.abort(abort)) == .aborted(abort))
      expectTrue(session.isClosed)
      var replayed = try client(rehearsal, steps: steps, genuine)
      #expect(isRefusal(replayed.receive(.abort(Abort(context: other, reason: .stopped))), .wrongContext))
      expectTrue(replayed.isClosed)
    }
  }

  @Test("Messages of another attempt close the client at every stage", arguments: TestGraph.allCases)
  func otherAttempt(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let genuine = try record(rehearsal).server
    let old = try record(try SecureAggregationTests.rehearsal(5, graph: graph, attempt: 7)).server
    for (steps, index) in [(1, 0), (2, 1), (4, 2), (5, 3)] {
      var session = try client(rehearsal, steps: steps, genuine)
      #expect(isRefusal(session.receive(old[index]), .wrongContext))
    }
  }

  @Test("The server takes each kind of message in its own stage only, and counts what it refuses", arguments: TestGraph.allCases)
  func serverTakesItsMessagesInOrder(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let recorded = try record(rehearsal).clients
    var server = try AggregatorSession(
      parameters: rehearsal.parameters, context: rehearsal.context, roster: rehearsal.roster)
    var refused: [AggregatorRefusal: Int] = [:]
    for stage in AggregationStage.allCases {
      for (message, sender) in recorded {
        guard let own = message.stage, own != stage else { continue }
        let reason: AggregatorRefusal = own < stage ? .stageClosed : .stageNotOpen
        #expect(server.receive(message, from: sender) == .refused(reason))
        refused[reason, default: 0] += 1
      }
      for (message, sender) in recorded where message.stage == stage {
        #expect(server.receive(message, from: sender) == .accepted)
        #expect(server.receive(message, from: sender) == .refused(.duplicate))
        refused[.duplicate, default: 0] += 1
      }
      #expect(server.isStageComplete)
      _ = server.closeStage()
    }
    #expect(server.stage == nil)
    for (message, sender) in recorded {
      #expect(server.receive(message, from: sender) == .refused(.attemptOver))
    }
    refused[.attemptOver] = recorded.count
    #expect(server.refusals == refused)
  }

  @Test("A server rebuilt from its journal in any stage ends with the same sum", arguments: TestGraph.allCases)
  func rebuiltServer(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let recorded = try record(rehearsal).clients
    func ending(until crash: AggregationStage) throws -> AggregatorAction {
      var journal: [(ClientMessage, ParticipantID)] = []
      var server = try AggregatorSession(
        parameters: rehearsal.parameters, context: rehearsal.context, roster: rehearsal.roster)
      var last = AggregatorAction.send(OutgoingMessages([]))
      for stage in AggregationStage.allCases {
        for (message, sender) in recorded where message.stage == stage {
          _ = server.receive(message, from: sender)
          journal.append((message, sender))
        }
        if stage == crash {
          // Everything in memory is lost; the journal is fed to a new session.
          server = try AggregatorSession(
            parameters: rehearsal.parameters, context: rehearsal.context, roster: rehearsal.roster)
          for replayed in AggregationStage.allCases where replayed <= stage {
            for (message, sender) in journal where message.stage == replayed {
              #expect(server.receive(message, from: sender) == .accepted)
            }
            if replayed < stage { _ = server.closeStage() }
          }
        }
        last = server.closeStage()
      }
      return last
    }
    let expected = try ending(until: .advertiseKeys)
    guard case .finish = expected else {
      Issue.record("no sum")
      return
    }
    for stage in AggregationStage.allCases { #expect(try ending(until: stage) == expected) }
  }

  @Test("The same seed repeats a session byte for byte, and another seed does not", arguments: TestGraph.allCases)
  func deterministic(graph: TestGraph) throws {
    let one = try record(try rehearsal(5, graph: graph, seed: 3))
    let two = try record(try rehearsal(5, graph: graph, seed: 3))
    let other = try record(try rehearsal(5, graph: graph, seed: 4))
    #expect(one.server == two.server)
    #expect(one.clients.map(\.message) == two.clients.map(\.message))
    #expect(other.clients.map(\.message) != one.clients.map(\.message))
  }

  @Test("A client that refuses is a dropout, and whom it accuses is on record", arguments: TestGraph.allCases)
  func accusations(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    let dealer = everybody[3]
    var accusations: [Accusation] = []
    _ = try play(
      rehearsal,
      clients: { message, sender in
        if case .maskedInput = message, sender == everybody[0] {
          return [
            .abort(Abort(context: rehearsal.context, reason: .refusedByClient, suspects: [dealer])), message,
          ]
        }
        return [message]
      },
      beforeClosing: { server in
        accusations = server.accusations
        if server.stage == .maskedInput {
          #expect(server.refusals == [.notExpected: 1])
          #expect(server.isStageComplete)
          // Once gone, it accuses nobody any more, and strangers never do.
          let again = ClientMessage.abort(
            Abort(context: rehearsal.context, reason: .refusedByClient, suspects: [everybody[1]]))
          #expect(server.receive(again, from: everybody[0]) == .refused(.notExpected))
          #expect(server.receive(again, from: ParticipantID(1)) == .refused(.notEnrolled))
        }
      })
    #expect(accusations.map(\.accuser) == [everybody[0]] && accusations.map(\.accused) == [[dealer]])
  }

  @Test(
    "Nobody who has left or has not answered is sent anything", arguments: AggregationStage.allCases.dropLast(),
    TestGraph.allCases)
  func recipients(stage: AggregationStage, graph: TestGraph) throws {
    let everybody = participants(7)
    let (left, silent) = (everybody[1], everybody[4])
    var told: [ParticipantID: Int] = [:]
    let witness = try play(
      try rehearsal(7, graph: graph), silentFrom: [silent: stage],
      server: { message, recipient in
        told[recipient, default: 0] += 1
        return [message]
      },
      beforeClosing: { server in if server.stage == stage { server.drop(left) } })
    // Both answered, or were expected to, up to this stage, and heard of all stages before it.
    let heard = Int(stage.rawValue) - 1
    #expect(told[left, default: 0] == heard && told[silent, default: 0] == heard)
    for other in everybody where other != left && other != silent { #expect(told[other] == 4) }
    // A vector that arrived before its sender left stays in the sum; before the shares are out, its sender is left out.
    let missing = stage >= .consistencyCheck ? [] : stage == .maskedInput ? [silent] : [left, silent]
    #expect(witness.report.sum?.survivors == everybody.filter { !missing.contains($0) })
  }

  @Test("A host that stops the attempt sends an abort to everybody who is still there", arguments: TestGraph.allCases)
  func stop(graph: TestGraph) throws {
    let rehearsal = try rehearsal(5, graph: graph)
    var server = try AggregatorSession(
      parameters: rehearsal.parameters, context: rehearsal.context, roster: rehearsal.roster)
    server.drop(everybody[1])
    let abort = Abort(context: rehearsal.context, reason: .stopped)
    #expect(server.stop() == .abort(abort, recipients: everybody.filter { $0 != everybody[1] }))
    #expect(server.stage == nil && server.awaited.isEmpty && !server.isStageComplete && !server.canProceed)
  }

  private func isRefusal(_ action: ClientAction, _ reason: ClientRefusalReason) -> Bool {
    if case .refuse(let refusal) = action { refusal.reason == reason } else { false }
  }
}
