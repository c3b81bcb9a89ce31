internal import CommandSupport
internal import Foundation
internal import Reporting
internal import Simulation

/// An audit as audit.json has it, as the report shows it, and as lines for a terminal.
struct AuditDocument: Encodable {
  struct Attack: Encodable {
    let method: String
    let source: String
    let verdict: AuditAttack.Verdict
    let finding: String
    let canaries: Int?
    let guesses: Int?
    let correct: Int?
    let epsilonLower: Double?
    let epsilonLowerGaussian: Double?
    let epsilonEstimate: Double?
    let coordinates: Int?
    let varianceRatio: Double?
    let correlation: Double?
    let probabilities: [String: Double]
  }

  let format = 1
  let task: String
  let planHash: String
  /// Proven for all releases together, against their readers.
  let epsilonProven: Double
  let theorem: String
  let delta: Double
  /// The largest lower bound that an attack showed.
  let epsilonLower: Double
  let confidence: Double
  let falseAlarms: Double
  let injectedFault: String?
  let verdict: AuditAttack.Verdict
  let attacks: [Attack]
  let note = Self.note

  static let note =
    "An audit can refute a bound, never prove one: its lower bounds say what one attack saw in one run, not what ε is."

  init(_ result: AuditResult, task: String, planHash: String, fault: MechanismFault) {
    self.task = task
    self.planHash = planHash
    epsilonProven = result.provenEpsilon
    theorem = result.theorem
    delta = result.delta
    epsilonLower = result.epsilonLower
    confidence = result.confidence
    falseAlarms = result.falseAlarms
    injectedFault = fault == .none ? nil : fault.rawValue
    verdict = result.isContradicted ? .contradicted : .consistent
    attacks = result.findings.map { finding in
      Attack(
        method: finding.method.rawValue, source: Self.source(finding.method),
        verdict: finding.isContradicted ? .contradicted : .consistent, finding: Self.sentence(finding),
        canaries: finding.canaries,
        guesses: finding.guesses, correct: finding.correct, epsilonLower: finding.epsilonLower,
        epsilonLowerGaussian: finding.epsilonLowerGaussian, epsilonEstimate: finding.epsilonEstimate,
        coordinates: finding.coordinates, varianceRatio: finding.varianceRatio, correlation: finding.correlation,
        probabilities: finding.probabilities)
    }
  }

  func bytes() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return Array(try encoder.encode(self)) + [0x0A]
  }

  var reported: EmpiricalAudit {
    EmpiricalAudit(
      method: attacks.map(\.source).joined(separator: "; "), canaryCount: attacks.compactMap(\.canaries).max(),
      epsilonLower: epsilonLower, delta: delta, confidence: confidence,
      note:
        "The plan was played again with canary users in it; false alarms of the whole audit: at most \(Text.percent(falseAlarms))."
        + (injectedFault.map { " A fault was put in on purpose: \($0)." } ?? ""),
      epsilonProven: epsilonProven,
      attacks: attacks.map {
        AuditAttack(method: $0.source, verdict: $0.verdict, finding: $0.finding, epsilonLower: $0.epsilonLower)
      })
  }

  /// What a terminal shows.
  var lines: [String] {
    var lines = [
      "audit of \(task)",
      "proven    ε ≤ \(ReportNumber.upperBound(epsilonProven)) at δ = \(Text.significant(delta)), for all releases together, against their readers",
    ]
    for attack in attacks {
      let name = attack.method.padding(toLength: 10, withPad: " ", startingAt: 0)
      lines.append(
        "\(name)\(attack.finding): \(attack.verdict == .consistent ? "consistent with the plan" : "CONTRADICTS THE PLAN")")
    }
    lines.append(Self.note)
    return lines
  }

  /// What an audit that found fault ends with.
  var objection: String {
    "the audit contradicts the plan (\(attacks.filter { $0.verdict == .contradicted }.map(\.method).joined(separator: ", "))): less noise, or more of a user, is in the releases than the plan says"
  }

  private static func source(_ method: AuditMethod) -> String {
    switch method {
    case .oneRun: "one-run audit (Steinke, Nasr, Jagielski 2023; Mahloujifar, Melis, Chaudhuri 2025)"
    case .oneShot: "one-shot cosine audit (Andrew et al. 2023)"
    case .residual: "residual test (released minus exact sums, simulation only)"
    }
  }

  private static func sentence(_ finding: AuditFinding) -> String {
    switch finding.method {
    case .oneRun:
      var text =
        "\(finding.correct ?? 0) of \(finding.guesses ?? 0) guesses about \(finding.canaries ?? 0) canaries were right, which shows ε to be at least \(bound(finding.epsilonLower))"
      if let gaussian = finding.epsilonLowerGaussian {
        text += " (at least \(bound(gaussian)) if the mechanism is Gaussian)"
      }
      return text
    case .oneShot:
      return
        "the cosines of \(finding.canaries ?? 0) canaries show ε to be at least \(bound(finding.epsilonLower)); they look like a mechanism of ε = \(bound(finding.epsilonEstimate)) (an estimate, no bound)"
    case .residual:
      let ratio = finding.varianceRatio.map { String(format: "%.4f", $0) } ?? "-"
      var text = "over \(finding.coordinates ?? 0) coordinates the noise has \(ratio) of the promised variance"
      if let correlation = finding.correlation {
        text += String(format: ", and the most conspicuous correlation between two releases is %.4f", correlation)
      }
      if let count = finding.coordinates, count < 100_000 {
        let sensitivity = 5 * (2 / Double(count)).squareRoot()
        text += String(format: " (a change below %.1f %% can hide in so few; 100000 show 2.2 %%)", sensitivity * 100)
      }
      return text
    }
  }

  private static func bound(_ epsilon: Double?) -> String {
    epsilon.map { String(format: "%.3f", ($0 * 1000).rounded(.down) / 1000) } ?? "-"
  }
}
