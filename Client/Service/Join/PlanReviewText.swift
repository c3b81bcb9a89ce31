internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import PeerIdentity

/// A plan's review as a person reads it, and as a program does.
extension PlanReview {
  /// Plain words, one section after the other.
  public var text: String {
    var lines: [String] = []
    lines.append("PLAN '\(plan.task)'")
    lines.append("  hash       \(hash.hex)")
    lines.append("  signed     by the coordinator's key \(fingerprint(enrolment.coordinatorKey)), which this home pinned")
    lines.append("  you        participant \(enrolment.participant) ('\(enrolment.name)'), one of \(plan.roster.count) partners")
    section(&lines, "WHAT IT DOES", workLines)
    section(&lines, "DATA USED", dataLines)
    section(&lines, "WHAT IS PROMISED TO ONE USER", promiseLines)
    section(&lines, "WHO SEES WHAT", observers.map { "\($0.who): \($0.sees)" })
    section(&lines, "WHO TAKES PART", partnerLines)
    section(&lines, "YOUR BUDGET", budgetLines)
    if !warnings.isEmpty { section(&lines, "MIND", warnings) }
    if !objections.isEmpty { section(&lines, "THIS PLAN CANNOT BE ACCEPTED", objections) }
    return lines.joined(separator: "\n")
  }

  private func section(_ lines: inout [String], _ title: String, _ content: [String]) {
    lines.append("")
    lines.append(title)
    lines += content.map { "  " + $0 }
  }

  private func fingerprint(_ key: VerificationKey) -> String { ShortFingerprint(of: SHA256.hash(key.bytes)).text }

  private var workLines: [String] {
    ["trains '\(plan.algorithm.name)' over \(plan.catalogue.itemCount) items in \(plan.releases.count) rounds (releases):"]
      + releaseLines.map { "  " + $0 }
      + [
        "each round is tried at most \(plan.aggregation.maximumAttempts) times; every attempt that got your masked sum is charged"
      ]
  }

  /// Runs of equal releases as one line.
  private var releaseLines: [String] {
    var groups: [(text: String, count: Int)] = []
    for release in plan.releases {
      let rate = release.samplingRate < 1 ? ", of a random share of \(release.samplingRate) of your users" : ""
      let text = "\(release.name) (\(release.purpose.rawValue)): a sum of \(release.dimension) numbers\(rate)"
      if groups.last?.text == text { groups[groups.count - 1].count += 1 } else { groups.append((text, 1)) }
    }
    return groups.map { $0.count == 1 ? $0.text : "\($0.text), \($0.count) times" }
  }

  private var dataLines: [String] {
    let names = dataSets.filter(\.fitsCatalogue).map { "'\($0.dataSet)'" }
    return [
      names.isEmpty
        ? "none is imported yet for this plan's catalogue (\(plan.catalogue.itemCount) items): tacit-client data import FILE"
        : "your users' histories of the catalogue's items: \(names.joined(separator: " or "))",
      "they stay on this machine; what leaves it in each attempt is one masked sum over all of your users",
      "the plan allows for at most \(ownEntry?.maximumUsers ?? 0) of your users; how many there are is not told",
    ]
  }

  private var promiseLines: [String] {
    let privacy = plan.privacy
    let places = privacy.maximumPartnersPerUser
    var lines = [
      "unit of protection   one user with all of the user's interactions, at no more than \(places) partner\(places == 1 ? "" : "s")",
      "adjacency            \(privacy.adjacency.rawValue): \(adjacencyWords)",
    ]
    guard privacy.noise != .none else {
      return lines + ["guarantee            none: this plan adds no noise, so that ε is infinite"]
    }
    lines.append(
      "guarantee            ε ≤ \(privacy.epsilon) at δ = \(privacy.delta), over all \(plan.releases.count) rounds and their attempts"
    )
    lines.append(
      privacy.noise == .distributed
        ? "holds against        readers of the models, the coordinator, and \(plan.aggregation.colluders) partner\(plan.aggregation.colluders == 1 ? "" : "s") that work with it"
        : "holds against        readers of the models and the other partners; the coordinator draws the noise and is trusted to do so"
    )
    return lines
  }

  private var adjacencyWords: String {
    switch plan.privacy.adjacency {
    case .addRemove: "nobody can tell whether the user's data were there or not"
    case .replaceOne: "nobody can tell which of two histories was the user's"
    case .zeroOut: "nobody can tell whether the user's data counted or were taken as zero"
    }
  }

  /// Who sees what in this plan's mode of noise.
  public var observers: [(who: String, sees: String)] {
    let minimum = plan.aggregation.minimumSurvivors
    let noise = plan.privacy.noise
    return [
      (
        "the coordinator",
        "who takes part, masked vectors, and sums over at least \(minimum) partners (minimum survivors \(minimum); \(plan.aggregation.threshold) of \(plan.roster.count) must help to open one)"
          + (noise == .distributed
            ? ", with every partner's noise already in them" : noise == .central ? ", before it adds the noise" : "")
          + "; never your own sum"
      ),
      ("the other partners", "the plan, the roster, the size of your ledger, and the released models; nothing of your data"),
      (
        "readers of the models",
        noise == .none ? "exact sums over all partners, folded into the models" : "sums with noise, folded into the models"
      ),
    ]
  }

  private var partnerLines: [String] {
    let width = plan.roster.map(\.name.count).max() ?? 0
    let lines = plan.roster.map { entry in
      let key = VerificationKey(hex: entry.verificationKey).map(fingerprint) ?? "no key"
      let name = entry.name + String(repeating: " ", count: width - entry.name.count)
      return "\(entry.participant)  \(name)  \(key)\(entry.participant == enrolment.participant ? "  (you)" : "")"
    }
    return lines + [
      "",
      "roster fingerprint   \(roster.fingerprint.text)   (version \(roster.version))",
      "read it to the other partners on the phone: if one of them sees another, do not accept",
    ]
  }

  private var budgetLines: [String] {
    let planText =
      plan.privacy.noise == .none
      ? "the plan has no cap: without noise ε is infinite"
      : "the plan's own cap is ε = \(plan.privacy.epsilon) at δ = \(plan.privacy.delta)"
    let reach =
      "a user is counted by one ledger of this home, whatever data set the user comes in; another home with the same users has a budget of its own, and nobody adds the two"
    guard !dataSets.isEmpty else { return [planText, "your own cap is asked for when you import data or accept", reach] }
    return [planText]
      + dataSets.map { data in
        let own =
          data.cap.map { "your own cap over all plans is ε = \($0.epsilon) at δ = \($0.delta)" }
          ?? "you have set no cap of your own yet"
        let ledger = data.ledger == data.dataSet ? "" : " (users of it are counted by the ledger '\(data.ledger)')"
        return
          "'\(data.dataSet)'\(ledger): \(own); spent so far \(Self.epsilonText(data.spent)); with this whole plan \(Self.epsilonText(data.spentAfterPlan))"
      } + [reach]
  }

  /// The same for programs.
  public struct Document: Encodable {
    struct Partner: Encodable {
      let participant: UInt32
      let name: String
      let fingerprint: String
      let isYou: Bool
    }
    struct Observer: Encodable {
      let who: String
      let sees: String
    }
    struct Cap: Encodable {
      let epsilon: Double
      let delta: Double
    }
    struct Data: Encodable {
      let dataSet: String
      let ledger: String
      let ownCap: Cap?
      /// `nil` where there is no finite ε.
      let epsilonSpent: Double?
      let epsilonAfterPlan: Double?
      let fitsCatalogue: Bool
    }
    let task: String
    let planHash: String
    let session: String
    let participant: UInt32
    let algorithm: String
    let items: Int
    let rounds: Int
    let releases: [String]
    let unit: String
    let adjacency: String
    let partnersPerUserMax: Int
    let noise: String
    let planCap: Cap?
    let minimumSurvivors: Int
    let threshold: Int
    let attemptsMax: Int
    let partners: [Partner]
    let rosterFingerprint: String
    let rosterVersion: UInt64
    let observers: [Observer]
    let budgets: [Data]
    let warnings: [String]
    let objections: [String]
  }

  public var document: Document {
    func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
    return Document(
      task: plan.task, planHash: hash.hex, session: plan.session, participant: enrolment.participant,
      algorithm: plan.algorithm.name, items: plan.catalogue.itemCount, rounds: plan.releases.count, releases: releaseLines,
      unit: "user", adjacency: plan.privacy.adjacency.rawValue, partnersPerUserMax: plan.privacy.maximumPartnersPerUser,
      noise: plan.privacy.noise.rawValue,
      planCap: plan.privacy.noise == .none ? nil : .init(epsilon: plan.privacy.epsilon, delta: plan.privacy.delta),
      minimumSurvivors: plan.aggregation.minimumSurvivors, threshold: plan.aggregation.threshold,
      attemptsMax: plan.aggregation.maximumAttempts,
      partners: plan.roster.map { entry in
        .init(
          participant: entry.participant, name: entry.name,
          fingerprint: VerificationKey(hex: entry.verificationKey).map(fingerprint) ?? "",
          isYou: entry.participant == enrolment.participant)
      },
      rosterFingerprint: roster.fingerprint.text, rosterVersion: roster.version,
      observers: observers.map { .init(who: $0.who, sees: $0.sees) },
      budgets: dataSets.map {
        .init(
          dataSet: $0.dataSet.text, ledger: $0.ledger.text, ownCap: $0.cap.map { .init(epsilon: $0.epsilon, delta: $0.delta) },
          epsilonSpent: finite($0.spent), epsilonAfterPlan: finite($0.spentAfterPlan), fitsCatalogue: $0.fitsCatalogue)
      },
      warnings: warnings, objections: objections)
  }
}
