public import CryptoPrimitives
public import FederatedLearning
internal import Foundation
public import Recommender
internal import SecureAggregation

/// The newest released model of a plan as this partner holds it, with every link of the chain from its bytes to the pinned key
/// checked again.
public struct PartnerModel: Sendable {
  public let plan: TrainingPlan
  public let planHash: Digest
  public let release: ModelRelease
  public let model: ItemModel
  public let algorithm: any FederatedAlgorithm
  public let catalogue: Catalogue
  public let dataSet: DataSetName

  public var scorer: any Scorer { algorithm.scorer(model: model) }

  /// Reads the model of the plan that was accepted last.
  ///
  /// - Throws: `PartnerError` when there is none yet, or when a link does not hold.
  public init(_ store: PartnerStore, home: PartnerHome) throws {
    let enrolment = try Joining.enrolment(of: store, home)
    guard let stored = try store.newestAcceptedPlan(), let name = stored.dataSet else {
      throw PartnerError(.missing, "no plan was accepted yet; look at it with: tacit-client review")
    }
    let file = try Documents.checkedPlan(stored.bytes, stored.signature, enrolment, known: true)
    guard let session = SessionID(hex: file.plan.session), let (release, bytes) = try store.newestModel(session: session) else {
      throw PartnerError(
        .missing, "no model of '\(file.plan.task)' was released to this home yet; it comes with the rounds: tacit-client run")
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
    algorithm = try AlgorithmRegistry.make(
      plan.algorithm.name, plan.algorithm.parameters, itemCount: plan.catalogue.itemCount)
    if let fault = algorithm.fault(in: model) {
      throw PartnerError(.data, "the released model cannot be used: \(fault)")
    }
    catalogue = try Documents.catalogue(plan.catalogue, in: store)
    dataSet = name
  }

  /// A user's history in this partner's own shard.
  ///
  /// - Throws: `PartnerError` when the user is not there.
  public func history(of user: String, in store: PartnerStore) throws -> UserHistory {
    guard let found = try store.history(of: user, in: dataSet) else {
      let examples = try store.someUsers(of: dataSet).joined(separator: ", ")
      throw PartnerError(
        .data,
        "user '\(user)' is not in the data set '\(dataSet)'\(examples.isEmpty ? "" : " (such as \(examples))"); check the id")
    }
    return UserHistory(items: found.items[...], weights: found.weights[...])
  }
}
