internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Reporting
internal import Storage

/// The report of a run in its three forms: all sealed by the plan's coordinator, all saying one thing, and that what plan and ledgers give.
///
/// A form by itself proves nothing here: whoever takes report.json away has nothing left to compare a page with. So they are all
/// there, or none is.
struct RunReportForms {
  let run: RunUnderCheck
  let ledgers: RunLedgers

  private var folder: RunFolder { run.folder }

  func found() -> RunFindings {
    var findings = RunFindings()
    let paths = [folder.reportJSON, folder.reportHTML, folder.reportText]
    let present = paths.filter { run.holds($0) }
    guard !present.isEmpty else {
      sayAbsent(&findings)
      return findings
    }
    for path in paths where !present.contains(path) {
      findings.say(
        .failed, run.name(path), "is missing, and another form of the report is there: a report has three, or there is none")
    }
    let seals = present.compactMap { checkSeal($0, &findings) }
    if Set(seals.map(\.line)).count > 1 {
      findings.say(
        .failed, "report", "the seals of its forms are not one: each may be genuine, but they are of different reports")
    }
    guard present.contains(folder.reportJSON) else { return findings }
    do {
      let report = try RunReport(json: Data(try folder.read(folder.reportJSON)))
      compare(report, &findings)
      try compareForms(report, &findings)
    } catch { findings.say(.failed, run.name(folder.reportJSON), "\(error)") }
    return findings
  }

  private func sayAbsent(_ findings: inout RunFindings) {
    let subject = run.name(folder.reportJSON)
    if folder.isExport { return findings.say(.note, subject, "is not there: the coordinator exported the run without one") }
    folder.isFinished
      ? findings.say(.failed, subject, "is missing from a run that looks whole")
      : findings.say(.note, subject, "is not there: the run was interrupted; its ledgers count all the same")
  }

  /// Every byte of a form is what the plan's coordinator signed.
  private func checkSeal(_ path: String, _ findings: inout RunFindings) -> ReportSeal? {
    let (subject, key) = (run.name(path), run.plan.coordinatorKey)
    do {
      let report = try VerifiedReport(try folder.read(path))
      guard report.seal.key == key else {
        findings.say(
          .failed, subject,
          "is signed by the key \(report.seal.key.prefix(16))…, expected the coordinator's of plan.json: \(key.prefix(16))…")
        return nil
      }
      findings.say(.ok, subject, "every byte is what the coordinator's key \(key.prefix(16))… signed")
      return report.seal
    } catch {
      findings.say(.failed, subject, "\(error)")
      return nil
    }
  }

  private func compare(_ report: RunReport, _ findings: inout RunFindings) {
    let subject = run.name(folder.reportJSON)
    let comparison = ReportComparison(report: report, run: run, ledgers: ledgers)
    let objections = comparison.objections
    for objection in objections { findings.say(.failed, subject, objection) }
    if objections.isEmpty {
      findings.say(
        .ok, subject, "plan, signer, ledger head, hazards and the whole of its privacy part are those that plan and ledgers give")
    }
    if !folder.isFinished, let ledger = ledgers.coordinator {
      let check = ReleasedQualityCheck(report.utility?.released ?? [], plan: run.plan, ledger: ledger, isWhole: false)
      for sentence in check.missing { findings.say(.note, subject, sentence) }
    }
    if let audit = report.privacy.audit {
      if let hazard = audit.hazard { findings.contradict(subject, hazard.text) }
      findings.limit("What the audit in the report measured is the coordinator's word; tacit audit repeats it.")
    }
  }

  /// Each form is what this program writes for this report, byte for byte: no figure stands twice, and none elsewhere.
  private func compareForms(_ report: RunReport, _ findings: inout RunFindings) throws {
    let forms = [
      (
        folder.reportJSON, try report.renderJSON(),
        "holds members, or a spelling, that no report has: other readers may find other figures in it"
      ),
      (folder.reportHTML, report.renderHTML(), "does not say what report.json says; print that with tacit report"),
      (folder.reportText, report.renderText(.page), "does not say what report.json says; print that with tacit report"),
    ]
    for (path, body, fault) in forms {
      guard let sealed = try? folder.read(path), let form = try? ReportForm.unseal(sealed).body else { continue }
      guard form == Array(body.utf8) else {
        findings.say(.failed, run.name(path), fault)
        continue
      }
      if path != folder.reportJSON { findings.say(.ok, run.name(path), "says what report.json says") }
    }
  }
}
