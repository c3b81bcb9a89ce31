internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import SecureAggregation

extension Tacit_V1_RoundStart {
  init(_ start: RoundStart) {
    self.init()
    session = start.session.data
    round = start.round
    attempt = start.attempt
    planHash = start.planHash.data
    model = Data(start.model)
    ledgerSize = start.ledgerSize
    ledgerHead = start.ledgerHead.data
    signature = start.signature.data
  }
}

extension RoundStart {
  init(_ wire: Tacit_V1_RoundStart) throws(WireError) {
    let fields = WireFields("RoundStart")
    self.init(
      session: try fields.value(wire.session, "session"), round: wire.round, attempt: wire.attempt,
      planHash: try fields.value(wire.planHash, "plan_hash"), model: Array(wire.model), ledgerSize: wire.ledgerSize,
      ledgerHead: try fields.value(wire.ledgerHead, "ledger_head"),
      signature: try fields.value(wire.signature, "signature"))
  }
}

extension Tacit_V1_RoundEnd {
  init(_ end: RoundEnd) {
    self.init()
    context = Tacit_V1_AttemptContext(end.context)
    abortReason = UInt32(end.abortReason?.rawValue ?? 0)
    if let statement = end.release { release = Tacit_V1_ModelRelease(statement) }
    if let shown = end.evaluation { evaluation = Tacit_V1_ReleasedEvaluation(shown) }
  }
}

extension RoundEnd {
  init(_ wire: Tacit_V1_RoundEnd) throws(WireError) {
    let fields = WireFields("RoundEnd")
    let context = try fields.context(wire.context, isPresent: wire.hasContext)
    let code: UInt8 = try fields.narrow(wire.abortReason, "abort_reason")
    let reason =
      code == 0 ? nil : try fields.require(AttemptAbort(rawValue: code), "abort_reason", "found \(code), not a reason")
    guard wire.hasRelease == (reason == nil) else {
      throw WireError(
        message: "RoundEnd", field: "release",
        reason: reason == nil ? "is missing although the sum was released" : "is there although the attempt was aborted")
    }
    guard wire.hasRelease || !wire.hasEvaluation else {
      throw WireError(message: "RoundEnd", field: "evaluation", reason: "is there although the attempt was aborted")
    }
    self.init(
      context: context, abortReason: reason, release: wire.hasRelease ? try ModelRelease(wire.release) : nil,
      evaluation: wire.hasEvaluation ? try ReleasedEvaluation(wire.evaluation) : nil)
  }
}

extension Tacit_V1_ReleasedEvaluation {
  init(_ evaluation: ReleasedEvaluation) {
    self.init()
    entries = evaluation.entries
    previousHead = evaluation.previousHead.data
    outcome = Data(evaluation.outcome)
  }
}

extension ReleasedEvaluation {
  init(_ wire: Tacit_V1_ReleasedEvaluation) throws(WireError) {
    let fields = WireFields("ReleasedEvaluation")
    // How many integers there should be is the plan's to say, and the engine's to check.
    self.init(
      entries: wire.entries, previousHead: try fields.value(wire.previousHead, "previous_head"),
      outcome: try fields.bounded(wire.outcome, "outcome", most: Self.outcomeBytesMax))
  }
}

extension Tacit_V1_ModelRelease {
  init(_ release: ModelRelease) {
    self.init()
    session = release.session.data
    version = release.version
    round = release.round
    attempt = release.attempt
    planHash = release.planHash.data
    modelHash = release.modelHash.data
    ledgerSize = release.ledgerSize
    ledgerHead = release.ledgerHead.data
    signature = release.signature.data
  }
}

extension ModelRelease {
  init(_ wire: Tacit_V1_ModelRelease) throws(WireError) {
    let fields = WireFields("ModelRelease")
    self.init(
      session: try fields.value(wire.session, "session"), version: wire.version, round: wire.round, attempt: wire.attempt,
      planHash: try fields.value(wire.planHash, "plan_hash"), modelHash: try fields.value(wire.modelHash, "model_hash"),
      ledgerSize: wire.ledgerSize, ledgerHead: try fields.value(wire.ledgerHead, "ledger_head"),
      signature: try fields.value(wire.signature, "signature"))
  }
}

extension Tacit_V1_RoundRefusal {
  init(_ refusal: RoundRefusal) {
    self.init()
    session = refusal.session.data
    round = refusal.round
    attempt = refusal.attempt
    participant = refusal.participant.rawValue
    reason = UInt32(refusal.reason.rawValue)
  }
}

extension RoundRefusal {
  init(_ wire: Tacit_V1_RoundRefusal) throws(WireError) {
    let fields = WireFields("RoundRefusal")
    let code: UInt8 = try fields.narrow(wire.reason, "reason")
    self.init(
      session: try fields.value(wire.session, "session"), round: wire.round, attempt: wire.attempt,
      participant: ParticipantID(wire.participant),
      reason: try fields.require(PartnerRefusal(rawValue: code), "reason", "found \(code), not a refusal"))
  }
}

extension Tacit_V1_PlainSum {
  init(_ sum: PlainSum) {
    self.init()
    context = Tacit_V1_AttemptContext(sum.context)
    participant = sum.participant.rawValue
    packed = Data(sum.packed)
    digest = SHA256.hash(sum.packed).data
  }
}

extension PlainSum {
  init(_ wire: Tacit_V1_PlainSum) throws(WireError) {
    let fields = WireFields("PlainSum")
    self.init(
      context: try fields.context(wire.context, isPresent: wire.hasContext),
      participant: ParticipantID(wire.participant), packed: try fields.packed(wire.packed, digest: wire.digest))
  }
}
