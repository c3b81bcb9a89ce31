internal import ArgumentParser
internal import CommandSupport

/// `tacit tune`: a small and honest search over hyperparameters.
struct TuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune",
    abstract: "Try settings of an algorithm on validation items, each try charged to the same ledgers, and say which did best.",
    usage:
      "tacit tune --vary <name=v1,v2> [--tries <n>] [--metric <metric>] --ledgers <folder> --cap <epsilon,delta> [options of tacit simulate]",
    discussion: """
      Every try trains as `tacit simulate --validation` would, with the ε of --epsilon. What chooses is what its evaluation release says: \
      hits that went through the secure sum, clipped, noised and charged. So the choice tells nothing that the ledgers do not count. All \
      tries together, and one run more with the best settings, must fit the cap before the first one begins.

      tacit tune --algorithm als --vary dimension=16,32,64 --epsilon 1 --evaluation-share 0.3 --ledgers ledgers/shop --cap 6,1e-6
      """)

  @OptionGroup var simulation: SimulateCommand
  @Option(help: ArgumentHelp("A parameter and the values to try; may be repeated.", valueName: "name=v1,v2")) var vary: [String] =
    []
  @Option(help: "How many of the combinations to try, drawn by --seed; all of them when left out.") var tries: Int?
  @Option(help: "What chooses: ndcg or hr, both over the whole catalogue, first 10 places.") var metric: TuneMetric = .ndcg

  func run() throws {
    try Failures.report {
      var settings = try simulation.settings()
      // The run that is proposed in the end is told the same file.
      var file = simulation
      (file.output, file.validation) = (nil, false)
      let told = try file.settings()
      guard told.output == nil || simulation.output != nil else {
        throw CommandFailure(
          .usage,
          "the file of --config or --plan sets output, which is one folder for this search and for the run that it proposes; take it out, or give --output here"
        )
      }
      guard !told.validation else {
        throw CommandFailure(
          .usage,
          "the file of --config or --plan sets validation, and with it the run that this search proposes would not train on all items; take it out"
        )
      }
      settings.validation = true
      settings.baselines = false
      let grid = try TuneGrid(vary, tries: tries, seed: settings.seed, algorithm: settings.algorithm)
      settings.search = try settings.search ?? Tune.name(of: ["tune", settings.algorithm] + vary, settings)
      try Tune(
        settings: settings, grid: grid, metric: metric, format: simulation.format, asked: Self.asked(CommandLine.arguments)
      ).execute()
    }
  }

  /// What of `tacit tune …` is for each run: all but what tune itself takes or sets.
  static func asked(_ arguments: [String]) -> [String] {
    let own = ["--vary", "--tries", "--metric", "--format", "--output", "--search", "--baselines"]
    var asked: [String] = []
    var words = arguments.dropFirst(2)[...]
    while let word = words.popFirst() {
      if own.contains(word) {
        words = words.dropFirst()
      } else if word != "--validation", !own.contains(where: { word.hasPrefix("\($0)=") }) {
        asked.append(word)
      }
    }
    return asked
  }
}

extension TuneMetric: ExpressibleByArgument {}
