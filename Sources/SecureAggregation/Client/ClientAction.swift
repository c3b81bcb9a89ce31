public import CryptoPrimitives

/// What the host of a client session must do next.
public enum ClientAction: Equatable, Sendable {
  /// Send this message to the server.
  case send(ClientMessage)
  /// Everybody's shares are in place: write and sync the ledger entry, then call `submit`.
  case awaitInput(InputRequest)
  /// Send this message to the server; it is the session's last, and the session is closed.
  case sendLast(ClientMessage)
  /// The server or a peer broke the protocol; the session is closed and its secrets are gone. `refusal.abort(in:)` is
  /// the message that tells the server.
  case refuse(ClientRefusal)
  /// The server ended the attempt; the session is closed and its secrets are gone.
  case aborted(Abort)
}

/// The moment at which a client commits its input: after this point the input may be in a sum.
public struct InputRequest: Hashable, Sendable {
  /// Who shares masks with this client (U2), ascending, itself included.
  public let contributors: [ParticipantID]
  /// Hash of all that was signed so far; the same for every honest contributor.
  public let transcript: Digest
}

/// Why a client closed its session. Never holds a secret.
public struct ClientRefusal: Error, Hashable, Sendable {
  public let reason: ClientRefusalReason
  /// Whom the evidence points at, ascending; empty when it is the server or nobody in particular.
  public let suspects: [ParticipantID]

  init(_ reason: ClientRefusalReason, suspects: [ParticipantID] = []) {
    self.reason = reason
    self.suspects = suspects
  }

  /// The message that tells the server that this client is out.
  public func abort(in context: AttemptContext) -> Abort {
    Abort(context: context, reason: .refusedByClient, suspects: suspects)
  }
}

/// The closed list of reasons, for counting and reporting.
public enum ClientRefusalReason: String, Sendable, CaseIterable {
  /// The session has ended: answered once, refused or aborted.
  case sessionClosed = "session closed"
  /// A message that this stage does not take: early, late, repeated or reordered.
  case unexpectedMessage = "unexpected message"
  /// Another session, round, attempt or plan hash.
  case wrongContext = "wrong context"
  case wrongVersion = "wrong version"
  case wrongSuite = "wrong suite"
  /// Somebody outside the roster.
  case unknownParticipant = "unknown participant"
  /// A list that is not strictly ascending: out of order, or somebody listed twice.
  case notAscending = "not ascending"
  /// An advertisement not signed by the enrolled identity.
  case badAdvertisementSignature = "bad advertisement signature"
  /// This client's own advertisement is missing from the list or was changed.
  case ownAdvertisementChanged = "own advertisement changed"
  /// A public key of small order.
  case weakPublicKey = "weak public key"
  /// Fewer participants than threshold and n_min demand.
  case tooFewParticipants = "too few participants"
  /// Drawn graph: fewer than t of this client's own holders take part, or are in the survivor set.
  case tooFewHolders = "too few holders"
  /// A dealer that did not advertise keys.
  case unknownDealer = "unknown dealer"
  /// This client's own deal is missing from the delivery or was changed.
  case ownSharesChanged = "own shares changed"
  /// A share root not signed by the dealer's enrolled identity.
  case badShareSignature = "bad share signature"
  /// A delivered share that is not under the dealer's signed root.
  case shareNotUnderRoot = "share not under root"
  /// A ciphertext that is missing or fails to open.
  case sharesDoNotOpen = "shares do not open"
  /// Opened shares with an element of 2^61 − 1 or more.
  case sharesNotCanonical = "shares not canonical"
  /// Opened shares that are not the ones committed to.
  case shareCommitmentMismatch = "share commitment mismatch"
  /// A survivor that shared no keys.
  case survivorNotContributor = "survivor not a contributor"
  /// This client sent its input and is declared dropped.
  case selfNotSurvivor = "self not a survivor"
  /// |U3| below threshold or n_min.
  case tooFewSurvivors = "too few survivors"
  /// A consistency signature by somebody outside the survivor set.
  case signerNotSurvivor = "signer not a survivor"
  /// Drawn graph: a consistency signature by somebody who holds no share of this client's.
  case signerNotHolder = "signer not a holder"
  /// A signature that is not on the survivor set that this client saw.
  case badConsistencySignature = "bad consistency signature"
  /// Fewer than t consistency signatures.
  case tooFewSignatures = "too few signatures"
  /// This client's own consistency signature is missing.
  case ownSignatureMissing = "own signature missing"
}
