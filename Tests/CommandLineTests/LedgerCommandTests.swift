internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Testing

/// `tacit ledger`: heads, proofs, forks and events, as two parties use them.
@Suite(.serialized) struct LedgerCommandTests {
  private static let ledger = "first/ledgers/coordinator.ledger"

  private func tacit(_ scratch: Scratch, _ arguments: String...) throws -> Program.Outcome {
    try Program.tacit.run(["ledger"] + arguments, in: scratch)
  }

  private func save(_ outcome: Program.Outcome, to path: String, in scratch: Scratch) throws {
    #expect(outcome.status == 0, "\(outcome.errors)")
    try scratch.write(outcome.output, to: path)
  }

  @Test("Head, record and growth are written, and verify beside the ledger and without it")
  func proofs() throws {
    let scratch = try FinishedRunFixture.copy()
    let text = try tacit(scratch, "head", Self.ledger)
    let fingerprint = try #require(
      text.output.split(separator: "\n").first { $0.hasPrefix("fingerprint") }?.split(separator: " ").last)
    #expect(fingerprint.count == 29)
    try save(try tacit(scratch, "head", Self.ledger, "--format", "json"), to: "head.json", in: scratch)
    try save(try tacit(scratch, "prove", Self.ledger, "--record", "2"), to: "record.json", in: scratch)
    try save(try tacit(scratch, "prove", Self.ledger, "--since", "3"), to: "growth.json", in: scratch)
    let alone = try tacit(scratch, "check", "head.json", "record.json", "growth.json")
    #expect(alone.status == 0 && alone.output.contains(fingerprint), "\(alone.output)\(alone.errors)")
    let together = try tacit(scratch, "check", Self.ledger, "head.json", "record.json", "growth.json")
    #expect(together.status == 0 && together.output.contains("goes on from the 3 records of growth.json"), "\(together.output)")

    // One digit of a proof, and another key.
    for file in ["head.json", "record.json", "growth.json"] {
      let text = try scratch.read(file)
      let place = try #require(text.range(of: "\"root\":\"")).upperBound
      let other = text[place] == "0" ? "1" : "0"
      try scratch.write(text.replacingCharacters(in: place...place, with: other), to: "changed.json")
      let outcome = try tacit(scratch, "check", "changed.json")
      #expect(outcome.status == 4 && outcome.output.contains("FAIL  changed.json"), "\(outcome.output)")
    }
    #expect(try tacit(scratch, "check", "head.json", "--key", String(repeating: "a", count: 64)).status != 0)
  }

  @Test("A ledger of another task is told from this one; two that one holder signed are a fork, with the proof")
  func forks() throws {
    let scratch = try FinishedRunFixture.copy()
    let apart = try tacit(scratch, "check", Self.ledger, "second/ledgers/coordinator.ledger")
    #expect(apart.status == 0 && !apart.output.contains("goes on") && !apart.output.contains("hold the same"))
    #expect(apart.output.contains("are ledgers of different holders: nothing in them was compared"), "\(apart.output)")
    #expect(apart.output.contains("coordinator ledger of 'coordinator', task 'mf on shops', key "))
    #expect(apart.output.contains("The key was taken from the ledger itself"))
    // An older copy of the same ledger is no fork.
    let lines = try scratch.read(Self.ledger).split(separator: "\n", omittingEmptySubsequences: false)
    try scratch.write(lines.prefix(3).joined(separator: "\n") + "\n", to: "older.ledger")
    let older = try tacit(scratch, "check", Self.ledger, "older.ledger")
    #expect(older.status == 0 && older.output.contains("hold the same first 3 records"), "\(older.output)")
    try save(try tacit(scratch, "head", Self.ledger, "--format", "json"), to: "head.json", in: scratch)
    let behind = try tacit(scratch, "check", "older.ledger", "head.json")
    #expect(behind.status == 4 && behind.output.contains("FAIL  older.ledger ends at record 3"), "\(behind.output)")
    // With the whole ledger beside it, it is an older copy and nothing else.
    #expect(try tacit(scratch, "check", "older.ledger", "head.json", Self.ledger).status == 0)
  }

  @Test("A ledger that its holder began again with another header fails, and each fork is written with its proof")
  func restarts() throws {
    let coordinator = try LyingCoordinator()
    let scratch = coordinator.scratch
    try coordinator.rewrite(to: "again.ledger") { number, payload in if number == 1 { payload["created"] = .integer(1) } }
    let again = try tacit(scratch, "check", LyingCoordinator.ledger, "again.ledger")
    #expect(
      again.status == 4 && again.output.contains("begun at 0 and 1: a ledger is continued, never begun again"), "\(again.output)")
    for (name, text) in [("b.ledger", "b"), ("c.ledger", "c")] {
      try coordinator.rewrite(to: name) { number, payload in if number == 2 { payload["text"] = .string(text) } }
    }
    let forked = try tacit(scratch, "check", LyingCoordinator.ledger, "b.ledger", "c.ledger", "--fork", "fork.json")
    #expect(
      forked.status == 4 && forked.output.contains("the proof, with both signatures, is in fork.json.3"), "\(forked.output)")
    let proofs = Set(try ["fork.json", "fork.json.2", "fork.json.3"].map { try scratch.read($0) })
    #expect(proofs.count == 3 && proofs.allSatisfy { $0.contains("tacit-ledger-fork") })
  }

  @Test("What is made from a ledger without the holder's key says on standard error that the key is the ledger's own")
  func ownKey() throws {
    let coordinator = try LyingCoordinator()
    let key = coordinator.key.verificationKey.hex
    for arguments in [
      ["head", LyingCoordinator.ledger], ["prove", LyingCoordinator.ledger, "--record", "2"],
      ["export", "--dp-events", LyingCoordinator.ledger],
    ] {
      let outcome = try Program.tacit.run(["ledger"] + arguments, in: coordinator.scratch)
      #expect(outcome.status == 0 && outcome.errors.contains("whoever rewrote it whole goes unnoticed"), "\(outcome.errors)")
      let named = try Program.tacit.run(["ledger"] + arguments + ["--key", key], in: coordinator.scratch)
      #expect(named.status == 0 && named.errors.isEmpty && named.output == outcome.output, "\(named.errors)")
    }
    let checked = try tacit(coordinator.scratch, "check", LyingCoordinator.ledger, "--key", key)
    #expect(checked.status == 0 && !checked.output.contains("The key was taken"))
  }

  @Test("Damaged ledgers give no heads, proofs or events, and sizes that a ledger does not have are refused")
  func refusals() throws {
    let scratch = try FinishedRunFixture.copy()
    for arguments in [
      ["head", Self.ledger, "--size", "0"], ["prove", Self.ledger], ["prove", Self.ledger, "--record", "9999"],
    ] {
      let outcome = try Program.tacit.run(["ledger"] + arguments, in: scratch)
      #expect(outcome.status == 64 && outcome.complaints.count == 1, "\(outcome.errors)")
    }
    #expect(try tacit(scratch, "head", "nowhere.ledger").status == 66)
    var bytes = try scratch.bytes(Self.ledger)
    bytes[bytes.count / 2] ^= 1
    try scratch.write(bytes, to: Self.ledger)
    for arguments in [["head", Self.ledger], ["prove", Self.ledger, "--record", "1"], ["export", "--dp-events", Self.ledger]] {
      let outcome = try Program.tacit.run(["ledger"] + arguments, in: scratch)
      #expect(outcome.status == 4 && outcome.output.isEmpty && outcome.complaints.count == 1, "\(outcome.errors)")
    }
    #expect(try tacit(scratch, "check", Self.ledger).status == 4)
  }

  @Test("Events are exported for other accountants, at the δ that is asked for")
  func export() throws {
    let scratch = try FinishedRunFixture.copy()
    let outcome = try tacit(scratch, "export", "--dp-events", Self.ledger, "--delta", "1e-9")
    let document = try #require(outcome.json as? [String: Any], "\(outcome.errors)")
    #expect(document["kind"] as? String == "tacit-dp-events" && document["delta"] as? Double == 1e-9)
    #expect((document["events"] as? [[String: Any]])?.isEmpty == false)
    #expect(try tacit(scratch, "export", Self.ledger).status == 64)
    #expect(try tacit(scratch, "export", "--dp-events", Self.ledger, "--delta", "2").status == 64)
  }

  @Test("Partners' signatures under each round's head are kept, counted, and hold against a ledger that lost records")
  func witnesses() throws {
    let scratch = try FinishedRunFixture.copy()
    let path = "first/ledgers/coordinator.witnesses"
    let sound = try Program.tacit.run("verify", "first", in: scratch)
    #expect(
      sound.status == 0 && sound.output.contains("each of 5 released sums is countersigned by at least 3 of 4 partners"),
      "\(sound.output)")

    let good = try scratch.read(path)
    func verdict(_ text: String) throws -> Program.Outcome {
      try scratch.write(text, to: path)
      return try Program.tacit.run("verify", "first", in: scratch)
    }
    // The head that was signed under cannot be exchanged for another: it is what the signatures are bound to.
    let hash = try #require(good.range(of: "\"hash\":\"")).upperBound
    let changed = good.replacingCharacters(in: hash...hash, with: good[hash] == "0" ? "1" : "0")
    for text in [changed, try scratch.read("second/ledgers/coordinator.witnesses"), "{}\n"] {
      let outcome = try verdict(text)
      #expect(outcome.status == 4 && outcome.output.contains("FAIL  ledgers/coordinator.witnesses, line 1"), "\(outcome.output)")
    }
    _ = try verdict(good)
    let lines = try scratch.read(Self.ledger).split(separator: "\n", omittingEmptySubsequences: false)
    try scratch.write(lines.prefix(2).joined(separator: "\n") + "\n", to: Self.ledger)
    let cut = try Program.tacit.run("verify", "first", in: scratch)
    #expect(cut.status == 4 && cut.output.contains("the coordinator forked or rewrote it"), "\(cut.output)")
  }
}
