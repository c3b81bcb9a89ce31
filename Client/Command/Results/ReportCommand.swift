internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import PartnerService
internal import Reporting
internal import SecureAggregation

/// `tacit-client report`: this partner's privacy report, from its own ledger and the plan that it accepted.
struct ReportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Say what was spent of your users' privacy and what it guarantees, from your own ledger and the plan.")

  @OptionGroup var home: HomeOptions
  @OptionGroup var plan: PlanOption
  @OptionGroup var output: ReportOutput
  @OptionGroup var passphrase: PassphraseOptions

  func run() async throws { try await ClientFailures.report { try execute() } }

  private func execute() throws {
    let (home, store) = try home.open()
    let report = try report(try LedgerOfPlan(home: home, store: store, plan: try plan.hash(store)), home)
    try output.hand(out: report) {
      try PartnerSignature.key(
        home: home, enrolment: try Joining.enrolment(of: store, home), passphrase: passphrase.source)
    }
  }

  private func report(_ own: LedgerOfPlan, _ home: PartnerHome) throws -> RunReport {
    let (plan, state, cap) = (own.plan, own.state, own.cap)
    let charges = own.charges
    let delta = cap?.delta ?? plan.privacy.delta
    let spent = state.recorded.epsilon(delta: delta)
    let planCount = Set(state.charges.map(\.charge.plan)).count
    let figures = PlanPrivacyReport(
      plan: plan, state: state, charges: charges, ledgerHead: state.head.head.head.hex,
      planName: { planCount > 1 ? own.planNames[$0.charge.plan] ?? "\($0.charge.plan.hex.prefix(8))…" : nil })
    // What is left is of the plan's cap; the partner's own cap stands with the total.
    var privacy = try figures.report()
    privacy.total = SpentTotal(
      epsilon: spent.isFinite ? spent : nil, delta: delta, epsilonCap: cap?.epsilon,
      planCount: planCount)
    privacy.covered = [
      "Every release of the plan that this partner's masked input may have entered, and every attempt that came to nothing after it."
    ]
    if charges.count < state.charges.count {
      privacy.covered.append(
        "The total over all plans covers the same users in other plans and data sets too, against coordinator and colluding partners where noise is distributed; the other figures are of this plan."
      )
    }
    privacy.notCovered = own.linked.map { "People whom this ledger counts are counted elsewhere too: \($0.text)." }
    privacy.notCovered += [
      "Rounds in which this partner took no part.", "Traffic: sizes and times of messages.",
      "The catalogue, which is taken to be public.", "What other partners spend of a user whose data they hold too.",
    ]
    let released = charges.count { if case .released? = $0.outcome?.result { true } else { false } }
    privacy.rounds = RoundCounts(
      planned: plan.releases.count, completed: released, abortedButCharged: charges.count - released, endedBecause: own.end)
    privacy.tuning = TuningDisclosure(
      notCovered: [
        "Hyperparameters were given by the plan; any search for them on private data is not in these figures unless the ledger names it."
      ],
      use: plan.privacy.noise == .none ? nil : SpendReading.use(of: state, delta: plan.privacy.delta))
    return RunReport(
      identity: RunIdentity(
        runID: plan.session, algorithm: plan.algorithm.name, dataSet: own.dataSet.text, planHash: own.planHash.hex,
        catalogueHash: plan.catalogue.hash, codeVersion: ProgramVersion.client, accountantName: figures.accountant,
        signerKeyFingerprint: SHA256.hash(state.header.key.bytes).hex, createdAt: Date().formatted(.iso8601)),
      privacy: privacy, utility: utility(own), hazards: PlanPrivacyReport.hazards(plan),
      commands: [
        ReportCommandLine(
          purpose: "Check ledgers, plan and releases, and recompute ε", command: "tacit-client verify --home \(home.path)"),
        ReportCommandLine(purpose: "Show this report again", command: "tacit-client report --home \(home.path)"),
        ReportCommandLine(
          purpose: "What taking part is worth to this partner", command: "tacit-client worth --home \(home.path)"),
      ])
  }

  /// What evaluation releases said of the model, as far as this home heard of it; `nil` for a plan without any so far.
  private func utility(_ own: LedgerOfPlan) -> UtilityReport? {
    let released = ReleasedQuality.list(own.evaluations, of: own.plan)
    let notHeld = own.absentEvaluations.map { $0 + 1 }
    return released.isEmpty && notHeld.isEmpty ? nil : UtilityReport(released: released, notHeld: notHeld)
  }
}

private typealias ReportCommandLine = Reporting.ReportCommand
