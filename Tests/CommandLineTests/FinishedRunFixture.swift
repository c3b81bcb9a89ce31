import Foundation
import Testing

/// One small private run, made once and copied by every test that needs a finished run.
enum FinishedRunFixture {
  private static let made: Result<Scratch, any Error> = Result {
    let scratch = try Scratch()
    // A global is never freed, so its folder goes when the tests are over.
    atexit { if case .success(let scratch) = FinishedRunFixture.made { scratch.removeAll() } }
    let data = try Program.tacit.run(
      "data", "generate", "--users", "240", "--items", "60", "--partners", "3", "--output", "shops", in: scratch)
    guard data.status == 0 else { throw FixtureError(sentence: data.errors) }
    for (name, seed) in [("first", "1"), ("second", "2")] {
      let run = try Program.tacit.run(
        "simulate", "--data", "shops", "--partners", "4", "--algorithm", "mf", "--rounds", "3", "--baselines", "off",
        "--seed", seed, "--output", name, "--format", "json", in: scratch)
      guard run.status == 0 else { throw FixtureError(sentence: run.errors) }
    }
    return scratch
  }

  struct FixtureError: Error { let sentence: String }

  /// A folder with `shops` (data), `first` (a run) and `second` (a run with other keys).
  static func copy() throws -> Scratch {
    let source = try made.get()
    let scratch = try Scratch()
    for name in ["shops", "first", "second"] { try scratch.copy(source.url.appending(path: name), to: name) }
    return scratch
  }
}
