import Foundation
import Reporting
import Testing

@Suite struct JSONRenderingTests {
  @Test(arguments: [SampleReport.complete, SampleReport.minimal])
  func whatWasWrittenReadsBackEqual(report: RunReport) throws {
    #expect(try RunReport(json: Data(try report.renderJSON().utf8)) == report)
  }

  @Test func theSameReportGivesTheSameBytes() throws {
    #expect(try SampleReport.complete.renderJSON() == SampleReport.complete.renderJSON())
    #expect(SampleReport.complete.renderHTML() == SampleReport.complete.renderHTML())
    #expect(SampleReport.complete.renderText(.full) == SampleReport.complete.renderText(.full))
  }

  @Test func theLeastReportIsThisText() throws {
    let expected = """
      {
        "commands" : [

        ],
        "hazards" : [

        ],
        "identity" : {
          "runID" : "r"
        },
        "privacy" : {
          "covered" : [

          ],
          "guarantees" : [

          ],
          "mechanisms" : [

          ],
          "neverLeaves" : [

          ],
          "notCovered" : [

          ],
          "publicData" : [

          ],
          "setting" : {
            "noise" : "none",
            "observers" : [

            ],
            "partnerCount" : 1,
            "secureAggregation" : false
          },
          "unit" : {
            "adjacency" : "add-remove",
            "contributionBounds" : [

            ],
            "partnersPerUserMax" : 1,
            "unit" : "user"
          }
        },
        "schema" : "tacit.report/1"
      }

      """
    #expect(try SampleReport.minimal.renderJSON() == expected)
  }

  @Test func aFigureThatIsNoNumberIsRefusedWithItsPlace() {
    var report = SampleReport.complete
    report.privacy.guarantees[1].epsilonUpper = .infinity
    #expect(throws: ReportError.notFinite(path: "privacy.guarantees[1].epsilonUpper")) {
      try report.renderJSON()
    }
  }

  @Test(arguments: [
    ("{}", "schema is missing"), ("", "the file cannot be read"), ("[1]", "the top level has the wrong type"),
    ("{\"schema\": \"tacit.report/9\"}", "its layout is \"tacit.report/9\""),
    ("{\"schema\": \"tacit.report/1\"}", "identity is missing"),
  ])
  func otherFilesAreRefusedWithAReason(json: String, reason: String) {
    #expect(throws: ReportError.notAReport(reason: reason)) { try RunReport(json: Data(json.utf8)) }
  }

  @Test func numbersOfUsersStayHomeOutsideASimulation() throws {
    var report = SampleReport.complete
    report.utility?.quality?.provenance = .noisedRelease
    for row in report.utility?.quality?.rows.indices ?? 0..<0 {
      report.utility?.quality?.rows[row].users = 987_654
    }
    let json = try report.renderJSON()
    #expect(!json.contains("987654") && !json.contains("\"users\""))
    #expect(!report.renderHTML().contains("987,654") && !report.renderText(.full).contains("987,654"))
    report.utility?.quality?.provenance = .exactInSimulation
    #expect(try report.renderJSON().contains("987654"))
    #expect(report.renderHTML().contains("987,654"))
  }
}

/// The published schema, checked by an independent validator where there is one.
@Suite struct ReportSchemaTests {
  static let validator = SchemaValidator()

  @Test func reportsFollowThePublishedSchema() throws {
    guard let validator = ReportSchemaTests.validator else { return SchemaValidator.skipLoudly() }
    for report in [SampleReport.complete, SampleReport.minimal, try HostileReport.make()] {
      #expect(try validator.errors(try report.renderJSON()) == "")
    }
  }

  @Test(arguments: [
    ("\"runID\" : \"r\"", "\"run\" : \"r\""), ("\"noise\" : \"none\"", "\"noise\" : \"some\""),
    ("\"partnerCount\" : 1", "\"partnerCount\" : \"1\""), ("tacit.report/1", "tacit.report/2"),
    ("\"partnersPerUserMax\" : 1", "\"partnersPerUserMax\" : 0"),
  ])
  func theSchemaRefusesOtherLayouts(found: String, replacement: String) throws {
    guard let validator = ReportSchemaTests.validator else { return SchemaValidator.skipLoudly() }
    let json = try SampleReport.minimal.renderJSON().replacingOccurrences(of: found, with: replacement)
    #expect(try validator.errors(json) != "")
  }

  @Test func theSchemaRefusesNumbersOfUsersOutsideASimulation() throws {
    guard let validator = ReportSchemaTests.validator else { return SchemaValidator.skipLoudly() }
    let json = try SampleReport.complete.renderJSON()
      .replacingOccurrences(of: "exact-in-simulation", with: "noised-release")
    #expect(try validator.errors(json) != "")
  }
}

/// Runs Python's jsonschema on the schema in Protocols/.
struct SchemaValidator: Sendable {
  private let schema: String

  /// - Returns: `nil` where python3 or its jsonschema is missing.
  init?() {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    schema = root.appendingPathComponent("Protocols/report.schema.json").path
    guard let result = try? SchemaValidator.python("import jsonschema", [], input: ""), result.status == 0
    else {
      return nil
    }
  }

  static func skipLoudly() {
    print("SKIPPED: python3 with jsonschema is not installed; the report schema was not checked.")
  }

  /// The faults that the validator finds in one document; empty when there are none.
  func errors(_ json: String) throws -> String {
    let script = """
      import json, sys, jsonschema
      schema = json.load(open(sys.argv[1]))
      jsonschema.Draft202012Validator.check_schema(schema)
      for error in jsonschema.Draft202012Validator(schema).iter_errors(json.load(sys.stdin)):
          print(list(error.absolute_path), error.message[:200])
      """
    let result = try SchemaValidator.python(script, [schema], input: json)
    return result.status == 0 ? result.output : "python failed: status \(result.status)"
  }

  private static func python(_ script: String, _ arguments: [String], input: String) throws -> (
    status: Int32, output: String
  ) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script] + arguments
    // Through a file: a pipe could fill up while Python still starts.
    let file = FileManager.default.temporaryDirectory.appendingPathComponent(
      "tacit-report-\(UUID().uuidString).json")
    try Data(input.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let output = Pipe()
    process.standardInput = try FileHandle(forReadingFrom: file)
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }
}
