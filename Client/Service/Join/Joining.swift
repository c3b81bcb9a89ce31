public import CryptoPrimitives
public import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
public import PeerIdentity
internal import Recommender
internal import SecureAggregation

/// Reading a plan and saying yes to it, or resting, or leaving: what the person at a partner decides.
public enum Joining {
  /// The review of a plan that is in this home.
  ///
  /// - Parameters:
  ///   - hash: which; the newest when `nil`.
  ///   - cap: the cap that would hold for data sets that have none yet, so that the review judges what would be accepted.
  /// - Throws: `PartnerError` when there is none, when its signature does not hold, or when the home was purged.
  public static func review(
    _ hash: Digest? = nil, home: PartnerHome, store: PartnerStore, cap: PrivacyBudget? = nil
  ) throws -> PlanReview {
    let enrolment = try enrolment(of: store, home)
    try refusePurged(store, home)
    guard let plan = try hash.map({ try store.plan($0) }) ?? store.plans().first else {
      throw PartnerError(
        .missing, "this home has seen no plan yet; the coordinator has none, or has not been asked: tacit-client review")
    }
    guard let roster = try store.newestRoster() else {
      throw PartnerError(.missing, "this home has no roster; enrol into a new one")
    }
    let dataSets = try store.dataSets().filter { !$0.isRemoved }
    return try PlanReview(
      planBytes: plan.bytes, signature: plan.signature, rosterBytes: roster, enrolment: enrolment, end: plan.end,
      proposed: cap, earlierPlans: try store.trainingPlans(of: home),
      linked: LinkedReading.all(of: dataSets, home: home, store: store),
      dataSets: try dataSets.map {
        ($0, try OwnLedger.read(home.ledger(of: $0.ledger.name), key: enrolment.identity))
      })
  }

  /// Records the consent to a plan, signed with the partner's identity, with the data set that takes part and its cap.
  ///
  /// - Parameters:
  ///   - cap: the partner's own cap for the data set over all plans; needed when it has none yet.
  ///   - inPart: whether the partner means to join though its cap stops it before the plan's end.
  ///   - time: seconds since 1970.
  /// - Returns: the statement; whoever speaks for the home sends it.
  /// - Throws: `PartnerError` when something speaks against the plan, when it is over or does not fit the cap, or when there is no
  ///   data set or cap.
  @discardableResult
  public static func accept(
    _ review: PlanReview, dataSet: DataSetName?, cap: PrivacyBudget?, inPart: Bool = false, home: PartnerHome,
    store: PartnerStore, passphrase: PassphraseSource, time: Int
  ) throws -> PartnerStatement {
    if let end = try store.plan(review.hash)?.end ?? review.end {
      throw PartnerError(
        .usage,
        "plan '\(review.plan.task)' is over (\(end)): there is nothing to join any more; wait for a new plan, and look for it with: tacit-client review"
      )
    }
    if let objection = review.objections.first {
      throw PartnerError(.untrusted, "this plan cannot be accepted: \(objection)")
    }
    try refuseAfterEnd(store)
    let record = try chosen(dataSet, for: review.plan, in: store)
    try refuseChange(to: record, of: review, in: store)
    if let objection = review.dataSets.first(where: { $0.dataSet == record.name })?.objection {
      throw PartnerError(.missing, objection)
    }
    guard cap ?? record.cap != nil || review.plan.privacy.noise == .none else {
      throw PartnerError(
        .usage,
        "the data set '\(record.name)' has no cap of your own on its ledger; say the most that its users may ever spend, over all plans, with --cap EPSILON,DELTA (this plan's own cap is \(review.plan.privacy.epsilon),\(review.plan.privacy.delta))"
      )
    }
    if review.plan.privacy.noise == .none, let own = cap ?? record.cap {
      throw PartnerError(
        .usage,
        "this plan adds no noise, so that ε is infinite with its first round, above the cap of ε = \(own.epsilon) that you have set for '\(record.name)'; it can be joined only with data that were imported without a cap"
      )
    }
    if review.plan.privacy.noise == .none,
      let other = LedgerGroup(record.ledger.name, home: home, store: store).places().first
    {
      throw PartnerError(
        .usage,
        "this plan adds no noise, so that ε is infinite with its first round, and the ledger '\(record.ledger.name)' is linked with \(other), which counts the same people: no plan without noise is joined with data on a linked ledger"
      )
    }
    if let cap, let known = record.cap, cap != known {
      throw PartnerError(
        .usage,
        "the ledger '\(record.ledger.name)' of the data set '\(record.name)' has the cap ε = \(known.epsilon) at δ = \(known.delta) already; change it knowingly with: tacit-client data cap"
      )
    }
    if let cap = cap ?? record.cap {
      let ledger = try OwnLedger.read(home.ledger(of: record.ledger.name), key: review.enrolment.identity)
      let spent = review.spent(ledger, of: record.ledger, cap: cap)
      // A cap that is too small from the start is warned of by the review; one that is used up leaves nothing to decide.
      if spent > 0, let least = review.leastEpsilon(after: ledger, of: record.ledger, cap: cap), least > cap.epsilon {
        throw PartnerError(
          .usage,
          "the ledger '\(record.ledger.name)', which counts the users of '\(record.name)', has spent \(PlanReview.epsilonText(spent)) of its cap of ε = \(cap.epsilon): not one release of this plan fits, so that there is nothing to join"
        )
      }
      let after = review.epsilon(after: ledger, of: record.ledger, cap: cap)
      if !inPart, !PlanReview.fits(after, cap) {
        throw PartnerError(
          .usage,
          "the whole plan would bring the ledger '\(record.ledger.name)' to \(PlanReview.epsilonText(after)), above your cap of ε = \(cap.epsilon): this home would refuse the rounds that do not fit, and the others might have to wait for nothing; give a larger cap if you mean to join to the end, or --part to join as far as the cap goes"
        )
      }
    }
    let keys = try PartnerKeys.read(home, passphrase: passphrase)
    // The roster that the person has seen, not one that a daemon fetched meanwhile.
    let roster = review.roster.encoded()
    return try store.state(
      .consent, of: review.enrolment, plan: review.hash, roster: SHA256.hash(roster), key: keys.identity, time: time,
      dataSet: record.name, cap: cap)
  }

  /// Records that the partner rests, goes on or leaves.
  @discardableResult
  public static func state(
    _ kind: PartnerStatement.Kind, home: PartnerHome, store: PartnerStore, passphrase: PassphraseSource, time: Int
  ) throws -> PartnerStatement {
    precondition(kind != .consent, "a consent is given by `accept`")
    let enrolment = try enrolment(of: store, home)
    try refuseAfterEnd(store)
    let keys = try PartnerKeys.read(home, passphrase: passphrase)
    return try store.state(kind, of: enrolment, key: keys.identity, time: time)
  }

  /// Changes what the users of a data set may spend at most, over all plans: the cap of the ledger that counts them.
  ///
  /// A coordinator asks nobody again who refused for a cap. When the new cap is larger than the one that refused (in one
  /// number, and smaller in none), the partner states that it takes part again; cap and statement are kept together or not at all.
  /// - Parameter passphrase: opens the identity where something is stated.
  /// - Returns: that statement, for whoever speaks for the home to send; `nil` when none is needed.
  /// - Throws: `PartnerError` when there is no such data set, `PeerIdentityError` for the keys; the cap is as it was then.
  public static func set(
    cap: PrivacyBudget, of name: DataSetName, home: PartnerHome, store: PartnerStore, passphrase: PassphraseSource, time: Int
  ) throws -> PartnerStatement? {
    let refusal = try store.setting(.refusedByCap).flatMap { CapRefusal($0) }
    guard let refusal, try store.dataSet(name)?.ledger.name == refusal.ledger,
      cap != refusal.cap, cap.epsilon >= refusal.cap.epsilon, cap.delta >= refusal.cap.delta, try !store.isPaused,
      try !store.hasLeft
    else {
      try DataImporting.set(cap: cap, of: name, in: store)
      return nil
    }
    let enrolment = try enrolment(of: store, home)
    let keys = try PartnerKeys.read(home, passphrase: passphrase)
    return try store.state(.resume, of: enrolment, key: keys.identity, time: time, dataSet: name, cap: cap)
  }

  /// Erases the shard and the keys; the ledgers stay, so that what was spent can be shown to anybody who asks.
  ///
  /// As far as a disk allows: rows are overwritten and the write-ahead log emptied, key files overwritten before they are
  /// removed. Copies that a file system, a disk's controller or a backup keeps are out of reach.
  public static func purge(home: PartnerHome, store: PartnerStore) throws {
    try store.eraseShard()
    for path in [home.identityKey, home.transportKey, home.certificate] { try HomeFile.erase(path) }
  }

  /// - Throws: `PartnerError` when the home has not enrolled.
  public static func enrolment(of store: PartnerStore, _ home: PartnerHome) throws -> Enrolment {
    guard let enrolment = try store.enrolment() else {
      if HomeFile.exists(home.certificate) {
        throw PartnerError(
          .missing,
          "the home \(home.path) has a certificate, but its database knows no enrolment: the database was replaced, or an enrolment was interrupted; restore a backup, or enrol again with the same token"
        )
      }
      throw PartnerError(
        .missing, "the home \(home.path) has not enrolled; do it with: tacit-client enroll --token @FILE --home \(home.path)")
    }
    return enrolment
  }

  /// Opens the keys as `run` would.
  ///
  /// - Throws: `PeerIdentityError` when a key file is missing, unsafe or does not open; `PartnerError` when it is another's.
  public static func checkKeys(home: PartnerHome, enrolment: Enrolment, passphrase: PassphraseSource) throws {
    let keys = try PartnerKeys.read(home, passphrase: passphrase)
    guard keys.identity.verificationKey == enrolment.identity else {
      throw PartnerError(.data, "\(home.identityKey) is not the identity that this home enrolled with; put the right file back")
    }
    _ = try home.readCertificate(for: keys.transport)
    _ = try home.readAuthority(of: enrolment)
  }

  /// The newest roster that this home has pinned, by what people compare on the phone; `nil` when there is none.
  public static func pinnedRoster(home: PartnerHome, store: PartnerStore) throws -> (version: UInt64, fingerprint: String)? {
    let enrolment = try enrolment(of: store, home)
    return try store.newestRoster().map {
      let roster = try PinnedRoster.read($0, enrolment: enrolment, known: true)
      return (roster.version, roster.fingerprint.text)
    }
  }

  /// The fingerprint of the newest roster that this home has pinned; `nil` when there is none.
  public static func rosterFingerprint(home: PartnerHome, store: PartnerStore) throws -> String? {
    try pinnedRoster(home: home, store: store)?.fingerprint
  }

  /// - Throws: `PartnerError` when keys and data of the home are gone.
  public static func refusePurged(_ store: PartnerStore, _ home: PartnerHome) throws {
    guard try store.isPurged else { return }
    throw PartnerError(
      .usage, "the home \(home.path) was purged: its keys and data are gone, only the ledgers are left; enrol a new home")
  }

  private static func refuseAfterEnd(_ store: PartnerStore) throws {
    if try store.isPurged { throw PartnerError(.usage, "this home was purged: its keys are gone; enrol a new one") }
    if try store.hasLeft {
      throw PartnerError(.usage, "this partner has left the task; it can come back only by a new invitation")
    }
  }

  /// A plan that has begun goes on with the data set that it began with: peers hold this partner to the ledger that they saw, and
  /// would abort every attempt that shows another.
  private static func refuseChange(to record: DataSetRecord, of review: PlanReview, in store: PartnerStore) throws {
    guard let standing = try store.plan(review.hash)?.dataSet, standing != record.name,
      let session = SessionID(hex: review.plan.session), try store.highWaterMark(session: session) != nil
    else { return }
    throw PartnerError(
      .usage,
      "this plan was accepted with the data set '\(standing)' and has begun; it cannot go on with '\(record.name)': accept the next plan with it"
    )
  }

  /// The named data set, or the only one that fits the plan.
  private static func chosen(_ name: DataSetName?, for plan: TrainingPlan, in store: PartnerStore) throws -> DataSetRecord {
    let all = try store.dataSets()
    if let name {
      guard let record = all.first(where: { $0.name == name }) else {
        throw PartnerError(
          .missing, "there is no data set '\(name)' (there are: \(all.map(\.name.text).joined(separator: ", ")))")
      }
      guard !record.isRemoved else {
        throw PartnerError(
          .usage, "the data set '\(name)' was removed; import it again under a new name (its users stay on their ledger)")
      }
      guard record.catalogue == plan.catalogue.hash else {
        throw PartnerError(
          .data,
          "the data set '\(name)' was imported for another catalogue than this plan's; import it again under a new name (its users stay on the ledger '\(record.ledger.name)')"
        )
      }
      return record
    }
    let fitting = all.filter { $0.catalogue == plan.catalogue.hash && !$0.isRemoved }
    guard let only = fitting.first else {
      throw PartnerError(
        .missing, "no data are imported for this plan's catalogue yet; do it with: tacit-client data import FILE")
    }
    guard fitting.count == 1 else {
      throw PartnerError(
        .usage, "say which data set takes part with --data: \(fitting.map(\.name.text).joined(separator: ", "))")
    }
    return only
  }
}
