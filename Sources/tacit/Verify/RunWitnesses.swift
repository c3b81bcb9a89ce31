internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import SecureAggregation
internal import Storage

/// Partners who completed a round have signed who is in its sum, and with that the coordinator's head of then.
///
/// The head must still be in the coordinator's ledger, and the sum be of those who were named: as many as the ledger says, all of the
/// roster, each charged in its own ledger. Each released sum has one such line. A line that is missing is as telling as one that
/// contradicts: it is the one that a coordinator would cut who changed its ledger.
struct RunWitnesses {
  let run: RunUnderCheck
  let ledgers: RunLedgers

  private struct Fault: Error {
    var line: Int?
    let sentence: String
  }

  private var subject: String { run.name(run.folder.witnesses) }
  private var plan: TrainingPlan { run.plan }

  /// - Returns: `last`: the last released sum that has a sound line; `nil` for none.
  func found() -> (findings: RunFindings, last: LedgerAttempt?) {
    var findings = RunFindings()
    guard plan.aggregation.isSecure else {
      findings.limit(
        "Without secure aggregation partners sign nothing about a sum: how many are in it is the coordinator's word.")
      return (findings, nil)
    }
    guard let ledger = ledgers.coordinator else { return (findings, nil) }
    let released = ledger.charges.filter(\.isReleased)
    guard run.holds(run.folder.witnesses) else {
      guard !released.isEmpty else { return (findings, nil) }
      findings.limit(
        "No partner's signature under the coordinator's heads is in this folder: whether partners were shown this ledger is for them to compare (tacit ledger head)."
      )
      if run.folder.isFinished {
        findings.say(
          .failed, subject, "is missing from a run that looks whole: each of \(released.count) released sums was countersigned")
      }
      return (findings, nil)
    }
    do {
      let witnesses = try read(ledger)
      let kept = keptCount(released, in: witnesses)
      for standing in released.prefix(kept) {
        guard let witness = witnesses[standing.charge.attempt] else {
          throw Fault(
            sentence:
              "holds \(witnesses.count) countersignatures for \(released.count) released sums; that of \(standing.charge.attempt.place) is missing: it was cut out, or never was"
          )
        }
        if let objection = objection(to: standing, signed: witness) { throw Fault(sentence: objection) }
      }
      let last = witnesses.values.map(\.head.size).max() ?? 0
      let isComplete = kept == released.count
      findings.say(
        isComplete ? .ok : .note, subject,
        "each of \(isComplete ? "" : "the first ")\(kept) released sums is countersigned by at least \(run.signaturesForProof) of \(plan.roster.count) partners under heads that this ledger still holds, the last of \(last) records; those whom they named are in the sum"
      )
      if kept < released.count {
        findings.say(
          .note, subject,
          "of \(released.count) released sums the last \(released.count - kept) have no countersignature: the coordinator was interrupted before it kept them, or they were cut out"
        )
      }
      findings.limit(
        "Partners countersign the coordinator's head when a round opens: what its ledger says after record \(last) of \(ledger.size) rests on its own signature."
      )
      return (findings, released.prefix(kept).last?.charge.attempt)
    } catch let fault as Fault {
      findings.say(.failed, fault.line.map { "\(subject), line \($0)" } ?? subject, fault.sentence)
    } catch { findings.say(.failed, subject, "\(error)") }
    return (findings, nil)
  }

  /// How many of the released sums, from the first, must have a countersignature: all of them but in an export that is not whole. A
  /// coordinator writes its ledger before it keeps what came with a sum, and one that is restored keeps the longer ledger: what it lost
  /// that way is the end.
  private func keptCount(_ released: [LedgerState.Standing], in witnesses: [LedgerAttempt: LedgerWitness]) -> Int {
    guard !run.folder.isFinished, run.folder.isExport else { return released.count }
    return (released.lastIndex { witnesses[$0.charge.attempt] != nil } ?? -1) + 1
  }

  /// Why a released sum is not the one whose survivors signed, or `nil`. The number of them is what noise and ε rest on.
  private func objection(to standing: LedgerState.Standing, signed witness: LedgerWitness) -> String? {
    let (attempt, survivors) = (witness.attempt, witness.survivors)
    // The charge states the inputs that were held when it was written: after a crash another may have come, or one be lost.
    guard standing.outcome?.survivors == survivors.count else {
      return
        "\(attempt.place): partners signed that \(survivors.count) of them are in the sum, the coordinator's ledger states \(standing.outcome?.survivors.map(String.init) ?? "none")"
    }
    let roster = plan.verificationKeys
    if let stranger = survivors.first(where: { roster[$0] == nil }) {
      return "\(attempt.place): participant \(stranger.rawValue) is said to be in the sum and is not in the plan's roster"
    }
    for (name, state) in survivors.compactMap({ ledgers.partner($0) }) {
      let own = state.charge(attempt, release: standing.charge.release)
      guard let own, own.refund != .proven, own.charge.binding == witness.binding else {
        return
          "\(attempt.place): partners signed that \(name) is in the sum, and its ledger \(own == nil ? "has no charge for it" : own?.refund == .proven ? "took the charge back" : "charges something else")"
      }
    }
    return nil
  }

  /// All lines, each of another attempt, each proven and charged.
  private func read(_ ledger: LedgerState) throws -> [LedgerAttempt: LedgerWitness] {
    let roster = plan.verificationKeys
    var witnesses: [LedgerAttempt: LedgerWitness] = [:]
    for (index, line) in try run.folder.read(run.folder.witnesses).split(separator: UInt8(ascii: "\n")).enumerated() {
      let number = index + 1
      let witness: LedgerWitness
      do { witness = try LedgerWitness(json: CanonicalJSON(canonical: line)) } catch {
        throw Fault(line: number, sentence: "\(error)")
      }
      let signers = witness.signers(in: roster).count
      guard witness.plan == run.planHash, signers >= run.signaturesForProof else {
        throw Fault(
          line: number,
          sentence:
            "holds \(signers) valid signatures of this plan's partners under one head, \(run.signaturesForProof) are needed; it was changed, or is of another task"
        )
      }
      guard ledger.isExtension(of: witness.head) else {
        throw Fault(
          line: number,
          sentence:
            "\(signers) partners signed that the coordinator showed them a ledger of \(witness.head.size) records with the hash \(witness.head.head.hex.prefix(16))…, and this ledger is another one: the coordinator forked or rewrote it"
        )
      }
      guard let charge = ledger.charge(witness.attempt, release: witness.attempt.round)?.charge, charge.binding == witness.binding
      else {
        throw Fault(
          line: number,
          sentence:
            "\(signers) partners completed \(witness.attempt.place) under this plan, model and head, and the coordinator's ledger has no charge for that: it was left out, or charged for something else"
        )
      }
      guard witnesses.updateValue(witness, forKey: witness.attempt) == nil else {
        throw Fault(line: number, sentence: "is a second countersignature of \(witness.attempt.place)")
      }
    }
    return witnesses
  }
}
