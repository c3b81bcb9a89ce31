internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import SecureAggregation
internal import Storage

/// Partners who completed a round have signed the coordinator's head of then: it must still be in its ledger.
///
/// Each released sum has one such line. A line that is missing is as telling as one that contradicts: it is the one that a coordinator
/// would cut who changed its ledger.
struct RunWitnesses {
  let folder: RunFolder
  /// The file's name for people.
  let subject: String
  let plan: TrainingPlan
  let planHash: Digest
  /// The coordinator's.
  let ledger: LedgerState

  /// Signatures that convince a third party.
  private var needed: Int { plan.aggregation.signaturesForProof(partners: plan.roster.count) }

  private struct Fault: Error {
    var line: Int?
    let sentence: String
  }

  func found() -> (checks: [RunVerification.Check], limits: [String]) {
    let released = ledger.charges.filter { if case .released? = $0.outcome?.result { true } else { false } }
    guard FileManager.default.fileExists(atPath: folder.witnesses) else {
      guard !released.isEmpty else { return ([], []) }
      let limit =
        "No partner's signature under the coordinator's heads is in this folder: whether partners were shown this ledger is for them to compare (tacit ledger head)."
      guard folder.isFinished else { return ([], [limit]) }
      return (
        [failure("is missing from a run that looks whole: each of \(released.count) released sums was countersigned")], [limit]
      )
    }
    do {
      let witnesses = try read()
      for standing in released where witnesses[standing.charge.attempt] == nil {
        throw Fault(
          sentence:
            "holds \(witnesses.count) countersignatures for \(released.count) released sums; that of \(place(standing.charge.attempt)) is missing: it was cut out, or never was"
        )
      }
      let last = witnesses.values.map(\.head.size).max() ?? 0
      return (
        [
          RunVerification.Check(
            verdict: .ok, subject: subject,
            sentence:
              "each of \(released.count) released sums is countersigned by at least \(needed) of \(plan.roster.count) partners under heads that this ledger still holds, the last of \(last) records"
          )
        ],
        [
          "Partners countersign the coordinator's head when a round opens: what its ledger says after record \(last) of \(ledger.size) rests on its own signature."
        ]
      )
    } catch let fault as Fault { return ([failure(fault.sentence, line: fault.line)], []) } catch {
      return ([failure("\(error)")], [])
    }
  }

  private func failure(_ sentence: String, line: Int? = nil) -> RunVerification.Check {
    RunVerification.Check(verdict: .failed, subject: line.map { "\(subject), line \($0)" } ?? subject, sentence: sentence)
  }

  private func place(_ attempt: LedgerAttempt) -> String { "round \(attempt.round + 1), attempt \(attempt.attempt + 1)" }

  /// All lines, each of another attempt, each proven and charged.
  private func read() throws -> [LedgerAttempt: LedgerWitness] {
    let roster = plan.verificationKeys
    var witnesses: [LedgerAttempt: LedgerWitness] = [:]
    for (index, line) in try folder.read(folder.witnesses).split(separator: UInt8(ascii: "\n")).enumerated() {
      let number = index + 1
      let witness: LedgerWitness
      do { witness = try LedgerWitness(json: CanonicalJSON(canonical: line)) } catch {
        throw Fault(line: number, sentence: "\(error)")
      }
      let signers = witness.signers(in: roster).count
      guard witness.plan == planHash, signers >= needed else {
        throw Fault(
          line: number,
          sentence:
            "holds \(signers) valid signatures of this plan's partners under one head, \(needed) are needed; it was changed, or is of another task"
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
            "\(signers) partners completed \(place(witness.attempt)) under this plan, model and head, and the coordinator's ledger has no charge for that: it was left out, or charged for something else"
        )
      }
      guard witnesses.updateValue(witness, forKey: witness.attempt) == nil else {
        throw Fault(line: number, sentence: "is a second countersignature of \(place(witness.attempt))")
      }
    }
    return witnesses
  }
}
