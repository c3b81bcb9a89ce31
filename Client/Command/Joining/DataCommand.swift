internal import ArgumentParser
internal import CommandSupport
internal import DataImport
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import PartnerService
internal import Recommender
internal import ServiceCommands

/// `tacit-client data`: the partner's own data.
struct DataCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Bring your own interactions into the home, and say what they may spend.",
    subcommands: [Import.self, List.self, Cap.self, Link.self, Remove.self])

  enum HoldOut: String, ExpressibleByArgument, CaseIterable { case last, none }

  /// What to do with something that does not fit.
  enum Policy: String, ExpressibleByArgument, CaseIterable {
    case refuse, ignore

    var policy: ImportOptions.Policy { self == .refuse ? .refuse : .ignore }
  }

  struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Read your own interactions, once, against the plan's catalogue; they stay in the home.")

    @Argument(help: "A folder in our layout, a table (CSV or TSV, plain or gz), or MovieLens' own files.") var path: String
    @OptionGroup var home: HomeOptions
    @Option(help: "What to call the data set; users that were imported before stay on the ledger that counts them.") var name =
      DataSetName.standard.text
    @Option(
      help: ArgumentHelp(
        "Which ledger counts these users; for a home whose database was lost, when its ledgers are still there.",
        valueName: "name"))
    var ledger: String?
    @Flag(help: "For such a home: nobody of these users was ever imported into it.") var newUsers = false
    @Option(
      help: ArgumentHelp(
        "Which column is what, for instance user=customer,item=sku,time=ts,weight=qty,event=action.", valueName: "mapping"))
    var columns: String?
    @Option(
      help: ArgumentHelp("Weights of events, as in browse=1,favourite=3,cart=5,buy=10.", valueName: "weights"))
    var eventWeights: String?
    @Option(
      help: ArgumentHelp("Own item codes and what they mean: a table with the columns code,item.", valueName: "file"))
    var itemCodes: String?
    @Option(help: "Items outside the catalogue and unknown codes: refuse or ignore.") var unknownItems: Policy = .refuse
    @Option(help: "Rows that cannot be read: refuse or ignore.") var badRows: Policy = .refuse
    @Option(help: ArgumentHelp("Only the rows of users with this value in a column.", valueName: "column=value"))
    var only: String?
    @Option(
      help: "last: keep each user's last event (or a folder's test items) out of training, for `worth`; none: train on all.")
    var holdOut: HoldOut = .last
    @Option(
      help: ArgumentHelp(
        "The most that these data may ever spend, over all plans: EPSILON,DELTA such as 8,1e-6.", valueName: "epsilon,delta"))
    var cap: BudgetArgument?

    func run() async throws { try await ClientFailures.report { try execute() } }

    private func execute() throws {
      let (home, store) = try home.open()
      _ = try Joining.enrolment(of: store, home)
      try Joining.refusePurged(store, home)
      guard let plan = try store.plans().first else {
        throw CommandFailure(
          .noInput,
          "this home has no plan yet, so that there is no catalogue to import against; fetch it with: tacit-client review")
      }
      var options = ImportOptions()
      if let columns { options.columns = try ColumnMapping(parsing: columns) }
      if let eventWeights { options.eventWeights = try EventWeights(parsing: eventWeights) }
      if let itemCodes { options.itemCodes = try ItemCodes(path: itemCodes) }
      options.unknownItems = unknownItems.policy
      options.badRows = badRows.policy
      let result = try DataImporting.run(
        path: path, options: options, catalogue: try PlanFile(bytes: plan.bytes).plan.catalogue, only: try selection(),
        holdsOut: holdOut == .last, name: try DataSetName(name), told: try told(), cap: cap?.budget,
        into: store, time: PartnerHome.now)
      Console.output(
        "Imported '\(result.dataSet.name)': \(result.dataSet.users) users, \(result.dataSet.events) events; \(result.heldOutUsers) users with a held-out event"
          + (result.usersOfOthers > 0 ? "; \(result.usersOfOthers) users of others left out" : ""))
      for dropped in result.report.dropped {
        Console.output("left out: \(dropped.count) \(dropped.reason); first: \(dropped.firstExample)")
      }
      for note in result.report.notes { Console.output("note: \(note)") }
      if result.dataSet.cap == nil { Console.output("You have set no cap for these data yet; `accept` asks for it.") }
    }

    private func told() throws -> ToldUsers {
      guard let ledger else { return newUsers ? .neverImported : .nothing }
      guard !newUsers else {
        throw CommandFailure(.usage, "--ledger \(ledger) and --new-users contradict each other; give one of them")
      }
      return .countedBy(try DataSetName(ledger))
    }

    private func selection() throws -> DataImporting.Selection? {
      guard let only else { return nil }
      let parts = only.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw CommandFailure(.usage, "--only is '\(only)'; expected column=value such as partner=north")
      }
      return DataImporting.Selection(column: parts[0], value: parts[1])
    }
  }

  struct Cap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Set the most that the users of a data set may ever spend, over all plans. What is spent stays spent.",
      discussion:
        "The cap is that of their ledger: it holds for every data set that the ledger counts, from the next attempt on. The coordinator does not ask a partner again that refused for its cap: when it is raised then, the partner states that it takes part again."
    )

    @Argument(help: ArgumentHelp("EPSILON,DELTA such as 8,1e-6.", valueName: "epsilon,delta")) var cap: BudgetArgument
    @OptionGroup var home: HomeOptions
    @OptionGroup var passphrase: PassphraseOptions
    @OptionGroup var connection: ConnectionOptions
    @Option(help: "Which data set.") var name = DataSetName.standard.text
    @Flag(help: "Do not ask.") var yes = false

    func run() async throws { try await ClientFailures.report { try await execute() } }

    private func execute() async throws {
      let (home, store) = try home.open()
      try Joining.refusePurged(store, home)
      if let known = try store.dataSet(try DataSetName(name))?.cap, known != cap.budget,
        known.epsilon < cap.budget.epsilon || known.delta < cap.budget.delta
      {
        try Terminal.confirm(
          "This raises the cap of '\(name)' from ε = \(known.epsilon) at δ = \(known.delta) to ε = \(cap.budget.epsilon) at δ = \(cap.budget.delta): its users are promised less than before. Raise it?",
          yes: yes)
      }
      let statement = try Joining.set(
        cap: cap.budget, of: try DataSetName(name), home: home, store: store, passphrase: passphrase.source,
        time: PartnerHome.now)
      Console.output("'\(name)' may spend at most ε = \(cap.budget.epsilon) at δ = \(cap.budget.delta), over all plans.")
      guard statement != nil else {
        return Console.output(
          "A running `run` takes it up with the next attempt. Had this home refused for its cap, and is the new one larger in one number only: state yourself that it takes part again, with tacit-client resume."
        )
      }
      Console.output("The last cap made this home refuse: it states that it takes part again.")
      try await Statements.send(home, store, passphrase.source, connection)
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show every data set with what its users have spent and may spend.")

    @OptionGroup var home: HomeOptions
    @Option(help: "text or json.") var format: OutputFormat = .text

    func run() async throws { try await ClientFailures.report { try execute() } }

    private func execute() throws {
      let (home, store) = try home.open()
      let dataSets = try PartnerStatus(home: home, store: store, now: Date()).dataSets
      if format == .json { return try Console.outputJSON(dataSets) }
      for data in dataSets { Console.output(data.text) }
      if dataSets.isEmpty { Console.output("no data; import them with: tacit-client data import FILE") }
    }
  }

  struct Link: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say that people of this home are people of another of your homes: what both tasks charge is added up.",
      discussion:
        "From then on neither home charges anything without having read the ledgers of both, and each holds the sum against its own cap; links go on from ledger to ledger. There is no way back: it is about people, and what was charged for them stays."
    )

    @Option(help: "A ledger or data set of this home; the only one when left out.") var ledger: String?
    @Option(help: ArgumentHelp("The other home, on this machine and of this user.", valueName: "other-home")) var to: String
    @Option(help: "A ledger or data set of the other home; the only one when left out.") var toLedger: String?
    @OptionGroup var home: HomeOptions

    func run() async throws { try await ClientFailures.report { try execute() } }

    private func execute() throws {
      let (home, store) = try home.open()
      let result = try Linking.link(
        try ledger.map { try DataSetName($0) }, of: home, store: store, to: to, try toLedger.map { try DataSetName($0) })
      Console.output(
        "\(result.isNew ? "Linked" : "Were linked already"): \(result.own) and \(result.other). What is charged to either counts against the caps of both."
      )
      if result.group.count > 2 {
        Console.output("These ledgers count the same people now: \(result.group.joined(separator: ", ")).")
      }
      let caps = [result.ownCap, result.otherCap].map { cap in
        cap.map { "ε = \($0.epsilon) at δ = \($0.delta)" } ?? "none (each plan's own cap is kept)"
      }
      Console.output("Their caps: \(caps[0]); of the other: \(caps[1]).")
      if result.ownCap != result.otherCap {
        Console.output(
          "Each home keeps to its own, so that what is promised over both is the larger one, and somewhat more than its δ where one of them was charged already: give both the same, before either is charged, with tacit-client data cap"
        )
      }
    }
  }

  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Erase the users and events of one data set; the ledger that counts them stays.",
      discussion:
        "So that the same users cannot come back with a new budget, a keyed digest of each identifier stays in the home until `purge`. Models that were released stay."
    )

    @Argument(help: "Which data set, as `data list` shows it.") var name: String
    @OptionGroup var home: HomeOptions
    @Flag(help: "Do not ask.") var yes = false

    func run() async throws { try await ClientFailures.report { try execute() } }

    private func execute() throws {
      let (_, store) = try home.open()
      try Terminal.confirm("Erase the users and events of '\(name)'?", yes: yes)
      try DataImporting.remove(try DataSetName(name), from: store, time: PartnerHome.now)
      Console.output("Erased: the users and events of '\(name)'. Its ledger stays: it says what was spent.")
    }
  }
}
