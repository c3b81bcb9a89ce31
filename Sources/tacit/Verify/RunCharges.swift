internal import CommandSupport
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Reporting
internal import Storage

/// What the ledgers charge: as the plan says, for each released sum by whoever is in it, and within the cap.
struct RunCharges {
  let run: RunUnderCheck
  let ledgers: RunLedgers

  func found() -> RunFindings {
    var findings = RunFindings()
    checkEvents(&findings)
    checkReleases(&findings)
    checkBudget(&findings)
    return findings
  }

  /// Every charge must be what the plan says that the release costs.
  private func checkEvents(_ findings: inout RunFindings) {
    ledgers: for (_, path, state) in ledgers.all {
      for standing in state.charges where standing.charge.plan == run.planHash {
        if let objection = run.plan.objection(to: standing.charge) {
          findings.say(.failed, "\(run.name(path)), line \(standing.number)", "the charge \(objection)")
          continue ledgers
        }
      }
    }
  }

  private func checkReleases(_ findings: inout RunFindings) {
    guard let coordinator = ledgers.coordinator else { return }
    let plan = run.plan
    let partners = ledgers.partners
    // Partners of the network keep their own ledgers.
    let elsewhere = run.folder.isExport ? plan.roster.count - partners.count : 0
    var objections = Objections()
    let released = coordinator.charges.filter(\.isReleased)
    for standing in released {
      let charge = standing.charge
      let place = charge.attempt.place
      guard let survivors = standing.outcome?.survivors else {
        objections.add(.uncounted, "\(place): the coordinator released a sum without saying of how many partners")
        continue
      }
      if survivors < plan.aggregation.minimumSurvivors {
        objections.add(
          .tooFew,
          "\(place): a sum of \(survivors) partners was released, the plan asks for at least \(plan.aggregation.minimumSurvivors)"
        )
      }
      let standings = partners.compactMap { $0.state.charge(charge.attempt, release: charge.release) }
      let charged = standings.filter { $0.refund != .proven }.count
      if charged + elsewhere < survivors {
        objections.add(
          .notCharged,
          "\(place): \(survivors) partners are in the released sum, but only \(charged) of their ledgers are charged for it")
      }
      if standings.contains(where: { $0.charge.binding != charge.binding }) {
        objections.add(
          .otherBinding, "\(place): a partner was shown another plan, model or ledger than the coordinator charged for")
      }
    }
    for (name, state) in partners {
      for standing in state.charges where standing.charge.plan == run.planHash {
        let charge = standing.charge
        let known = coordinator.charge(charge.attempt, release: charge.release)
        // A killed coordinator may lack the charge of its last attempt; a run that looks whole has charged all of them.
        if known == nil, run.folder.isFinished {
          objections.add(
            .unknown,
            "\(charge.attempt.place) is charged by \(name) and missing in the coordinator's ledger, from which the report's ε comes"
          )
        }
        // The coordinator writes that it released before anybody is told.
        if standing.isReleased, known?.isReleased != true {
          objections.add(
            .denied,
            "\(charge.attempt.place): \(name) was told of a released sum, which the coordinator's ledger does not call released")
        }
      }
    }
    for sentence in objections.sentences { findings.say(.failed, "releases", sentence) }
    guard objections.sentences.isEmpty else { return }
    findings.say(
      .ok, "releases",
      elsewhere == 0
        ? "each of \(released.count) released sums is charged by as many partners as are in it, for the same plan and model"
        : "each of \(released.count) released sums is charged by the coordinator and is of enough partners")
  }

  private func checkBudget(_ findings: inout RunFindings) {
    guard let cap = run.plan.cap else {
      return findings.say(.note, "ε", "the plan has no noise: nothing is claimed, and every release counts as unprotected")
    }
    var isWithin = true
    var worst = 0.0
    // Of ledgers that count other plans too.
    var others: [(holder: String, spending: LedgerSpending)] = []
    for (holder, _, state) in ledgers.all {
      // As the cap is kept: by one accountant, whatever came to stand (SpendingCap).
      let spent = SpendingCap(cap, plans: [run.planHash: run.plan]).epsilon(
        of: state, only: run.planHash, believingRefunds: false)
      let own = state.charges.filter { $0.refund != .proven && $0.charge.plan == run.planHash }
      worst = max(worst, LedgerSpending(of: own).epsilon(delta: cap.delta))
      // What its holder wrote down as its own cap over all plans (CapNote), which an honest one never passes.
      let counts = state.charges.contains { $0.charge.plan == run.planHash }
      if counts, let other = [state.cap, state.firstCap].compactMap({ $0?.delta }).first(where: { $0 != cap.delta }) {
        findings.say(
          .failed, "ε",
          "\(holder) keeps a cap at δ = \(other) and was charged for this plan, whose δ is \(cap.delta): a cap is about charges of one δ"
        )
      }
      if let own = state.cap, own.delta == cap.delta {
        let all = state.proven.epsilon(delta: own.delta)
        if all > own.epsilon * (1 + Self.tolerance) {
          findings.say(
            .failed, "ε",
            "\(holder) has spent ε = \(all.isFinite ? Text.significant(all) : "∞") at δ = \(own.delta) over all plans, above the cap of \(own.epsilon) that stands in its ledger"
          )
        }
      }
      if state.charges.contains(where: { $0.charge.plan != run.planHash }) { others.append((holder, state.proven)) }
      if spent > cap.epsilon * (1 + Self.tolerance) {
        isWithin = false
        findings.say(
          .failed, "ε",
          "\(holder) has charged what needs a cap of ε = \(Text.significant(spent)) at δ = \(cap.delta), above the plan's of \(cap.epsilon)"
        )
      }
    }
    if let most = others.map({ (holder: $0.holder, epsilon: $0.spending.epsilon(delta: cap.delta)) }).max(by: {
      $0.epsilon < $1.epsilon
    }) {
      findings.say(
        .note, "ε",
        "\(others.count) ledgers count other plans too; with them \(most.holder) has spent most: \(most.epsilon.isFinite ? ReportNumber.upperBound(most.epsilon) : "no finite ε") at δ = \(cap.delta). What caps that is each partner's own decision and stands in no plan"
      )
    }
    guard isWithin, ledgers.coordinator != nil else { return }
    findings.say(
      .ok, "ε",
      "\(ReportNumber.upperBound(worst)) at δ = \(cap.delta) recomputed from the charges, the most of any ledger under this plan, within the plan's cap of \(cap.epsilon)"
    )
  }

  /// Relative; machines differ in the last bits of exp and log.
  private static let tolerance = 1e-6

  /// Objections of one kind, told once with their number.
  private struct Objections {
    enum Kind { case uncounted, tooFew, notCharged, otherBinding, unknown, denied }

    private var found: [(kind: Kind, first: String, others: Int)] = []

    mutating func add(_ kind: Kind, _ sentence: String) {
      if let index = found.firstIndex(where: { $0.kind == kind }) {
        found[index].others += 1
      } else {
        found.append((kind, sentence, 0))
      }
    }

    var sentences: [String] {
      found.map { $0.others == 0 ? $0.first : "\($0.first); the same goes for \($0.others) more" }
    }
  }
}
