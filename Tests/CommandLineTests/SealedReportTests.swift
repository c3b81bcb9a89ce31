import Foundation
import Testing

/// `tacit verify` on single reports, and `tacit report` for partners and beside another run: as processes.
@Suite(.serialized) struct SealedReportTests {
  private static let forms = ["first/report.html", "first/report.json", "first/report.txt"]

  @Test("Each form of a report verifies by itself and names its signer, who can be asked for", arguments: forms)
  func whole(file: String) throws {
    let scratch = try FinishedRunFixture.copy()
    let outcome = try Program.tacit.run("verify", file, in: scratch)
    #expect(
      outcome.status == 0 && outcome.output.contains("its signer was NOT checked") && !outcome.output.contains("sound"),
      "\(outcome.output)\(outcome.errors)")
    let plan = try #require(try JSONSerialization.jsonObject(with: scratch.bytes("first/report.json")) as? [String: Any])
    let fingerprint = try #require((plan["identity"] as? [String: Any])?["signerKeyFingerprint"] as? String)
    #expect(outcome.output.contains(fingerprint))
    let named = try Program.tacit.run("verify", file, "--signer", fingerprint, in: scratch)
    #expect(named.status == 0 && named.output.contains("\(file) is sound: unchanged since the signer that you named"))
    #expect(try Program.tacit.run("verify", file, "--signer", String(fingerprint.prefix(16)), in: scratch).status == 0)
    // Fewer digits could be met by chance; other digits are another signer.
    for other in [String(fingerprint.prefix(15)), String(fingerprint.reversed()), ""] {
      let refused = try Program.tacit.run("verify", file, "--signer", other, in: scratch)
      #expect(refused.status == 4 && refused.output.contains("expected the signer"))
    }
  }

  @Test("A flipped bit anywhere in any form is found", arguments: forms)
  func flipped(file: String) throws {
    let scratch = try FinishedRunFixture.copy()
    let bytes = try scratch.bytes(file)
    for part in 0..<24 {
      var changed = bytes
      let place = min(bytes.count - 1, bytes.count * part / 23)
      changed[place] ^= part.isMultiple(of: 2) ? 1 : 32
      try scratch.write(changed, to: file)
      let outcome = try Program.tacit.run("verify", file, in: scratch)
      #expect(outcome.status == 4 && outcome.complaints.count == 1, "byte \(place) of \(file): \(outcome.output)")
    }
    for (changed, what) in [(bytes.dropLast(), "cut"), (bytes + Data("\n".utf8), "longer"), (Data(), "empty")] {
      try scratch.write(changed, to: file)
      #expect(try Program.tacit.run("verify", file, in: scratch).status == 4, "\(what)")
    }
  }

  @Test("Words that are changed in the page, the seal of another run and a report without a seal are refused by name")
  func forged() throws {
    let scratch = try FinishedRunFixture.copy()
    let page = try scratch.read("first/report.html")
    try scratch.write(page.replacingOccurrences(of: "8.00", with: "0.10"), to: "first/report.html")
    for path in ["first/report.html", "first"] {
      let outcome = try Program.tacit.run("verify", path, in: scratch)
      #expect(outcome.status == 4 && outcome.output.contains("report.html: was changed after it was signed"))
    }
    let line = try #require(page.split(separator: "\n").first { $0.hasPrefix("<p class=\"seal\">") })
    let other = try #require(
      try scratch.read("second/report.html").split(separator: "\n").first { $0.hasPrefix("<p class=\"seal\">") })
    try scratch.write(page.replacingOccurrences(of: line, with: other), to: "first/report.html")
    #expect(try Program.tacit.run("verify", "first/report.html", in: scratch).output.contains("was changed after it was signed"))
    try scratch.write(page.replacingOccurrences(of: line + "\n", with: ""), to: "first/report.html")
    #expect(try Program.tacit.run("verify", "first/report.html", in: scratch).output.contains("holds no seal"))
    // A whole report of another run is unchanged, and not of this plan.
    try scratch.write(try scratch.bytes("second/report.html"), to: "first/report.html")
    #expect(try Program.tacit.run("verify", "first/report.html", in: scratch).status == 0)
    #expect(try Program.tacit.run("verify", "first", in: scratch).output.contains("expected the coordinator's of plan.json"))
  }

  @Test("One partner's report is made of its own ledger, and refused when that does not verify or is missing")
  func partner() throws {
    let scratch = try FinishedRunFixture.copy()
    let outcome = try Program.tacit.run("report", "first", "--partner", "partner-2", "--format", "json", in: scratch)
    let privacy = try #require((outcome.json as? [String: Any])?["privacy"] as? [String: Any])
    let rows = try #require(privacy["spending"] as? [[String: Any]])
    #expect(rows.first?["name"] as? String == "partner-2" && rows.contains { $0["kind"] as? String == "family" })
    #expect(outcome.status == 0 && !outcome.output.contains("\"seal\""))
    let ledger = "first/ledgers/partner-partner-2.ledger"
    let bytes = try scratch.bytes(ledger)
    for (changed, sentence) in [
      (Data(bytes.prefix(bytes.count / 2)), "does not verify"),
      (try scratch.bytes("second/ledgers/partner-partner-2.ledger"), "another holder's"),
    ] {
      try scratch.write(changed, to: ledger)
      let refused = try Program.tacit.run("report", "first", "--partner", "partner-2", in: scratch)
      #expect(refused.status == 4 && refused.errors.contains(sentence), "\(refused.errors)")
    }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    try scratch.write(lines.dropLast(2).map { $0 + "\n" }.joined(), to: ledger)
    let cut = try Program.tacit.run("report", "first", "--partner", "partner-2", in: scratch)
    #expect(cut.status == 4 && cut.errors.contains("the ledger lost records"), "\(cut.errors)")
    try scratch.remove(ledger)
    #expect(try Program.tacit.run("report", "first", "--partner", "partner-2", in: scratch).status == 66)
    let stranger = try Program.tacit.run("report", "first", "--partner", "partner-22", in: scratch)
    #expect(stranger.status == 64 && stranger.errors.contains("not in the plan's roster"))
  }

  @Test("Two runs are compared figure by figure; a forged one is not compared")
  func compared() throws {
    let scratch = try FinishedRunFixture.copy()
    let same = try Program.tacit.run("report", "first", "--compare", "first/report.json", in: scratch)
    #expect(same.status == 0 && same.output.contains("\n0 of "))
    let outcome = try Program.tacit.run("report", "first", "--compare", "second", "--format", "json", in: scratch)
    let rows = try #require((outcome.json as? [String: Any])?["rows"] as? [[String: Any]])
    #expect(rows.contains { $0["figure"] as? String == "Plan" && $0["differs"] as? Bool == true })
    #expect(rows.contains { $0["figure"] as? String == "Partners" && $0["differs"] as? Bool == false })
    let json = try scratch.read("second/report.json")
    try scratch.write(json.replacingOccurrences(of: "\"runID\" : \"", with: "\"runID\" : \"0"), to: "second/report.json")
    let forged = try Program.tacit.run("report", "first", "--compare", "second", in: scratch)
    #expect(forged.status == 4 && forged.errors.contains("was changed after it was signed"))
  }

  @Test("A search over settings is counted by every ledger of the run, and by the report")
  func search() throws {
    let scratch = try FinishedRunFixture.copy()
    let run = try Program.tacit.run(
      "simulate", "--data", "shops", "--partners", "4", "--algorithm", "popularity", "--baselines", "off", "--search",
      "half-life",
      "--output", "searched", "--format", "json", in: scratch)
    #expect(run.status == 0, "\(run.errors)")
    for path in ["searched", "first"] {
      let outcome = try Program.tacit.run("report", path, "--format", "json", in: scratch)
      let privacy = try #require((outcome.json as? [String: Any])?["privacy"] as? [String: Any])
      let use = try #require((privacy["tuning"] as? [String: Any])?["use"] as? [String: Any])
      #expect(use["plans"] as? Int == 1 && use["searches"] as? Int == (path == "searched" ? 1 : 0))
    }
    #expect(try scratch.read("searched/ledgers/partner-partner-1.ledger").contains("search: half-life"))
    #expect(try Program.tacit.run("verify", "searched", in: scratch).status == 0)
    let forged = try scratch.read("searched/report.json").replacingOccurrences(of: "\"searches\" : 1", with: "\"searches\" : 0")
    try scratch.write(forged, to: "searched/report.json")
    let refused = try Program.tacit.run("verify", "searched", in: scratch)
    #expect(refused.status == 4 && refused.output.contains("states privacy.tuning.use.searches as 0"))
  }
}
