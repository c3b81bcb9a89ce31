import CommandSupport
import CryptoPrimitives
import DifferentialPrivacy
import FederatedLearning
import Foundation
import Reporting
import Testing

/// The three forms of a run's report against whoever takes one away, exchanges one, or seals forms that say different things.
@Suite(.serialized) struct LyingFormsTests {
  enum Kind: String, CaseIterable { case whole, exported, interrupted }

  /// A sound folder of each kind, and its name.
  private func folder(_ kind: Kind) throws -> (coordinator: LyingCoordinator, name: String) {
    let coordinator = try LyingCoordinator()
    if kind == .exported { try coordinator.export() }
    guard kind == .interrupted else { return (coordinator, "run") }
    let (from, to) = (coordinator.scratch.path("run"), coordinator.scratch.path("run.partial"))
    try FileManager.default.moveItem(atPath: from, toPath: to)
    return (coordinator, "run.partial")
  }

  private func failures(_ coordinator: LyingCoordinator, _ name: String) throws -> [String] {
    let outcome = try Program.tacit.run("verify", name, in: coordinator.scratch)
    let failures = outcome.output.split(separator: "\n").filter { $0.hasPrefix("FAIL") }.map(String.init)
    #expect(outcome.status == (failures.isEmpty ? 0 : 4) && !outcome.wasKilled, "\(outcome.output)\(outcome.errors)")
    return failures
  }

  @Test("A report has its three forms, or none is there: one that was left alone is never called sound", arguments: Kind.allCases)
  func together(kind: Kind) throws {
    let (coordinator, name) = try folder(kind)
    let forms = ["report.json", "report.html", "report.txt"]
    let bytes = try forms.map { try coordinator.scratch.bytes("\(name)/\($0)") }
    #expect(try failures(coordinator, name).isEmpty)
    for kept in 1..<7 {
      for (index, form) in forms.enumerated() {
        if kept & 1 << index == 0 {
          try? coordinator.scratch.remove("\(name)/\(form)")
        } else {
          try coordinator.scratch.write(bytes[index], to: "\(name)/\(form)")
        }
      }
      let failures = try failures(coordinator, name)
      let expected = forms.enumerated().filter { kept & 1 << $0.offset == 0 }.map {
        "FAIL  \($0.element): is missing, and another form of the report is there"
      }
      #expect(failures.count == expected.count, "\(failures)")
      for words in expected { #expect(failures.contains { $0.hasPrefix(words) }, "\(failures)") }
    }
  }

  @Test("A page beside which report.json was taken away is held to its seal all the same", arguments: Kind.allCases)
  func alone(kind: Kind) throws {
    for file in ["report.html", "report.txt"] {
      let (coordinator, name) = try folder(kind)
      let form = try coordinator.scratch.read("\(name)/\(file)")
      try coordinator.scratch.write(form.replacing("8.00", with: "0.10"), to: "\(name)/\(file)")
      try coordinator.scratch.remove("\(name)/report.json")
      #expect(try failures(coordinator, name).contains { $0.contains("\(file): was changed after it was signed") })
      // A forger's own seal does not help.
      let report = try RunReport(json: try LyingCoordinator().scratch.bytes("run/report.json"))
      let forged = try SealedReport(report.signed(by: coordinator.partnerKeys[3]), key: coordinator.partnerKeys[3])
      try coordinator.scratch.write(file == "report.txt" ? forged.text : forged.page, to: "\(name)/\(file)")
      #expect(try failures(coordinator, name).contains { $0.contains("\(file): is signed by the key") })
    }
  }

  @Test(
    "A page or text that its coordinator sealed beside another report.json is found, whatever program or version it names",
    arguments: [false, true])
  func lyingForms(isExport: Bool) throws {
    for version in [nil, "tacit 0.0.9", "tacit-coordinator 9"] {
      let coordinator = try LyingCoordinator()
      if isExport { try coordinator.export() }
      var report = try RunReport(json: try coordinator.scratch.bytes("run/report.json"))
      if let version { report.identity.codeVersion = version }
      let (page, text) = (report.renderHTML(), report.renderText(.page))
      let (falsePage, falseText) = (page.replacing("8.00", with: "0.10"), text.replacing("8.00", with: "0.10"))
      #expect(falsePage != page && falseText != text)
      try coordinator.seal([.json: try report.renderJSON(), .page: falsePage, .text: falseText])
      try coordinator.expectFound("report.html: does not say what", "report.txt: does not say what")
    }
  }

  @Test("A figure that stands twice in report.json, or a member that no report has, is found although it was sealed")
  func twice() throws {
    let coordinator = try LyingCoordinator()
    let report = try RunReport(json: try coordinator.scratch.bytes("run/report.json"))
    let json = try report.renderJSON()
    let member = try #require(json.firstRange(of: /"epsilonUpper" : [0-9.]+/))
    let stated = String(json[member])
    for other in [
      json.replacing(stated, with: "\(stated),\n\"epsilonUpper\" : 0.1"),
      json.replacing(stated, with: "\"epsilonUpper\" : 0.1,\n\(stated)"),
      "{\n  \"approvedBy\" : \"everybody\"," + json.dropFirst(1), json + "\n",
    ] {
      try coordinator.seal([.json: other, .page: report.renderHTML(), .text: report.renderText(.page)])
      try coordinator.expectFound("report.json: ")
      // Whichever of the two this program reads: the bytes are no report's.
      let failures = try coordinator.verify().output.split(separator: "\n").filter { $0.hasPrefix("FAIL  report.json") }
      #expect(failures.contains { $0.contains("holds members, or a spelling, that no report has") }, "\(failures)")
    }
  }

  @Test("A service's report that states figures of quality is refused: it has no data to measure by")
  func quality() throws {
    let coordinator = try LyingCoordinator()
    let simulated = try RunReport(json: try coordinator.scratch.bytes("run/report.json"))
    try coordinator.export()
    try coordinator.reseal { $0.utility = simulated.utility }
    try coordinator.expectFound("states figures of quality or cost")
  }

  @Test(
    "What a report says of an evaluation release is what follows from integers whose hash is in the ledger",
    arguments: [false, true])
  func released(isExport: Bool) throws {
    func expectFound(_ sentence: String, _ change: (inout [ReleasedQuality]) throws -> Void) throws {
      let coordinator = try LyingCoordinator()
      if isExport { try coordinator.export() }
      try coordinator.reseal { report in
        var released = try #require(report.utility?.released)
        #expect(released.count == 1 && released[0].rows.count == 4)
        try change(&released)
        report.utility?.released = released
        if isExport, released.isEmpty { report.utility = nil }
      }
      try coordinator.expectFound(sentence)
    }
    let unknown = "integers whose hash is not in the coordinator's ledger"
    try expectFound(unknown) { $0[0].entries[1] += 1 }
    try expectFound(unknown) { $0[0].release -= 1 }
    try expectFound(unknown) { $0[0].release = 99 }
    try expectFound(unknown) { $0[0].release = .min }
    let others = "and other figures than follow from them"
    try expectFound(others) { $0[0].rows[0].usersNoised += 1 }
    try expectFound(others) { $0[0].rows[1].usersDeviation /= 2 }
    try expectFound(others) { $0[0].rows[0].metrics = [MetricValue(.fullHitRate10, 0.9, low: 0.8, high: 1)] }
    try expectFound(others) { $0[0].rows.removeLast() }
    try expectFound("states an evaluation release twice") { $0.append($0[0]) }
    try expectFound("does not say what evaluation release") { $0 = [] }
  }

  @Test("What an audit is said to have been held against follows from the plan, and what it shows from its attacks")
  func audit() throws {
    let plan = try PlanFile(bytes: Array(LyingCoordinator().scratch.bytes("run/plan.json"))).plan
    let events = plan.releases.compactMap { $0.event(plan.privacy, against: .outsiders) }
    let proven = try Accounting.best(for: PrivacyLossSummary(events), delta: plan.privacy.delta)
    let seen = AuditAttack(method: "residual test", verdict: .consistent, finding: "nothing unusual", epsilonLower: 0.5)
    let honest = EmpiricalAudit(
      method: "of a test", epsilonLower: 0.5, delta: proven.delta, confidence: 0.95, epsilonProven: proven.epsilon,
      attacks: [seen])
    func sealed(_ change: (inout EmpiricalAudit) -> Void) throws -> LyingCoordinator {
      let coordinator = try LyingCoordinator()
      var audit = honest
      change(&audit)
      try coordinator.reseal { $0.privacy.audit = audit }
      return coordinator
    }
    let outcome = try sealed { _ in }.verify()
    #expect(outcome.status == 0, "\(outcome.output)")
    try sealed { $0.epsilonProven = proven.epsilon / 2 }.expectFound("was audited, found")
    try sealed { $0.epsilonProven = nil }.expectFound("was audited, found")
    try sealed { $0.delta = 0.1 }.expectFound("was audited, found")
    try sealed { $0.epsilonLower = 0.1 }.expectFound("the most that one of its attacks shows is 0.5")
    try sealed { $0.attacks = [] }.expectFound("states an audit without an attack")
    // An attack that saw what cannot be: the report must say so where hazards stand.
    try sealed { $0.attacks?[0].verdict = .contradicted }.expectFound("does not say: The audit contradicts the plan")
  }

  @Test("A partner's report by itself is held against the coordinator's ledger in a run of its plan")
  func partnerReport() throws {
    let coordinator = try LyingCoordinator()
    let (scratch, key) = (coordinator.scratch, coordinator.partnerKeys[0])
    let made = try Program.tacit.run("report", "run", "--partner", "partner-1", "--format", "json", in: scratch)
    let report = try RunReport(json: Data(made.output.utf8)).signed(by: key)
    func verify(_ report: RunReport, _ arguments: String...) throws -> Program.Outcome {
      try scratch.write(try SealedReport(report, key: key).json, to: "alone.json")
      return try Program.tacit.run(["verify", "alone.json"] + arguments, in: scratch)
    }
    let alone = try verify(report)
    #expect(
      alone.status == 0 && alone.output.contains("was not checked: the hash is in the coordinator's ledger"), "\(alone.output)")
    let honest = try verify(report, "--run", "run")
    #expect(honest.status == 0 && honest.output.contains("follows from integers whose hash is in the coordinator's ledger"))
    var changed = report
    changed.utility?.released?[0].entries[2] += 1
    let other = try verify(changed, "--run", "run")
    #expect(
      other.status == 4 && other.output.contains("integers whose hash is not in the coordinator's ledger"), "\(other.output)")
    changed = report
    changed.utility?.released?[0].rows[0].usersNoised += 1
    #expect(try verify(changed, "--run", "run").output.contains("and other figures than follow from them"))
    changed = report
    changed.identity.planHash = String(repeating: "0", count: 64)
    let stranger = try verify(changed, "--run", "run")
    #expect(stranger.status == 4 && stranger.output.contains("is of the plan 0000"), "\(stranger.output)")
    // Who was away says so; who leaves it out is told.
    let release = try #require(report.utility?.released?.first?.release)
    changed = report
    changed.utility = UtilityReport(notHeld: [release])
    let absent = try verify(changed, "--run", "run")
    #expect(absent.status == 0 && !absent.output.contains("does not say what evaluation release"), "\(absent.output)")
    #expect(changed.renderText(.full).contains("of the plan said of the model is not held here"))
    changed.utility = nil
    #expect(
      try verify(changed, "--run", "run").output.contains("note  alone.json: does not say what evaluation release \(release)"))
    try Program.tacit.run("verify", "run", "--run", "run", in: scratch).expectRefusal(64, saying: "--run goes with one report")
    try scratch.write(try SealedReport(report, key: key).page, to: "alone.html")
    try Program.tacit.run("verify", "alone.html", "--run", "run", in: scratch).expectRefusal(64, saying: "not in JSON")
  }
}

extension RunReport {
  /// The same, naming another signer.
  fileprivate func signed(by key: SigningKey) -> RunReport {
    var report = self
    report.identity.signerKeyFingerprint = SignerFingerprint(of: key.verificationKey).hex
    return report
  }
}
