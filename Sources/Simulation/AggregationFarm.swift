internal import FederatedLearning
internal import Glibc
public import SecureAggregation
internal import WireProtocol

/// One attempt with its server in a process of its own, so that CPU time and memory are the server's alone.
public enum AggregationFarm {
  /// What the server's process says at the end.
  public struct ServerReport: Sendable {
    /// CPU seconds in the session's calls and in making its messages; without bytes and pipes.
    public let seconds: Double
    /// Largest resident memory of the process.
    public let peakBytes: Int
    /// Who is in the sum, and the sum packed; `nil` when the attempt was aborted.
    public let sum: (survivors: [ParticipantID], packed: [UInt8])?
  }

  /// The server: takes messages until the attempt is over, and reports.
  ///
  /// - Throws: `AggregationParameterError` when the rehearsal is none.
  public static func serve(_ rehearsal: AggregationRehearsal, over pipe: AggregationPipe) throws(AggregationParameterError) {
    var server = try AggregatorSession(
      parameters: rehearsal.parameters, context: rehearsal.context, roster: rehearsal.roster)
    var seconds = 0.0
    func timed<Result>(_ body: () -> Result) -> Result {
      let began = StageMeter.processCPU()
      defer { seconds += StageMeter.processCPU() - began }
      return body()
    }
    var sum: AggregateSum?
    serving: while let event = pipe.next() {
      switch event {
      case .message(let sender, let bytes):
        guard case .aggregation(let message)? = try? WireCodec.decodePartnerMessage(bytes) else { continue }
        _ = timed { server.receive(message, from: sender) }
      case .word(.stageIsOver, _):
        let isFirst = server.stage == .advertiseKeys
        switch timed({ server.closeStage(threads: rehearsal.threads) }) {
        case .send(let messages):
          if isFirst {
            pipe.send(.allAdvertisements)
          } else {
            for index in messages.indices {
              let outgoing = timed { messages[index] }
              pipe.send(WireCodec.encode(.aggregation(outgoing.message)), of: outgoing.recipient)
            }
          }
          pipe.send(.stageIsOver)
        case .finish(let found):
          sum = found
          break serving
        case .abort: break serving
        }
      case .word: break serving
      }
    }
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    let survivors = (sum?.survivors ?? []).map { UInt64($0.rawValue) }
    let numbers = [seconds.bitPattern, UInt64(usage.ru_maxrss) * 1024, UInt64(survivors.count)] + survivors
    pipe.send(
      .end, numbers.flatMap { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } } + (sum?.sum.packed() ?? []))
  }

  /// The clients: plays them all, one after another, and gives what each of them took.
  ///
  /// - Parameters:
  ///   - leaving: who shares keys and is silent then.
  ///   - input: asked once for each of the others.
  /// - Returns: CPU seconds by client, and the server's report; `nil` when its process is gone.
  public static func playClients(
    _ rehearsal: AggregationRehearsal, leaving: Set<ParticipantID>, over pipe: AggregationPipe,
    input: (ParticipantID) -> RingVector
  ) throws(AggregationParameterError) -> (seconds: [ParticipantID: Double], server: ServerReport)? {
    var clients = try Clients(rehearsal, leaving: leaving)
    for message in clients.advertise() { pipe.send(message.bytes, of: message.sender) }
    pipe.send(.stageIsOver)
    while let event = pipe.next() {
      switch event {
      case .message(let recipient, let bytes):
        guard case .aggregation(let message)? = try? WireCodec.decodeCoordinatorMessage(bytes) else { continue }
        clients.receive(message, by: recipient)
      case .word(.allAdvertisements, _): clients.receiveAdvertisements()
      case .word(.stageIsOver, _):
        clients.answer(input: input) { pipe.send($0.bytes, of: $0.sender) }
        pipe.send(.stageIsOver)
      case .word(.end, let bytes): return (clients.seconds, report(bytes))
      }
    }
    return nil
  }

  private static func report(_ bytes: [UInt8]) -> ServerReport {
    func number(_ index: Int) -> UInt64 {
      bytes[8 * index..<8 * index + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    let count = Int(number(2))
    let survivors = (0..<count).map { ParticipantID(UInt32(number(3 + $0))) }
    return ServerReport(
      seconds: Double(bitPattern: number(0)), peakBytes: Int(number(1)),
      sum: count == 0 ? nil : (survivors, Array(bytes[(8 * (3 + count))...])))
  }
}

/// All clients of an attempt, and what they have said since the last stage.
private struct Clients {
  // A noncopyable session in a place that a dictionary can hold.
  private final class Seat {
    var session: ClientSession
    init(_ session: consuming ClientSession) { self.session = session }
  }

  typealias Sent = (sender: ParticipantID, bytes: [UInt8])

  private let rehearsal: AggregationRehearsal
  private let leaving: Set<ParticipantID>
  private var seats: [ParticipantID: Seat] = [:]
  private var advertisements: [KeyAdvertisement] = []
  private var answers: [Sent] = []
  private var awaiting: [ParticipantID] = []
  private(set) var seconds: [ParticipantID: Double] = [:]

  init(_ rehearsal: AggregationRehearsal, leaving: Set<ParticipantID>) throws(AggregationParameterError) {
    self.rehearsal = rehearsal
    self.leaving = leaving
    let roster = rehearsal.roster
    for participant in rehearsal.parameters.participants {
      seats[participant] = Seat(try rehearsal.client(participant, roster: roster))
    }
  }

  private mutating func timed<Result>(_ participant: ParticipantID, _ body: (Seat) -> Result) -> Result? {
    guard let seat = seats[participant] else { return nil }
    let began = StageMeter.processCPU()
    let result = body(seat)
    seconds[participant, default: 0] += StageMeter.processCPU() - began
    return result
  }

  mutating func advertise() -> [Sent] {
    for participant in rehearsal.parameters.participants {
      let action = timed(participant) { $0.session.advertise() }
      if case .send(.keyAdvertisement(let advertisement))? = action { advertisements.append(advertisement) }
      follow(action, of: participant)
    }
    defer { answers = [] }
    return answers
  }

  mutating func receiveAdvertisements() {
    let list = ServerMessage.advertisementList(AdvertisementList(advertisements: advertisements))
    for participant in rehearsal.parameters.participants { receive(list, by: participant) }
  }

  mutating func receive(_ message: ServerMessage, by participant: ParticipantID) {
    follow(timed(participant) { $0.session.receive(message) }, of: participant)
  }

  private mutating func follow(_ action: ClientAction?, of participant: ParticipantID) {
    switch action {
    case .send(let message)?, .sendLast(let message)?:
      answers.append((participant, WireCodec.encode(.aggregation(message))))
    case .refuse(let refusal)?:
      answers.append((participant, WireCodec.encode(PartnerMessage.aggregation(.abort(refusal.abort(in: rehearsal.context))))))
    case .awaitInput?: awaiting.append(participant)
    case .aborted?, nil: break
    }
  }

  /// Says what is to be said; inputs are made and masked one at a time.
  mutating func answer(input: (ParticipantID) -> RingVector, _ send: (Sent) -> Void) {
    for answer in answers { send(answer) }
    answers = []
    for participant in awaiting where !leaving.contains(participant) {
      let vector = input(participant)
      follow(timed(participant) { [threads = rehearsal.threads] in $0.session.submit(vector, threads: threads) }, of: participant)
      for answer in answers { send(answer) }
      answers = []
    }
    for participant in awaiting where leaving.contains(participant) { seats[participant] = nil }
    awaiting = []
  }
}
