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
    lines.append("  to compare \(shortForm)   (the hash as it is read on the phone; the coordinator's `plan` shows the same)")
    lines.append("  signed     by the coordinator's key \(fingerprint(enrolment.coordinatorKey)), which this home pinned")
    lines.append("  from       the coordinator at \(enrolment.trainingAddress), task \(enrolment.task)")
    lines.append("  you        participant \(enrolment.participant) ('\(enrolment.name)'), one of \(plan.roster.count) partners")
    if let end { section(&lines, "OVER", ["\(end); nobody can join it any more"]) }
    section(&lines, "WHAT IT DOES", workLines)
    section(&lines, "DATA USED", dataLines)
    section(&lines, "WHAT IS PROMISED TO ONE USER", promiseLines)
    section(&lines, "WHO SEES WHAT", observers.map { "\($0.who): \($0.sees)" })
    section(&lines, "WHO CAN OPEN WHAT", openingLines)
    section(&lines, "WHAT IS NOT PROTECTED", unprotected)
    section(&lines, "WHAT CANNOT BE UNDONE", irrevocable)
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

  /// The plan's hash, short enough to be read out.
  private var shortForm: String { ShortFingerprint(of: hash).text }

  private var workLines: [String] {
    ["trains '\(plan.algorithm.name)' over \(plan.catalogue.itemCount) items in \(plan.releases.count) rounds (releases):"]
      + releaseLines.map { "  " + $0 }
      + (plan.catalogue.features.map {
        ["an item is known by \(plan.featureDimension) public numbers besides (item features \($0.prefix(16))…)"]
      } ?? [])
      + [
        "each round is tried at most \(plan.aggregation.maximumAttempts) times; every attempt that got your masked sum is charged",
        schedule,
      ]
      + (plan.search.map { ["one try of the search '\($0)' over settings: your ledger notes it, and your report counts it"] }
        ?? [])
  }

  private var schedule: String {
    "no time is fixed: the coordinator opens the rounds, until all are released or it ends the plan; you can pause and leave at any time"
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
      "read at import: user, item, time and, where your file has them, kind of event and weight (unless you said otherwise a browse counts 1, a favourite 3, a cart 5, a purchase 10)",
      "kept: each user's items in the order of time, and their weights; not the times",
      vector,
      "they stay on this machine; what leaves it in each attempt is one masked sum over all of your users",
      "the plan allows for at most \(ownEntry?.maximumUsers ?? 0) of your users; how many there are is not told",
    ]
  }

  /// What one user's vector is made of, by algorithm.
  private var vector: String {
    let usesWeights = plan.algorithm.name == "als" || (plan.algorithm.name == "mf" && plan.algorithm.parameters["rank-one"] != 1)
    let content =
      switch plan.algorithm.name {
      case "popularity": "which items the user has"
      case "covariance", "item-knn": "which items the user has, and which of them together"
      case "mf":
        "which items the user has; then, for every item, how its factors would have to change to fit the user's items better"
      case "hybrid":
        "which items the user has, and which of them together; then, for every item, how its factors would have to change to fit the user's items better"
      case "als": "what the user's items say about the factors of every item"
      case "sasrec", "gru", "cnn", "two-tower":
        "which items the user has; then how the numbers of a network would have to change to foretell the user's items from those before them"
      default: "what '\(plan.algorithm.name)' computes from the user's items"
      }
    let isClipped = plan.releases.contains { $0.encoding != nil }
    return
      "a user's vector says \(content)\(usesWeights ? " (items count by their weights)" : ""); \(isClipped ? "it is cut to a fixed length, and " : "")the vectors of all of your users are added up before anything is sent"
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
    lines.append("what that means      \(oddsWords)")
    lines.append(
      "                     the best attack finds at most \(percent(attackRate)) of the users who took part if it wrongly names 1 % of those who did not"
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
    case .addRemove: "the releases with the user's data are compared with those without them"
    case .replaceOne: "the releases with the user's history are compared with those with any other history in its place"
    case .zeroOut: "the releases with the user's data are compared with those in which they count as zero"
    }
  }

  private var oddsWords: String {
    let epsilon = plan.privacy.epsilon
    // Rounded up; from some size on the number says no more than its name.
    let scale = epsilon < 3 ? 100.0 : 1
    let factor =
      epsilon <= 12
      ? "e^ε = \(String(format: epsilon < 3 ? "%.2f" : "%.0f", (exp(epsilon) * scale).rounded(.up) / scale))" : "e^ε"
    return
      "whoever sees the releases can change their odds about one user by at most a factor of \(factor), but for a chance of δ"
  }

  /// The largest share of users who took part that any attack finds at 1 % false alarms, when the plan's whole cap is spent.
  ///
  /// Where every user takes part in every release all of it is one Gaussian mechanism: Φ(Φ⁻¹(0.01) + μ) with the μ of the cap
  /// (Dong, Roth, Su 2022). With sampling: what any (ε, δ) allows, min(e^ε·α + δ, 1 − e^−ε·(1 − α − δ)) (Kairouz, Oh, Viswanath 2015).
  package var attackRate: Double {
    let (epsilon, delta, alarms) = (plan.privacy.epsilon, plan.privacy.delta, 0.01)
    let general = min(1, exp(epsilon) * alarms + delta, 1 - exp(-epsilon) * (1 - alarms - delta))
    guard plan.releases.allSatisfy({ $0.samplingRate == 1 }) else { return general }
    var (low, high) = (0.0, 1.0)
    while high < 1e6, AnalyticGaussian.epsilon(delta: delta, mu: high).upper < epsilon { high *= 2 }
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if AnalyticGaussian.epsilon(delta: delta, mu: middle).upper < epsilon { low = middle } else { high = middle }
    }
    return min(general, 0.5 * erfc((2.326347874040841 - high) / 2.0.squareRoot()))
  }

  /// Rounded up to tenths of a percent.
  private func percent(_ share: Double) -> String { "\(String(format: "%.1f", (share * 1000).rounded(.up) / 10)) %" }

  /// Who sees what in this plan's mode of noise.
  public var observers: [(who: String, sees: String)] {
    let minimum = plan.aggregation.minimumSurvivors
    let noise = plan.privacy.noise
    let evaluated =
      noise != .none && plan.releases.contains { $0.purpose == .evaluation }
      ? ", the noised sums of users and hits over all partners that evaluations release" : ""
    return [
      (
        "the coordinator",
        "who takes part, masked vectors, and sums over at least \(minimum) partners (minimum survivors \(minimum); \(plan.aggregation.threshold) of \(plan.aggregation.holders(of: plan.roster.count)) must help to open one)"
          + (noise == .distributed
            ? ", with every partner's noise already in them" : noise == .central ? ", before it adds the noise" : "")
          + "; never your own sum. Besides: your network address, when you are connected, rest, go on or leave, how much you send and how fast, your consent, and the size of your ledger"
      ),
      (
        "the other partners",
        "the plan, the roster, the size of your ledger, and the released models\(evaluated); nothing of your data by itself"
      ),
      (
        "readers of the models",
        noise == .none ? "exact sums over all partners, folded into the models" : "sums with noise, folded into the models"
      ),
    ]
  }

  /// Who must help to open a sum, and how many must lie to open one partner's own vector.
  private var openingLines: [String] {
    let (count, minimum) = (plan.roster.count, plan.aggregation.minimumSurvivors)
    guard let opening = plan.opening else { return ["the coordinator sees your vector as it is: this plan masks nothing"] }
    let others =
      "whoever works with the coordinator knows its own vector, and takes it off the sum: with \(opening.colluders) such partner\(opening.colluders == 1 ? "" : "s") a sum of \(minimum) hides you among \(max(0, minimum - opening.colluders))"
    guard let bits = opening.securityBits else {
      return [
        "your masks           every one of the \(count) partners, you among them, holds a share of their secrets; \(opening.threshold) must help to take one mask off",
        "a sum                is opened once in an attempt, when \(opening.threshold) partners have signed the same list of at least \(minimum) who are in it",
        "your vector alone    nobody sees it, unless \(opening.liarsNeeded) of the \(count) partners lie together with a coordinator that lies; the plan reckons with \(opening.colluders)",
        others,
      ]
    }
    return [
      "your masks           you draw \(opening.holders) of the other \(count - 1) partners by your own coins, anew for every attempt, and nobody else has a say; each holds a share of your masks' secrets, and \(opening.threshold) of them must help to take one mask off",
      "a sum                is opened once in an attempt; you help only when \(opening.threshold) of your \(opening.holders) have signed the list that you signed, of at least \(minimum) who are in it",
      "your vector alone    nobody sees it, unless \(opening.liarsNeeded) of your \(opening.holders) lie together with a coordinator that lies; when \(opening.colluders) of the \(count) partners do, that comes about for anybody with a chance of at most 2^-\(bits) in an attempt",
      others,
    ]
  }

  /// What the promise does not cover, one sentence each.
  private var unprotected: [String] {
    let privacy = plan.privacy
    var lines = [
      "what the models say about people in general: that is what they are for, and it can touch users whose data were not used",
      "several users together, such as a household: two have about twice the ε, and so on",
      "a user with data at more than \(privacy.maximumPartnersPerUser) partner\(privacy.maximumPartnersPerUser == 1 ? "" : "s"), or with several ids at one: each counts anew",
      "that your company takes part, and when: partners and coordinator see it",
      "this machine: whoever can read the home sees the data and, unless they are sealed, the keys",
    ]
    if privacy.noise == .none { lines.insert("one user's data in the released models: there is no noise", at: 0) }
    return lines
  }

  /// What stays whatever the partner does later.
  private var irrevocable: [String] {
    [
      "what was released stays with whoever has it: `leave` and `purge` take no model back, and no part of one",
      "what was spent stays spent: no user's ε ever goes down, and your ledger is kept to prove it",
      "your consent is signed, and the coordinator keeps it; `leave` ends it from then on",
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
      "a user is counted by one ledger of this home, whatever data set the user comes in; another home with the same users has a budget of its own, and nobody adds the two, unless it is linked (tacit-client data link)"
    guard !dataSets.isEmpty else { return [planText, "your own cap is asked for when you import data or accept", reach] }
    return [planText]
      + dataSets.map { data in
        let own =
          data.cap.map {
            "your own cap over all plans \(data.isCapSet ? "is" : "would be") ε = \($0.epsilon) at δ = \($0.delta)"
          }
          ?? "you have set no cap of your own yet"
        let ledger = data.ledger == data.dataSet ? "" : " (users of it are counted by the ledger '\(data.ledger)')"
        let linked = data.linked.map { "; \($0.text)" }.joined()
        return
          "'\(data.dataSet)'\(ledger): \(own); spent so far \(Self.epsilonText(data.spent))\(linked); with this whole plan\(data.linked.isEmpty ? "" : " and the linked ledgers") \(Self.epsilonText(data.spentAfterPlan))"
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
      let linked: [LinkedSpending]
      let epsilonAfterPlan: Double?
      let fitsCatalogue: Bool
    }
    let task: String
    let planHash: String
    /// The hash as it is read on the phone.
    let toCompare: String
    let session: String
    let coordinator: String
    /// How the plan ended; `nil` while it may go on.
    let end: String?
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
    /// Among how many partners the threshold is: all, or those that each draws.
    let holders: Int
    let holdersAreDrawn: Bool
    /// Of the holders must lie with the coordinator to open one vector; `nil` without secure aggregation.
    let liarsNeeded: Int?
    /// The plan's colluders have a chance of at most 2^−bits in an attempt; `nil` where they have none.
    let securityBits: Int?
    let attemptsMax: Int
    let partners: [Partner]
    let rosterFingerprint: String
    let rosterVersion: UInt64
    let observers: [Observer]
    let dataRead: [String]
    let schedule: String
    /// Most users that an attack finds at 1 % false alarms, as a share; `nil` without noise.
    let attackRateMax: Double?
    let notProtected: [String]
    let irrevocable: [String]
    let budgets: [Data]
    let warnings: [String]
    let objections: [String]
  }

  public var document: Document {
    func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
    return Document(
      task: plan.task, planHash: hash.hex, toCompare: shortForm, session: plan.session,
      coordinator: enrolment.trainingAddress, end: end, participant: enrolment.participant,
      algorithm: plan.algorithm.name, items: plan.catalogue.itemCount, rounds: plan.releases.count, releases: releaseLines,
      unit: "user", adjacency: plan.privacy.adjacency.rawValue, partnersPerUserMax: plan.privacy.maximumPartnersPerUser,
      noise: plan.privacy.noise.rawValue,
      planCap: plan.privacy.noise == .none ? nil : .init(epsilon: plan.privacy.epsilon, delta: plan.privacy.delta),
      minimumSurvivors: plan.aggregation.minimumSurvivors, threshold: plan.aggregation.threshold,
      holders: plan.aggregation.holders(of: plan.roster.count), holdersAreDrawn: plan.aggregation.graph != nil,
      liarsNeeded: plan.opening?.liarsNeeded, securityBits: plan.opening?.securityBits,
      attemptsMax: plan.aggregation.maximumAttempts,
      partners: plan.roster.map { entry in
        .init(
          participant: entry.participant, name: entry.name,
          fingerprint: VerificationKey(hex: entry.verificationKey).map(fingerprint) ?? "",
          isYou: entry.participant == enrolment.participant)
      },
      rosterFingerprint: roster.fingerprint.text, rosterVersion: roster.version,
      observers: observers.map { .init(who: $0.who, sees: $0.sees) },
      dataRead: dataLines, schedule: schedule, attackRateMax: plan.privacy.noise == .none ? nil : attackRate,
      notProtected: unprotected, irrevocable: irrevocable,
      budgets: dataSets.map {
        .init(
          dataSet: $0.dataSet.text, ledger: $0.ledger.text, ownCap: $0.cap.map { .init(epsilon: $0.epsilon, delta: $0.delta) },
          epsilonSpent: finite($0.spent), linked: $0.linked, epsilonAfterPlan: finite($0.spentAfterPlan),
          fitsCatalogue: $0.fitsCatalogue)
      },
      warnings: warnings, objections: objections)
  }
}
