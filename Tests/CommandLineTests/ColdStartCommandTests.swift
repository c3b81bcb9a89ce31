import Foundation
import Testing

/// `tacit simulate --hold-out-users --hold-out-items` and what `tacit evaluate` says of such a run.
@Suite(.serialized) struct ColdStartCommandTests {
  private func simulate(_ scratch: Scratch, _ name: String, _ more: String...) throws -> Program.Outcome {
    try Program.tacit.run(
      [
        "simulate", "--data", "shops", "--partners", "3", "--algorithm", "two-tower", "--noise", "none", "--rounds", "2",
        "--baselines", "off", "--output", name, "--format", "json",
      ] + more, in: scratch)
  }

  @Test("A run that held users and items out is judged on them, from its folder and the data alone")
  func coldStart() throws {
    let scratch = try FinishedRunFixture.copy()
    let shares = ["--hold-out-users", "0.2", "--hold-out-items", "0.2"]
    #expect(try simulate(scratch, "plain", shares[0], shares[1], shares[2], shares[3]).status == 0)
    #expect(
      try simulate(scratch, "known", shares[0], shares[1], shares[2], shares[3], "--item-features", "attributes,text").status == 0
    )
    for name in ["plain", "known"] {
      #expect(try Program.tacit.run("verify", name, in: scratch).status == 0)
      let outcome = try Program.tacit.run("evaluate", name, "--format", "json", in: scratch)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let document = try #require(outcome.json as? [String: Any])
      let cold = try #require(document["coldStart"] as? [String: Any])
      let (users, items) = (try #require(cold["heldOutUsers"] as? Int), try #require(cold["heldOutItems"] as? Int))
      #expect((20...80).contains(users) && (4...24).contains(items))
      #expect((cold["newUsers"] as? [[String: Any]])?.map { $0["firstEvents"] as? Int } == [0, 1, 3, 5])
      let methods = (cold["newItems"] as? [[String: Any]])?.compactMap { $0["method"] as? String } ?? []
      #expect(methods.count == (name == "known" ? 3 : 2))
      #expect((cold["silence"] as? String != nil) == (name == "plain"))
      let text = try Program.tacit.run("evaluate", name, in: scratch).output
      #expect(text.contains("New users: \(users)") && text.contains("New items: \(items)"))
    }
    // The features are part of the run: without them, or with others, it cannot be scored.
    let path = scratch.url.appending(path: "known/item-features.npy")
    var bytes = try Data(contentsOf: path)
    bytes[bytes.count - 1] ^= 1
    try bytes.write(to: path)
    let changed = try Program.tacit.run("evaluate", "known", in: scratch)
    #expect(changed.status == 65 && changed.errors.contains("item features"), "\(changed.errors)")
    try FileManager.default.removeItem(at: path)
    let missing = try Program.tacit.run("evaluate", "known", in: scratch)
    #expect(missing.status == 65 && missing.errors.contains("item-features.npy"), "\(missing.errors)")
  }

  @Test("Runs that held nothing out say nothing of cold start, and impossible wishes are refused in a sentence")
  func wishes() throws {
    let scratch = try FinishedRunFixture.copy()
    let plain = try #require(try Program.tacit.run("evaluate", "first", "--format", "json", in: scratch).json as? [String: Any])
    #expect(plain["coldStart"] == nil)
    for (flag, value, status, words) in [
      ("--hold-out-users", "0.9", 78, "a share from 0 to 0.5"), ("--hold-out-items", "0.0001", 78, "leaves nobody on one side"),
      ("--item-features", "words", 65, "ends in .npy or .safetensors"), ("--item-features", "v.npy", 65, "v.npy"),
      ("--item-features", "text,text", 65, "different ones"),
    ] as [(String, String, Int32, String)] {
      let outcome = try simulate(scratch, "wish", flag, value)
      #expect(outcome.status == status && outcome.complaints.count == 1, "\(flag) \(value): \(outcome.errors)")
      #expect(outcome.errors.contains(words), "\(outcome.errors)")
    }
  }
}
