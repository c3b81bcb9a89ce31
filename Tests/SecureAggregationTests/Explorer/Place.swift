import CryptoPrimitives
import SecureAggregation
import Testing

/// A set of participants by rank: bit r stands for the participant of rank r.
typealias Ranks = UInt8

/// Where one honest client of an explored attempt stands: what it was told, and what it has sent.
///
/// A session is a function of its own randomness, which a seed gives here, and of the messages that it took. Two global
/// states with the same places are therefore one state, whatever the order in which they were reached.
struct Place {
  enum Stage: Int { case advertised, dealt, submitted, signed, answered }

  /// What the client revealed, and under which signed survivor set.
  struct Answer: Equatable {
    let statement: Int
    /// Whose share of b, whose share of s.
    var selfMasks: Ranks = 0
    var maskSeeds: Ranks = 0
  }

  let rank: Int
  var stage = Stage.advertised
  /// What the client took, in order.
  var history: [ServerMessage] = []
  /// Stage 1: which advertisement of each rank it was shown; −1 for none.
  var list: [Int8] = []
  /// U2 as it was told.
  var contributors: Ranks = 0
  var transcript: Digest?
  /// What it dealt: an index into the explorer's deals.
  var deal: Int?
  /// What it signed about the survivors, newest last: indices into the explorer's signatures.
  var signatures: [Int] = []
  /// The statement that the newest of them is about.
  var statement: Int?
  /// U3 as it was told.
  var survivors: Ranks = 0
  var answers: [Answer] = []

  /// For people who read of a violation.
  var description: String {
    func set(_ ranks: Ranks) -> String {
      "{\((0..<8).filter { ranks >> $0 & 1 == 1 }.map { "\($0 + 1)" }.joined(separator: " "))}"
    }
    var text = "client \(rank + 1): \(stage)"
    if stage.rawValue >= Stage.dealt.rawValue { text += ", list \(list)" }
    if stage.rawValue >= Stage.submitted.rawValue { text += ", U2 \(set(contributors))" }
    if stage.rawValue >= Stage.signed.rawValue { text += ", U3 \(set(survivors))" }
    for answer in answers { text += ", revealed b of \(set(answer.selfMasks)) and s of \(set(answer.maskSeeds))" }
    return text
  }
}

/// A production session played again from the beginning: what a client does after one history.
struct ReplayedClient {
  let rehearsal: AggregationRehearsal
  let rank: Int
  /// Another randomness under the same identity, for participants whose keys the attacker has; 0 is the rehearsal's own.
  var variant = 0

  /// What the last message of a history brought about.
  struct Step {
    let actions: [ClientAction]
    let statement: [UInt8]?
    /// What the host was asked about U2.
    let request: InputRequest?
    /// Whether two more messages of any kind were refused by the session, when it is closed.
    let staysClosed: Bool
  }

  /// Plays all of `history`; inputs are handed over as soon as they are asked for.
  func play(_ history: [ServerMessage], probes: [ServerMessage] = []) throws -> Step {
    let participant = rehearsal.parameters.participants[rank]
    guard let identity = rehearsal.identities[participant] else { throw ExplorerError("rank \(rank) has no identity") }
    let random: any RandomSource =
      variant == 0
      ? rehearsal.randomSource(of: participant) : KeyedRandomSource(insecureSeed: UInt64(1000 * variant + rank))
    var session = try ClientSession(
      parameters: rehearsal.parameters, context: rehearsal.context, participant: participant, signingKey: identity,
      roster: rehearsal.roster, ledger: .empty, random: random)
    var actions = [session.advertise()]
    var request: InputRequest?
    for message in history {
      var action = session.receive(message)
      if case .awaitInput(let asked) = action {
        request = asked
        action = session.submit(Self.input(rank, rehearsal.parameters))
      }
      actions.append(action)
    }
    var staysClosed = session.isClosed
    if staysClosed {
      for probe in probes {
        guard case .refuse(let refusal) = session.receive(probe), refusal.reason == .sessionClosed else {
          staysClosed = false
          continue
        }
      }
      if case .refuse = session.submit(Self.input(rank, rehearsal.parameters)) {} else { staysClosed = false }
    }
    return Step(actions: actions, statement: session.survivorStatement, request: request, staysClosed: staysClosed)
  }

  /// The vector of a client: a power of 16, so that a sum shows who is in it, and how often.
  static func input(_ rank: Int, _ parameters: AggregationParameters) -> RingVector {
    RingVector(
      integers: [Int64](repeating: Int64(1) << (4 * Int64(rank)), count: parameters.dimension),
      modulusBits: parameters.modulusBits)
  }
}

struct ExplorerError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
