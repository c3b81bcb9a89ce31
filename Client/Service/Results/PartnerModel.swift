public import CryptoPrimitives
public import FederatedLearning
internal import Foundation
public import Recommender
internal import SecureAggregation

/// The newest released model as this partner holds it, with every link of the chain from its bytes to the pinned key
/// checked again.
public struct PartnerModel: Sendable {
  public let plan: TrainingPlan
  public let planHash: Digest
  public let release: ModelRelease
  public internal(set) var model: ItemModel
  public internal(set) var algorithm: any FederatedAlgorithm
  /// The plan's items, and behind them those that came later (`extended`).
  public internal(set) var catalogue: Catalogue
  /// What the plan says of its items, for algorithms that learn from it.
  var features: ItemFeatures?
  public let dataSet: DataSetName
  /// Plans that were accepted later and have released no model to this home yet, newest first.
  public let laterPlans: [String]

  /// Which plan the model is of, and which later one it does not come from yet.
  public var origin: String {
    let own = "the model is of plan '\(plan.task)' (\(planHash.hex.prefix(16))…)"
    guard let newest = laterPlans.first else { return own }
    return "\(own); '\(newest)', which was accepted later, has released none to this home yet"
  }

  public var scorer: any Scorer { algorithm.scorer(model: model) }

  /// Reads the model of the plan that was accepted last among those that have released one: a new plan does not take the
  /// working model away.
  ///
  /// - Parameter hash: another plan's model.
  /// - Throws: `PartnerError` when there is none yet, when the home was purged, or when a link does not hold.
  public init(_ store: PartnerStore, home: PartnerHome, plan hash: Digest? = nil) throws {
    let enrolment = try Joining.enrolment(of: store, home)
    try Joining.refusePurged(store, home)
    let accepted = try store.acceptedPlans().filter { hash == nil || $0.hash == hash }
    guard !accepted.isEmpty else {
      throw PartnerError(
        .missing,
        hash == nil
          ? "no plan was accepted yet; look at it with: tacit-client review"
          : "this plan was not accepted, so that it has no model here")
    }
    var later: [String] = []
    var found:
      (stored: StoredPlan, dataSet: DataSetName, file: PlanFile, session: SessionID, release: ModelRelease, model: [UInt8])?
    for stored in accepted {
      let file = try Documents.checkedPlan(stored.bytes, stored.signature, enrolment, known: true)
      if let session = SessionID(hex: file.plan.session), let name = stored.dataSet,
        let (release, bytes) = try store.newestModel(session: session)
      {
        found = (stored, name, file, session, release, bytes)
        break
      }
      later.append(file.plan.task)
    }
    guard let (stored, name, file, session, release, bytes) = found else {
      throw PartnerError(
        .missing,
        "no model of \(later.map { "'\($0)'" }.joined(separator: " or ")) was released to this home yet; it comes with the rounds: tacit-client run"
      )
    }
    guard let key = VerificationKey(hex: file.plan.coordinatorKey), enrolment.knows(key), release.isSigned(by: key),
      release.planHash == stored.hash, release.session == session,
      SHA256.hash(bytes) == release.modelHash
    else {
      throw PartnerError(
        .untrusted, "the model in this home is not the one that the coordinator signed; the database was changed or damaged")
    }
    plan = file.plan
    planHash = stored.hash
    self.release = release
    model = try ModelBytes.decode(bytes)
    features = try Documents.features(plan.catalogue, in: store)
    algorithm = try plan.makeAlgorithm(features: features)
    if let fault = algorithm.fault(in: model) {
      throw PartnerError(.data, "the released model cannot be used: \(fault)")
    }
    catalogue = try Documents.catalogue(plan.catalogue, in: store)
    dataSet = name
    laterPlans = later
  }

  /// A user's history in this partner's own shard.
  ///
  /// - Throws: `PartnerError` when the user is not there.
  public func history(of user: String, in store: PartnerStore) throws -> UserHistory {
    guard let found = try store.history(of: user, in: dataSet) else {
      throw PartnerError(
        .data, "user '\(user)' is not in the data set '\(dataSet)'; check the id, as it was written in the imported file")
    }
    return UserHistory(items: found.items[...], weights: found.weights[...])
  }
}
