import Foundation
import Reporting
import Testing

@Suite struct RenderSampleTests {
  /// For looking at the result: TACIT_REPORT_SAMPLES names a folder that exists.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["TACIT_REPORT_SAMPLES"] != nil))
  func samplesAreWrittenForTheEye() throws {
    let folder = URL(fileURLWithPath: ProcessInfo.processInfo.environment["TACIT_REPORT_SAMPLES"] ?? "")
    for (name, report) in [("complete", SampleReport.complete), ("minimal", SampleReport.minimal)] {
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
