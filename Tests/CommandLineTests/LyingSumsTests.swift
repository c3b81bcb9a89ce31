import CryptoPrimitives
import FederatedLearning
import Foundation
import Testing

/// Released sums and the model against a coordinator that cuts its ledger, exchanges the model, or says that others were in a sum.
@Suite(.serialized) struct LyingSumsTests {
  private static let partner = "run/ledgers/partner-partner-1.ledger"
  private static let model = "run/items.safetensors"

  @Test(
    "A ledger cut with its countersignatures, and a report made for what is left, contradict the signed model",
    arguments: [1, 2, 4])
  func shortened(releases: Int) throws {
    let coordinator = try LyingCoordinator()
    try coordinator.export()
    #expect(try coordinator.verify().status == 0)
    try coordinator.cut(LyingCoordinator.ledger, lines: 2 * releases)
    try coordinator.cut(LyingCoordinator.witnesses, lines: releases)
    try coordinator.reportAnew()
    try coordinator.expectFound("release.bin: the coordinator signed after round 5, attempt 1 that its ledger had 12 records")
    // It is the only thing that does: everything else was made to fit.
    let failures = try coordinator.verify().output.split(separator: "\n").filter { $0.hasPrefix("FAIL") }
    #expect(failures.count == 1, "\(failures)")
    try coordinator.scratch.remove("run/release.bin")
    try coordinator.expectFound("release.bin: is missing")
  }

  @Test(
    "A model that was exchanged, and a word on it that is missing, another's, of another plan or release, is refused",
    arguments: [false, true])
  func exchanged(isExport: Bool) throws {
    let coordinator = try LyingCoordinator()
    if isExport { try coordinator.export() }
    let (model, release) = (try coordinator.scratch.bytes(Self.model), try coordinator.scratch.bytes("run/release.bin"))
    var other = model
    other[other.count - 1] ^= 0x40
    try coordinator.scratch.write(other, to: Self.model)
    try coordinator.expectFound("items.safetensors: is not the model that the coordinator signed after round 5, attempt 1")
    try coordinator.scratch.write(model, to: Self.model)
    func expect(_ words: String, _ change: () throws -> Void) throws {
      try change()
      try coordinator.expectFound("release.bin: \(words)")
      try coordinator.scratch.write(release, to: "run/release.bin")
    }
    let plan = SHA256.hash(Array("another plan".utf8))
    try expect("is not signed by the plan's coordinator") { try coordinator.resignRelease(key: coordinator.partnerKeys[0]) }
    try expect("is not signed by the plan's coordinator") { try coordinator.resignRelease(plan: plan) }
    try expect("is of round 4, attempt 1, which is not the last release") {
      try coordinator.resignRelease(round: 3, ledgerSize: 10)
    }
    try expect("is missing") { try coordinator.scratch.remove("run/release.bin") }
    try expect("") { try coordinator.scratch.write(release.dropLast(), to: "run/release.bin") }
    #expect(try coordinator.verify().status == 0)
    // The coordinator's own word on another model, which no partner was told of.
    guard !isExport else { return }
    try expect("names another model than partner-1 was told of") { try coordinator.resignRelease(model: plan) }
  }

  @Test("Only of the last sums of an interrupted run may countersignatures and model be missing, and both together")
  func interrupted() throws {
    let coordinator = try LyingCoordinator()
    try coordinator.export()
    let lines = try coordinator.scratch.read(LyingCoordinator.witnesses).split(separator: "\n").map { $0 + "\n" }
    // The word on round 4 beside the signatures of round 5 is an older model that was put here.
    try coordinator.resignRelease(round: 3, ledgerSize: 10)
    let (from, to) = (coordinator.scratch.path("run"), coordinator.scratch.path("run.partial"))
    try FileManager.default.moveItem(atPath: from, toPath: to)
    func failures(_ kept: [Int]) throws -> [String] {
      let text = kept.map { lines[$0] }.joined()
      try coordinator.scratch.write(text, to: "run.partial/ledgers/coordinator.witnesses")
      let outcome = try Program.tacit.run("verify", "run.partial", in: coordinator.scratch)
      let failures = outcome.output.split(separator: "\n").filter { $0.hasPrefix("FAIL") }.map(String.init)
      #expect(outcome.status == (failures.isEmpty ? 0 : 4), "\(outcome.output)\(outcome.errors)")
      if failures.isEmpty {
        #expect(outcome.output.contains("release.bin: is of round 4, attempt 1, and the ledger released sums up to round 5"))
        #expect(outcome.output.contains("of 5 released sums the last 1 have no countersignature"))
      }
      return failures
    }
    #expect(lines.count == 5)
    #expect(try failures([0, 1, 2, 3]).isEmpty)
    let older = try failures([0, 1, 2, 3, 4])
    #expect(older.count == 1 && older[0].contains("the last sum with countersignatures is that of round 5"), "\(older)")
    #expect(try failures([0, 1, 2]).contains { $0.contains("the last sum with countersignatures is that of round 3") })
    #expect(try failures([0, 2, 3]).contains { $0.contains("that of round 2, attempt 1 is missing") })
    // Without any of them there is nothing that an older model could be held to.
    #expect(try failures([]).contains { $0.contains("the last sum with countersignatures is none") })
    try coordinator.scratch.remove("run.partial/ledgers/coordinator.witnesses")
    let bare = try Program.tacit.run("verify", "run.partial", in: coordinator.scratch)
    #expect(bare.status == 4 && bare.output.contains("the last sum with countersignatures is none"))
    // A simulation keeps them all at once, so that of its interrupted runs none may be cut out.
    let simulated = try LyingCoordinator()
    try simulated.cut(LyingCoordinator.witnesses, lines: 1)
    try FileManager.default.moveItem(atPath: simulated.scratch.path("run"), toPath: simulated.scratch.path("run.partial"))
    let cut = try Program.tacit.run("verify", "run.partial", in: simulated.scratch)
    #expect(cut.status == 4 && cut.output.contains("that of round 5, attempt 1 is missing"))
  }

  @Test(
    "A sum is of as many partners as signed that they are in it: no outcome says another number; a charge may, from before a crash",
    arguments: [false, true])
  func survivors(isExport: Bool) throws {
    for (line, isLie) in [(11, false), (12, true)] {
      let coordinator = try LyingCoordinator()
      if isExport { try coordinator.export() }
      try coordinator.rewrite { number, payload in
        if number == line { payload["survivors"] = .integer(3) }
      }
      try coordinator.resignRelease()
      try coordinator.reportAnew()
      if isLie {
        try coordinator.expectFound(
          "coordinator.witnesses: round 5, attempt 1: partners signed that 4 of them are in the sum, the coordinator's ledger states 3"
        )
      }
      let failures = try coordinator.verify().output.split(separator: "\n").filter { $0.hasPrefix("FAIL") }
      #expect(failures.count == (isLie ? 1 : 0), "\(failures)")
    }
  }

  @Test("A model file with impossible numbers and names ends no program, and is not the signed one")
  func impossible() throws {
    let coordinator = try LyingCoordinator()
    let bytes = Array(try coordinator.scratch.bytes(Self.model))
    let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let (header, data) = (String(decoding: bytes[8..<8 + length], as: UTF8.self), bytes[(8 + length)...])
    let long = String(repeating: "p", count: 70_000)
    for (old, new) in [
      ("\"version\":\"4\"", "\"version\":\"99999999999\""), ("\"algorithm\":\"mf\"", "\"algorithm\":\"\(long)\""),
      ("\"popularity\"", "\"\(long)\""), ("\"shape\":[60]", "\"shape\":[60\(String(repeating: ",1", count: 300))]"),
    ] {
      var changed = header.replacing(old, with: new)
      #expect(changed != header, "\(old) is not in \(header)")
      while changed.utf8.count % 8 != 0 { changed += " " }
      let size = (0..<8).map { UInt8(truncatingIfNeeded: changed.utf8.count >> (8 * $0)) }
      try coordinator.scratch.write(Data(size + Array(changed.utf8) + data), to: Self.model)
      try coordinator.expectFound("items.safetensors: is not the model that the coordinator signed")
    }
  }

  @Test("Partners who name somebody outside of the roster as a survivor make no larger sum")
  func stranger() throws {
    let coordinator = try LyingCoordinator()
    var lines = try coordinator.scratch.read(LyingCoordinator.witnesses).split(separator: "\n").map(String.init)
    guard case .object(var members) = try CanonicalJSON(canonical: Array(lines.removeLast().utf8)),
      case .string(let old)? = members["statement"]
    else { throw FinishedRunFixture.FixtureError(sentence: "the witness is no object with a statement") }
    let (statement, bytes) = try Self.statement(old, of: [1, 2, 3, 4, 9])
    members["statement"] = .string(statement)
    members["signatures"] = .array(
      coordinator.partnerKeys.enumerated().map { index, key in
        .object(["participant": .integer(Int64(index + 1)), "signature": .string(key.sign(bytes).hex)])
      })
    lines.append(CanonicalJSON.object(members).text)
    try coordinator.scratch.write(lines.map { $0 + "\n" }.joined(), to: LyingCoordinator.witnesses)
    try coordinator.rewrite { number, payload in
      if number >= 11 { payload["survivors"] = .integer(5) }
    }
    try coordinator.expectFound("round 5, attempt 1: participant 9 is said to be in the sum and is not in the plan's roster")
  }

  @Test("A partner who is in a sum has charged it: one that did not, or charged something else, is named")
  func uncharged() throws {
    let coordinator = try LyingCoordinator()
    let whole = try coordinator.scratch.read(Self.partner)
    try coordinator.cut(Self.partner, lines: 2)
    try coordinator.expectFound("partners signed that partner-1 is in the sum, and its ledger has no charge for it")
    try coordinator.scratch.write(whole, to: Self.partner)
    try coordinator.rewrite(Self.partner, key: coordinator.partnerKeys[0]) { number, payload in
      if number == 11 { payload["binding"] = .string(String(repeating: "ab", count: 32)) }
    }
    try coordinator.expectFound("partners signed that partner-1 is in the sum, and its ledger charges something else")
    // The others also signed that it is not in the sum, and it took its charge back on that: one of the two is a lie.
    let last = try coordinator.scratch.read(LyingCoordinator.witnesses).split(separator: "\n").last
    guard case .object(let members) = try CanonicalJSON(canonical: Array(try #require(last).utf8)),
      case .string(let old)? = members["statement"]
    else { throw FinishedRunFixture.FixtureError(sentence: "the witness is no object with a statement") }
    let (statement, bytes) = try Self.statement(old, of: [2, 3, 4])
    try coordinator.scratch.write(whole, to: Self.partner)
    try coordinator.rewrite(Self.partner, key: coordinator.partnerKeys[0]) { number, payload in
      guard number == 12 else { return }
      for name in ["published", "reason", "result", "survivors"] { payload[name] = nil }
      (payload["kind"], payload["statement"]) = (.string("refund"), .string(statement))
      payload["endorsements"] = .array(
        coordinator.partnerKeys.dropFirst().map { key in
          .object(["key": .string(key.verificationKey.hex), "signature": .string(key.sign(bytes).hex)])
        })
    }
    try coordinator.expectFound("partners signed that partner-1 is in the sum, and its ledger took the charge back")
  }

  @Test("A sum that partners were told of is no aborted attempt, whatever the coordinator's ledger calls it")
  func denied() throws {
    let coordinator = try LyingCoordinator()
    try coordinator.rewrite { number, payload in
      guard number == 12 else { return }
      (payload["result"], payload["published"]) = (.string("aborted"), .null)
      (payload["reason"], payload["survivors"]) = (.string("too few partners"), .null)
    }
    try coordinator.cut(LyingCoordinator.witnesses, lines: 1)
    try coordinator.resignRelease(round: 3)
    try coordinator.reportAnew()
    try coordinator.expectFound(
      "round 5, attempt 1: partner-1 was told of a released sum, which the coordinator's ledger does not call released")
    let failures = try coordinator.verify().output.split(separator: "\n").filter { $0.hasPrefix("FAIL") }
    #expect(failures.count == 1, "\(failures)")
  }

  /// The statement of a survivor set of four with other survivors: as hexadecimal digits and as bytes.
  private static func statement(_ old: String, of survivors: [UInt8]) throws -> (text: String, bytes: [UInt8]) {
    func field(_ value: UInt8) -> String { "04000000" + String(format: "%02x", value) + "000000" }
    // A field with their number, then one for each.
    let four = field(4) + [1, 2, 3, 4].map(field).joined()
    try #require(old.hasSuffix(four))
    let text = old.dropLast(four.count) + field(UInt8(survivors.count)) + survivors.map(field).joined()
    let bytes = stride(from: 0, to: text.count, by: 2).compactMap { UInt8(text.dropFirst($0).prefix(2), radix: 16) }
    return (String(text), bytes)
  }
}
