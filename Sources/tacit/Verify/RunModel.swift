internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import Recommender
internal import SecureAggregation
internal import Storage

/// The model of a run: over the plan's catalogue, and the one that the coordinator signed after the last release of its ledger.
///
/// The signed statement (`release.bin`) binds the model to the length of the ledger: whoever shortens the ledger beside it, or puts
/// another model there, contradicts it.
struct RunModel {
  let run: RunUnderCheck
  let ledgers: RunLedgers
  /// The last released sum with a countersignature; `nil` where none is there.
  let witnessed: LedgerAttempt?

  private var idsPath: String { "\(run.folder.currentPath)/\(ModelBundle.idsName)" }
  private var tensorsPath: String { "\(run.folder.currentPath)/\(ModelBundle.tensorsName)" }

  func found() -> RunFindings {
    var findings = RunFindings()
    let hasModel = run.holds(tensorsPath) || run.holds(idsPath)
    // Before the first release there is no model.
    let isExpected = run.folder.isFinished && ledgers.coordinator?.charges.contains(where: \.isReleased) != false
    if !hasModel, isExpected { findings.say(.failed, ModelBundle.idsName, "is missing from a run that looks whole") }
    let model = hasModel ? checkCatalogue(&findings) : nil
    if hasModel || isExpected || run.holds(run.folder.modelRelease) { checkRelease(model, &findings) }
    return findings
  }

  private func checkCatalogue(_ findings: inout RunFindings) -> ItemModel? {
    guard PlainFile.isPlain(idsPath, bytesMax: PlainFile.documentBytesMax),
      PlainFile.isPlain(tensorsPath, bytesMax: PlainFile.modelBytesMax),
      let (model, ids) = try? ModelBundle.read(folder: run.folder.currentPath), Set(ids).count == ids.count,
      SHA256.hash(Catalogue(itemIDs: ids).canonicalBytes).hex == run.plan.catalogue.hash
    else {
      findings.say(
        .failed, ModelBundle.idsName, "model and item ids cannot be read, or are not over the plan's catalogue")
      return nil
    }
    findings.say(.ok, ModelBundle.idsName, "\(ids.count) items, with the hash that the plan names")
    return model
  }

  private func checkRelease(_ model: ItemModel?, _ findings: inout RunFindings) {
    let subject = run.name(run.folder.modelRelease)
    guard run.holds(run.folder.modelRelease) else {
      return findings.say(
        .failed, subject, "is missing: without the coordinator's signed word on the model, anybody may have put another one here")
    }
    let release: ModelRelease
    do { release = try ModelRelease(decoding: try run.folder.read(run.folder.modelRelease)) } catch {
      return findings.say(.failed, subject, "\(error)")
    }
    guard let key = VerificationKey(hex: run.plan.coordinatorKey), release.isSigned(by: key),
      release.planHash == run.planHash, release.session.hex == run.plan.session
    else { return findings.say(.failed, subject, "is not signed by the plan's coordinator for this plan") }
    let attempt = LedgerAttempt(session: release.session, round: Int(release.round), attempt: Int(release.attempt))
    if let ledger = ledgers.coordinator {
      guard ledger.isExtension(of: LedgerHead(size: release.ledgerSize, head: release.ledgerHead)) else {
        return findings.say(
          .failed, subject,
          "the coordinator signed after \(attempt.place) that its ledger had \(release.ledgerSize) records, and this ledger, of \(ledger.size), is not that one grown: it was cut or exchanged"
        )
      }
      let released = ledger.charges.filter(\.isReleased).map(\.charge.attempt)
      if run.folder.isFinished ? released.last != attempt : !released.contains(attempt) {
        return findings.say(
          .failed, subject, "is of \(attempt.place), which is not the last release of the coordinator's ledger")
      }
      if let last = released.last, last != attempt {
        guard witnessed == attempt else {
          return findings.say(
            .failed, subject,
            "is of \(attempt.place), and the last sum with countersignatures is \(witnessed.map { "that of \($0.place)" } ?? "none"): the coordinator keeps both together, so that one of them was exchanged or taken away"
          )
        }
        findings.say(
          .note, subject,
          "is of \(attempt.place), and the ledger released sums up to \(last.place): the run was interrupted before it kept that model"
        )
      }
    }
    for (name, state) in ledgers.partners {
      guard case .released(let told?)? = state.charge(attempt, release: attempt.round)?.outcome?.result,
        told != release.modelHash
      else { continue }
      return findings.say(.failed, subject, "names another model than \(name) was told of after \(attempt.place)")
    }
    guard let model else { return }
    guard let bytes = Self.bytes(of: model), SHA256.hash(bytes) == release.modelHash else {
      return findings.say(
        .failed, ModelBundle.tensorsName, "is not the model that the coordinator signed after \(attempt.place): it was exchanged")
    }
    findings.say(
      .ok, ModelBundle.tensorsName,
      "is the model that the coordinator signed after \(attempt.place), with \(release.ledgerSize) records in its ledger"
    )
  }

  /// What was hashed; `nil` for a file that says what no model can.
  private static func bytes(of model: ItemModel) -> [UInt8]? {
    let texts = Array(model.tensors.keys) + [model.algorithm]
    guard UInt32(exactly: model.version) != nil, model.tensors.count <= 1000, texts.allSatisfy({ $0.utf8.count <= 1000 }),
      model.tensors.values.allSatisfy({ $0.shape.count <= 16 })
    else { return nil }
    return ModelBytes.encode(model)
  }
}
