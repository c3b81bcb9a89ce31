import Foundation
import Reporting
import Testing

@Suite struct RenderSampleTests {
  /// For looking at the result: TACIT_REPORT_SAMPLES names a folder that exists.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["TACIT_REPORT_SAMPLES"] != nil))
  func samplesAreWrittenForTheEye() throws {
    let folder = URL(fileURLWithPath: ProcessInfo.processInfo.environment["TACIT_REPORT_SAMPLES"] ?? "")
    var central = SampleReport.complete
    central.privacy.setting.noise = .central
    central.privacy.guarantees = [SampleReport.outsiders]
    central.privacy.guarantees[0].epsilonUpper = 0.9231
    central.privacy.cap = BudgetCap(epsilon: 1, delta: 1e-6)
    var alarm = central
    alarm.hazards.append(
      Hazard(kind: .testRandomness, text: "Keys, masks and noise came from a seeded source."))
    let samples = [
      ("complete", SampleReport.complete), ("minimal", SampleReport.minimal), ("central", central),
      ("alarm", alarm),
      ("hostile", try HostileReport.make()),
    ]
    for (name, report) in samples {
      func write(_ text: String, _ suffix: String) throws {
        try Data(text.utf8).write(to: folder.appendingPathComponent(name + suffix))
      }
      try write(report.renderHTML(), ".html")
      try write(report.renderJSON(), ".json")
      try write(report.renderText(.summary), ".summary.txt")
      try write(report.renderText(.full), ".txt")
      for figure in report.figures() { try write(figure.svg, ".\(figure.id).svg") }
    }
  }
}
