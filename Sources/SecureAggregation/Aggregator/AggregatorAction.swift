public import CryptoPrimitives

/// What became of one client message.
public enum Receipt: Equatable, Sendable {
  /// Taken into the attempt.
  case accepted
  /// Not taken; counted in `AggregatorSession.refusals`, and the attempt goes on as if it had not come.
  case refused(AggregatorRefusal)
}

/// The closed list of reasons why the aggregator does not take a client's message.
public enum AggregatorRefusal: String, Sendable, CaseIterable {
  /// The attempt has ended.
  case attemptOver = "attempt over"
  /// The sender is not in the plan's roster.
  case notEnrolled = "not enrolled"
  /// The message names somebody else than the connection that it came over.
  case wrongSender = "wrong sender"
  /// Another session, round, attempt or plan hash.
  case wrongContext = "wrong context"
  case wrongVersion = "wrong version"
  case wrongSuite = "wrong suite"
  /// The message's stage has been closed: a late vector, above all.
  case stageClosed = "stage closed"
  /// The message's stage has not begun.
  case stageNotOpen = "stage not open"
  /// The sender did not take part in the stage before, or was dropped.
  case notExpected = "not expected"
  /// The sender has already answered this stage.
  case duplicate = "duplicate"
  case badSignature = "bad signature"
  /// A public key of small order.
  case weakPublicKey = "weak public key"
  /// Shares that are not for exactly the participants that advertised keys, in order, each with its ciphertext.
  case wrongHolders = "wrong holders"
  /// Shares that do not hash to the signed root.
  case wrongRoot = "wrong root"
  /// A packed vector that is too short or too long.
  case wrongLength = "wrong length"
  /// A packed vector with bits after its last entry.
  case nonZeroPadding = "non-zero padding"
  /// An unmask response that does not hold one share of the right kind for each dealer, in order.
  case wrongDealers = "wrong dealers"
  /// A revealed share that is not the one that the dealer committed to: the holder lies.
  case shareNotCommitted = "share not committed"
}

/// A server message and whom it is for.
public struct OutgoingMessage: Hashable, Sendable {
  public var recipient: ParticipantID
  public var message: ServerMessage

  package init(recipient: ParticipantID, message: ServerMessage) {
    self.recipient = recipient
    self.message = message
  }
}

/// The messages of a stage, each made when it is asked for: what ten thousand are told need not all be there at once.
public struct OutgoingMessages: RandomAccessCollection, Equatable, Sendable {
  /// Whom there is a message for.
  public let recipients: [ParticipantID]
  private let message: @Sendable (ParticipantID) -> ServerMessage

  init(_ recipients: [ParticipantID], message: @escaping @Sendable (ParticipantID) -> ServerMessage) {
    self.recipients = recipients
    self.message = message
  }

  /// Messages that are there already.
  ///
  /// - Precondition: one for each recipient.
  package init(_ messages: [OutgoingMessage]) {
    let all = Dictionary(uniqueKeysWithValues: messages.map { ($0.recipient, $0.message) })
    self.init(messages.map(\.recipient)) { recipient in
      guard let message = all[recipient] else { preconditionFailure("there is a message for every recipient") }
      return message
    }
  }

  public var startIndex: Int { recipients.startIndex }
  public var endIndex: Int { recipients.endIndex }
  public subscript(position: Int) -> OutgoingMessage {
    OutgoingMessage(recipient: recipients[position], message: message(recipients[position]))
  }

  public static func == (left: Self, right: Self) -> Bool { left.elementsEqual(right) }
}

/// What closing a stage leads to.
public enum AggregatorAction: Equatable, Sendable {
  /// The next stage is open; send these.
  case send(OutgoingMessages)
  /// The attempt is over without a sum; send the abort to these participants, who have not left.
  case abort(Abort, recipients: [ParticipantID])
  /// The attempt is over with a sum.
  case finish(AggregateSum)
}

/// The sum of the survivors' inputs, unmasked. Only a finished attempt makes one.
public struct AggregateSum: Equatable, Sendable {
  public let context: AttemptContext
  /// Σ of the survivors' inputs modulo 2^b, exact.
  public let sum: RingVector
  /// Whose inputs the sum holds (U3), ascending.
  public let survivors: [ParticipantID]
  /// Hash of everything signed in stages 1 and 2.
  public let transcript: Digest
  /// At least t survivors' signatures on the survivor set: the proof that a charge may be taken back by those outside.
  public let signatures: ConsistencySignatures
  /// Who answered with shares that were not theirs to give; the sum is right all the same. Ascending.
  public let suspects: [ParticipantID]
}
