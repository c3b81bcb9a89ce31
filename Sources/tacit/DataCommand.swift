internal import ArgumentParser
internal import CommandSupport
internal import DataImport
internal import Foundation
internal import Recommender
internal import Simulation

/// `tacit data`: look at interaction data, bring it into our layout, make some up.
struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data",
    abstract: "Look at interaction data, bring it into the folder layout, or make some up.",
    subcommands: [Inspect.self, Import.self, Generate.self, Split.self])
}

/// How results are printed.
enum DataOutputFormat: String, ExpressibleByArgument, CaseIterable {
  case text, json
}

/// What to do with something that does not fit.
enum DataPolicy: String, ExpressibleByArgument, CaseIterable {
  case refuse, ignore

  var policy: ImportOptions.Policy { self == .refuse ? .refuse : .ignore }
}

/// Options that say how an interaction file is to be understood.
struct DataReadingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Which column is what, for instance user=customer,item=sku,time=ts,weight=qty,event=action,partner=shop.",
      valueName: "mapping"))
  var columns: String?

  @Option(
    help: ArgumentHelp("Weights of events, as in browse=1,favourite=3,cart=5,buy=10.", valueName: "weights"))
  var eventWeights: String?

  @Option(
    help: ArgumentHelp(
      "A public catalogue: a table with the column item, further columns as attributes.", valueName: "file"))
  var catalogue: String?

  @Option(
    help: ArgumentHelp(
      "Own item codes and what they mean: a table with the columns code,item.", valueName: "file"))
  var itemCodes: String?

  @Option(help: "What to do with items outside the catalogue and unknown codes: refuse or ignore.")
  var unknownItems: DataPolicy = .refuse

  @Option(help: "What to do with rows that cannot be read: refuse or ignore.")
  var badRows: DataPolicy = .refuse

  func options() throws -> ImportOptions {
    var options = ImportOptions()
    if let columns { options.columns = try ColumnMapping(parsing: columns) }
    if let eventWeights { options.eventWeights = try EventWeights(parsing: eventWeights) }
    if let catalogue { options.catalogue = try CatalogueFile.read(path: catalogue) }
    if let itemCodes { options.itemCodes = try ItemCodes(path: itemCodes) }
    options.unknownItems = unknownItems.policy
    options.badRows = badRows.policy
    return options
  }
}

extension DataCommand {
  /// Prints what a data set holds and what stands in the way of using it.
  struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print the sizes, columns, partners and problems of a data set.")

    @Argument(help: "A folder in our layout, a table (CSV or TSV, plain or gz), or MovieLens' own files.")
    var path: String

    @OptionGroup var reading: DataReadingOptions

    @Option(help: "Print as text or json.")
    var format: DataOutputFormat = .text

    func run() throws { try Failures.report { try execute() } }

    private func execute() throws {
      var options = try reading.options()
      // Only how many users get negatives is printed, and one is enough for that: who can have one has at least one.
      options.negativeCount = 1
      let imported = try DatasetImporter.load(path: path, options: options)
      try DataPrinter(format).print(DatasetSummary(imported.dataset), imported.report, output: nil)
    }
  }

  /// Reads a table and writes the folder layout.
  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Bring a table into the folder layout: train, test, negatives, users, items.",
      discussion: """
        The last interaction of each user with at least three becomes the test item, with 99 negatives drawn by a seed.
        Nothing is written unless everything could be read.
        """)

    @Argument(help: "A table (CSV or TSV, plain or gz), MovieLens' own files, or a folder in our layout.")
    var path: String

    @OptionGroup var reading: DataReadingOptions

    @Option(help: "The folder to write; must not exist or be empty.")
    var output: String

    @Option(help: "Leave out users with fewer distinct items.")
    var minItems = 1

    @Option(help: "Leave out users with more distinct items (robots).")
    var maxItems: Int?

    @Option(help: "Negatives listed per test item.")
    var negatives = 99

    @Option(help: "Drives the choice of negatives.")
    var seed: UInt64 = 20_261_121

    @Flag(help: "Keep everything for training: no test items.")
    var noSplit = false

    @Flag(help: "Write numbers from 0 as ids, and the ids so far as columns.")
    var denseIds = false

    @Flag(help: "Replace a data set that is already there.")
    var force = false

    @Option(help: "Print as text or json.")
    var format: DataOutputFormat = .text

    func validate() throws {
      guard minItems >= 1 else { throw ValidationError("--min-items is \(minItems), expected at least 1.") }
      guard maxItems.map({ $0 >= minItems }) ?? true else {
        throw ValidationError("--max-items is less than --min-items: no user would be left.")
      }
      guard negatives >= 0 else { throw ValidationError("--negatives is \(negatives), expected 0 or more.") }
    }

    func run() throws { try Failures.report { try execute() } }

    private func execute() throws {
      var options = try reading.options()
      options.itemsPerUserMin = minItems
      options.itemsPerUserMax = maxItems
      options.negativeCount = negatives
      options.seed = seed
      options.holdsOutLast = !noSplit
      let imported = try DatasetImporter.load(path: path, options: options)
      let dataset = denseIds ? imported.dataset.withDenseIDs() : imported.dataset
      try DatasetWriter.write(dataset, to: output, replacing: force)
      try DataPrinter(format).print(DatasetSummary(dataset), imported.report, output: output)
    }
  }

  /// Writes made-up shops and customers.
  struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make up shops, customers and a year of browsing and buying.",
      discussion: "The same numbers and seed give the same data on every machine.")

    @Option(help: "Number of customers.")
    var users = SyntheticConfiguration.standard.users

    @Option(help: "Number of items in the catalogue.")
    var items = SyntheticConfiguration.standard.items

    @Option(help: "Number of shops.")
    var partners = SyntheticConfiguration.standard.partners

    @Option(help: "Drives everything.")
    var seed: UInt64 = SyntheticConfiguration.standard.seed

    @Option(help: "The folder to write; must not exist or be empty.")
    var output: String

    @Flag(help: "Replace a data set that is already there.")
    var force = false

    @Option(help: "Print as text or json.")
    var format: DataOutputFormat = .text

    func run() throws { try Failures.report { try execute() } }

    private func execute() throws {
      let configuration = try SyntheticConfiguration(
        users: users, items: items, partners: partners, seed: seed)
      let population = SyntheticPopulation(configuration)
      try DatasetWriter.write(population.dataset, to: output, replacing: force)
      try DataPrinter(format).print(DatasetSummary(population.dataset), nil, output: output)
    }
  }

  /// Writes one folder for each partner.
  struct Split: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Divide a data set among partners: one folder each, all over the same catalogue.",
      discussion:
        "For trying a federation over the network with data that lie in one place: every `tacit-client data import` reads one folder. items.tsv.gz is the catalogue for `tacit-coordinator plan`."
    )

    @Argument(help: "`synthetic:USERSxITEMSxPARTNERS`, a folder in our layout, or a table.")
    var data: String
    @OptionGroup var reading: DataReadingOptions

    @Option(help: "How users are divided: a number, by:COLUMN, or as `tacit simulate --partners` says.")
    var partners: String = "by:partner"

    @Option(help: "Drives made-up data.")
    var seed: UInt64 = 1

    @Option(help: "The folder to write; one folder per partner appears in it.")
    var output: String

    func run() throws { try Failures.report { try execute() } }

    private func execute() throws {
      let dataset = try DataSource.load(data, seed: seed, validation: false, options: reading.options()).dataset
      let partition: Partition
      do { partition = try dataset.partition(by: try PartitionRule(parsing: partners)) } catch {
        throw CommandFailure(.configuration, "--partners: \(error)")
      }
      for name in partition.names where name.isEmpty || name.hasPrefix(".") || name.contains("/") {
        throw CommandFailure(.data, "partner '\(name)' cannot name a folder; expected a name without / and without a leading dot")
      }
      guard !FileManager.default.fileExists(atPath: output) else {
        throw CommandFailure(.cannotCreate, "\(output) exists; choose another name or remove it first")
      }
      do { try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true) } catch {
        throw CommandFailure(.cannotCreate, "\(output) cannot be made: \(error.localizedDescription)")
      }
      for (name, users) in zip(partition.names, partition.userIndices) {
        try DatasetWriter.write(dataset.selecting(users: users), to: "\(output)/\(name)")
        print("\(output)/\(name): \(users.count) users")
      }
      try DatasetWriter.writeCatalogue(dataset.catalogue, to: "\(output)/items.tsv.gz")
      print("\(output)/items.tsv.gz: the catalogue, \(dataset.itemCount) items")
    }
  }
}

/// Prints a summary and an import report, as text or JSON.
private struct DataPrinter {
  let format: DataOutputFormat

  init(_ format: DataOutputFormat) { self.format = format }

  private struct Document: Encodable {
    let summary: DatasetSummary
    let report: ImportReport?
    let output: String?
  }

  func print(_ summary: DatasetSummary, _ report: ImportReport?, output: String?) throws {
    switch format {
    case .json:
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      let data = try encoder.encode(Document(summary: summary, report: report, output: output))
      Swift.print(String(decoding: data, as: UTF8.self))
    case .text:
      for line in lines(summary) + (report.map(lines) ?? []) { Swift.print(line) }
      for problem in summary.problems { Swift.print("Problem: \(problem)") }
      if let output { Swift.print("Written to \(output)") }
    }
  }

  private func lines(_ summary: DatasetSummary) -> [String] {
    var lines = [
      "\(summary.name)",
      "  users         \(grouped(summary.users))",
      "  items         \(grouped(summary.items)), of which \(grouped(summary.unseenItems)) occur in no training history",
      "  training      \(grouped(summary.train)) interactions\(summary.hasWeights ? ", weighted" : ""), "
        + "density \(percent(summary.density))",
      "  test          \(grouped(summary.test)) items; \(grouped(summary.usersWithNegatives)) users with negatives",
    ]
    if summary.historyLengths.count == 4 {
      let lengths = summary.historyLengths.map(grouped)
      lines.append(
        "  per user      \(lengths[0]) to \(lengths[3]) items, median \(lengths[1]), 90 % have at most \(lengths[2])"
      )
    }
    lines.append("  head          the most frequent tenth of the items takes \(percent(summary.headShare))")
    lines += columns("user columns  ", summary.userColumns) + columns("item columns  ", summary.itemColumns)
    for (position, partner) in summary.partners.prefix(20).enumerated() {
      lines.append(
        "  \(position == 0 ? "partners      " : "              ")\(partner.name): \(grouped(partner.users)) users, "
          + "\(grouped(partner.interactions)) interactions")
    }
    if summary.partners.count > 20 { lines.append("                and \(summary.partners.count - 20) more") }
    return lines
  }

  private func columns(_ label: String, _ columns: [DatasetSummary.Column]) -> [String] {
    guard !columns.isEmpty else { return [] }
    let described = columns.map { column in
      "\(column.name) (\(grouped(column.values)) values\(column.blank > 0 ? ", \(grouped(column.blank)) blank" : ""))"
    }
    return ["  \(label)\(described.joined(separator: ", "))"]
  }

  private func lines(_ report: ImportReport) -> [String] {
    [
      "Read \(report.source) as \(report.format): \(grouped(report.rowsRead)) rows, "
        + "\(grouped(report.pairsKept)) pairs of user and item kept"
    ]
      + report.dropped.map { "Left out: \(grouped($0.count)) \($0.reason); first: \($0.firstExample)" }
      + report.notes.map { "Note: \($0)" }
  }

  /// 12345 as 12,345.
  private func grouped(_ number: Int) -> String {
    let digits = Array(String(number))
    return digits.enumerated()
      .map { ($0 > 0 && (digits.count - $0) % 3 == 0 ? "," : "") + String($1) }.joined()
  }

  private func percent(_ share: Double) -> String {
    share < 0.001 ? String(format: "%.3f %%", share * 100) : String(format: "%.1f %%", share * 100)
  }
}
