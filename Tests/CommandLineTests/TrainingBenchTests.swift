import Foundation
import Testing

/// `tacit bench training`, as a process: the form of its rows. How fast anything is, no test says.
@Suite struct TrainingBenchTests {
  static let small = [
    "bench", "training", "--data", "synthetic:120x40x3", "--repeats", "1", "--seconds", "0.01", "--dimension", "8", "--factors",
    "4",
    "--sweeps", "1", "--format", "json",
  ]

  private static func rows(of outcome: Program.Outcome) throws -> [[String: Any]] {
    try outcome.output.split(separator: "\n").map {
      try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  @Test("Without peers: a row for each kind of work, with its limit, and marks judged where nobody else is needed")
  func rows() throws {
    guard Program.tacit.isBuilt else { return }
    let outcome = try Program.tacit.run(Self.small, in: Scratch())
    #expect(outcome.status == 0)
    let rows = try Self.rows(of: outcome)
    let works = rows.compactMap { $0["work"] as? String }
    #expect(works.map { $0.prefix { $0 != "," } } == ["mf", "sasrec", "sasrec", "als", "als", "als"])
    #expect(works[1].contains("batch of 1,") && works[2].contains("batch of 128,"))
    #expect(works[4].contains("3 partners, secure aggregation off") && works[5].contains("3 partners, secure aggregation on"))
    #expect(
      rows.compactMap { $0["unit"] as? String } == ["pair updates/s", "sequences/s", "sequences/s", "CPU s", "CPU s", "CPU s"])
    #expect(rows.map { $0["mark"] as? Double } == [1e7, 10, 2, nil, 1, 3])
    for row in rows {
      for key in ["value", "limit", "shareOfLimit", "limitOperationsPerSecond", "limitBytesPerSecond"] {
        #expect(try #require(row[key] as? Double, "\(key)") > 0)
      }
      #expect(row["repeats"] as? Int == 1 && row["peer"] == nil && row["peerValue"] == nil && row["ratio"] == nil)
    }
    // What only a peer can judge is not judged.
    #expect(rows.map { $0["isReached"] == nil } == [false, true, true, true, true, true])
  }

  @Test("A peer that is not installed is left out, loudly, and ours are measured all the same")
  func absentPeer() throws {
    guard Program.tacit.isBuilt else { return }
    let folder = try Scratch()
    let outcome = try Program.tacit.run(Self.small + ["--work", "als", "--peer", "--root", folder.url.path], in: folder)
    #expect(outcome.status == 0 && outcome.errors.contains("NOT COMPARED WITH OTHERS"))
    let rows = try Self.rows(of: outcome)
    #expect(rows.count == 3 && rows.allSatisfy { $0["peer"] == nil })
  }

  @Test("A peer's figure stands beside ours with its ratio, and judges the mark")
  func peer() throws {
    guard Program.tacit.isBuilt else { return }
    let folder = try Scratch()
    // A peer of a known figure in place of Python and its script.
    let bin = folder.url.appending(path: ".build/training-peers/bin")
    let scripts = folder.url.appending(path: "scripts")
    for path in [bin, scripts] { try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true) }
    try Data().write(to: scripts.appending(path: "training-peers.py"))
    let python = bin.appending(path: "python")
    try Data("#!/bin/sh\necho '{\"peer\": \"snail\", \"value\": 1e-9}'\n".utf8).write(to: python)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: python.path)
    let outcome = try Program.tacit.run(Self.small + ["--work", "sasrec,als", "--peer", "--root", folder.url.path], in: folder)
    #expect(outcome.status == 0)
    let rows = try Self.rows(of: outcome)
    // `als` once beside each of the peer's two solvers.
    #expect(rows.count == 2 + 6 && rows.allSatisfy { $0["peer"] as? String == "snail" && $0["peerValue"] as? Double == 1e-9 })
    for row in rows {
      let (value, ratio) = (try #require(row["value"] as? Double), try #require(row["ratio"] as? Double))
      #expect(abs(ratio * 1e-9 / value - 1) < 1e-9)
    }
    // More sequences than the snail, and more seconds than a billionth.
    #expect(rows.map { $0["isReached"] as? Bool } == [true, true, nil, nil, false, false, false, false])
  }

  @Test(
    "Bad input is refused with a sentence",
    arguments: [
      (["--work", "mf,gru"], 64, "'gru' in --work; expected some of mf, sasrec, als"),
      (["--sweeps", "0"], 64, "expected at least 1"),
      (["--seconds", "0"], 64, "seconds"), (["--data", "absent"], 65, "absent"),
    ] as [([String], Int32, String)])
  func refused(arguments: [String], status: Int32, sentence: String) throws {
    guard Program.tacit.isBuilt else { return }
    let outcome = try Program.tacit.run(Self.small + arguments, in: Scratch())
    #expect(outcome.status == status && outcome.errors.contains(sentence), "\(outcome.errors)")
    #expect(outcome.output.isEmpty)
  }
}
