internal import ArgumentParser
internal import CommandSupport
internal import Simulation

/// `tacit audit`: attacks the noise of a simulated run and prints what that found beside the proven bound.
struct AuditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Attack our own noise with canaries, and print what that finds beside the proven bound.",
    usage: "tacit audit [--canaries <m>] [--guesses <r>] [--method <method>] [--fault <fault>] [options of tacit simulate]",
    discussion: """
      Trains as `tacit simulate` would, then plays the same plan again with canary users in it. An audit can refute a bound, never prove \
      one: its lower bounds are not ε. The run folder holds audit.json, and the report shows it.

      tacit audit --algorithm mf --epsilon 2 --rounds 5
      tacit audit --noise distributed --partners 10 --fault missing-share    (a fault put in on purpose; exit code 4)
      """)

  enum Method: String, ExpressibleByArgument, CaseIterable {
    case all, residual
    case oneRun = "one-run"
    case oneShot = "one-shot"

    var methods: [AuditMethod] {
      switch self {
      case .all: AuditMethod.allCases
      case .residual: [.residual]
      case .oneRun: [.oneRun]
      case .oneShot: [.oneShot]
      }
    }
  }

  enum Fault: String, ExpressibleByArgument, CaseIterable {
    case none
    case halfSigma = "half-sigma"
    case missingClip = "missing-clip"
    case reusedSeed = "reused-seed"
    case missingShare = "missing-share"

    var fault: MechanismFault { MechanismFault(rawValue: rawValue) ?? .none }
  }

  @OptionGroup var simulation: SimulateCommand
  @Option(help: ArgumentHelp("Canary users; at most as many as users.", valueName: "m")) var canaries = 1000
  @Option(help: ArgumentHelp("Guesses of the one-run audit; by default a fifth of the canaries.", valueName: "r")) var guesses:
    Int?
  @Option(help: "\(Method.allCases.map(\.rawValue).joined(separator: ", ")).") var method: Method = .all
  @Option(help: "Of the lower bounds.") var confidence = 0.95
  @Option(help: "Probability that the whole audit of a right mechanism finds fault.") var falseAlarms = 0.01
  @Option(help: "A fault to put in: \(Fault.allCases.map(\.rawValue).joined(separator: ", ")).") var fault: Fault = .none

  func run() throws {
    try Failures.report {
      var settings = try simulation.settings()
      guard settings.ledgers == nil else {
        throw CommandFailure(
          .usage,
          "an audit plays the plan again on the same users, with faults if asked, and ledgers do not count that; leave --ledgers out"
        )
      }
      // Small enough to be over soon, large enough for a thousand canaries.
      if simulation.data == nil, simulation.config == nil { settings.data = "synthetic:2000x200x10" }
      if simulation.baselines == nil, simulation.config == nil { settings.baselines = false }
      let audit = AuditSettings(
        methods: method.methods, canaries: canaries, guesses: guesses ?? max(1, canaries / 5), confidence: confidence,
        falseAlarms: falseAlarms, seed: settings.seed)
      try SimulationRun(
        settings: settings, format: simulation.format, audit: AuditRequest(settings: audit, fault: fault.fault)
      ).execute()
    }
  }
}
