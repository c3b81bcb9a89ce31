internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import PartnerService
internal import PeerIdentity
internal import ServiceCommands

/// `tacit-client accept`: a signed yes to one plan.
struct AcceptCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accept",
    abstract: "Say yes to a plan: shows its hash, records a consent that is signed with your identity, and sends it.",
    discussion: "A client refuses every round that differs from the plan that was accepted.")

  @OptionGroup var home: HomeOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var plan: PlanOption
  @Option(name: .customLong("data"), help: "Which data set takes part, when there are several.") var dataSet: String?
  @Option(
    help: ArgumentHelp(
      "The most that the data set may ever spend, over all plans: EPSILON,DELTA such as 8,1e-6.", valueName: "epsilon,delta"))
  var cap: BudgetArgument?
  @Flag(help: "Join although the cap stops this home before the plan's end.") var part = false
  @Flag(help: "Do not ask.") var yes = false

  func run() async throws { try await ClientFailures.report { try await execute() } }

  private func execute() async throws {
    let (home, store) = try home.open()
    let hash = try plan.hash(store)
    var review = try Joining.review(hash, home: home, store: store, cap: cap?.budget)
    Console.output(review.text)
    Console.output("\nplan hash  \(review.hash.hex)")
    let cap = try askedCap(review)
    if cap != self.cap?.budget {
      // What was read above was judged without this cap.
      review = try Joining.review(review.hash, home: home, store: store, cap: cap)
      for line in review.warnings { Console.output("MIND: \(line)") }
    }
    if !yes { try ask(review) }
    try Joining.accept(
      review, dataSet: try dataSet.map { try DataSetName($0) }, cap: cap, inPart: part || !yes, home: home, store: store,
      passphrase: passphrase.source, time: PartnerHome.now)
    Console.output("Accepted: the consent is recorded and signed.")
    try await Statements.send(home, store, passphrase.source, connection)
  }

  /// The data sets that could take part under this command's options.
  private func fitting(_ review: PlanReview) -> [PlanReview.Spending] {
    review.dataSets.filter { data in data.fitsCatalogue && (dataSet.map { $0 == data.dataSet.text } ?? true) }
  }

  /// A plan that does not fit the cap takes another word than one that does.
  private func ask(_ review: PlanReview) throws {
    guard Terminal.isInteractive else {
      throw CommandFailure(
        .usage, "nothing was accepted: there is no terminal to answer on; read the plan above, then give --yes")
    }
    guard review.end == nil, review.objections.isEmpty else { return }
    let isWhole = part || fitting(review).allSatisfy(\.isWithinCap) || review.plan.privacy.noise == .none
    let (question, word) =
      isWhole
      ? ("Join this plan?", "yes") : ("The whole plan does not fit your cap. Join as far as the cap goes?", "part")
    guard Terminal.ask("\(question) Type \(word):") == word else { throw CommandFailure(.usage, "nothing was accepted") }
  }

  /// The partner's own cap: from the flag, from the terminal, or the one that the data set has; never the plan's by itself.
  private func askedCap(_ review: PlanReview) throws -> PrivacyBudget? {
    if let cap { return cap.budget }
    let fitting = fitting(review)
    guard review.end == nil, review.objections.isEmpty else { return nil }
    guard Terminal.isInteractive, !yes, review.plan.privacy.noise != .none, fitting.count == 1, fitting[0].cap == nil else {
      return nil
    }
    let answer = Terminal.ask("The most that '\(fitting[0].dataSet)' may ever spend, over all plans, as EPSILON,DELTA:") ?? ""
    guard let budget = BudgetArgument(argument: answer) else {
      throw CommandFailure(.usage, "'\(answer)' is no budget; expected EPSILON,DELTA such as 8,1e-6; nothing was accepted")
    }
    return budget.budget
  }
}

/// Sends what was stated, or leaves it to the daemon.
enum Statements {
  static func send(
    _ home: PartnerHome, _ store: PartnerStore, _ passphrase: PassphraseSource, _ connection: ConnectionOptions
  ) async throws {
    do {
      guard
        let caller = try PartnerCaller(
          home: home, store: store, passphrase: passphrase, insecureLoopback: connection.insecureLoopback, logger: Logs.logger())
      else {
        return Console.output("`run` speaks for this home: it tells the coordinator within seconds, or when it next reaches it.")
      }
      let refusals = try await caller.sendStatements()
      for refusal in refusals { Console.error("tacit-client: the coordinator does not take it: \(refusal)") }
      if refusals.isEmpty { Console.output("The coordinator has been told.") }
    } catch {
      // What a person decided holds here at once; telling it can wait.
      Console.error(
        "tacit-client: the coordinator could not be told now (\(ClientFailures.translated(error))); `run` will tell it")
    }
  }
}
