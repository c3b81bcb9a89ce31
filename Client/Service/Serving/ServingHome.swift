internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import GRDB
public import Recommender
internal import SecureAggregation
public import Serving
internal import TaskDatabase

/// Which released model a home would serve: changes when another one has arrived.
public struct ModelMark: Sendable, Equatable {
  let plan: Digest
  let release: Digest
}

/// A partner's home as a server of recommendations sees it.
public struct ServingHome: Sendable {
  public let home: PartnerHome
  public let store: PartnerStore
  /// Whose users are served; that of the model's plan when `nil`.
  private let wanted: DataSetName?

  /// - Throws: `PartnerError` when the home has not enrolled or was purged.
  public init(_ home: PartnerHome, store: PartnerStore, dataSet: DataSetName? = nil) throws {
    _ = try Joining.enrolment(of: store, home)
    try Joining.refusePurged(store, home)
    self.home = home
    self.store = store
    wanted = dataSet
  }

  /// The newest model that is there, by what was signed; nothing is verified yet.
  ///
  /// - Returns: `nil` before the first release, and when the home was purged.
  public func newestMark() throws -> ModelMark? {
    guard try !store.isPurged else { return nil }
    for stored in try store.acceptedPlans() {
      guard let plan = try? PlanFile(bytes: stored.bytes).plan, let session = SessionID(hex: plan.session) else { continue }
      if let release = try store.newestModelRelease(session: session) {
        return ModelMark(plan: stored.hash, release: SHA256.hash(release))
      }
    }
    return nil
  }

  /// Why the users of a data set cannot be served any more, or `nil`.
  public func obstacle(serving name: DataSetName) throws -> String? {
    if try store.isPurged { return "this home was purged" }
    return try store.dataSet(name)?.isRemoved ?? true ? "the data set '\(name)' was removed" : nil
  }

  /// Reads and verifies the newest model, and prepares it for serving.
  ///
  /// - Parameters:
  ///   - attributes: what is known of items, by id.
  ///   - features: makes item features of a catalogue of which the first so many items are the plan's; then items of `attributes` that the plan's
  ///     catalogue does not have are listed as well (`PartnerModel.extended`).
  /// - Throws: `PartnerError` when there is no model, a link does not hold, or the data set's items are not the model's;
  ///   `ServingRuleError` for rules that cannot hold.
  public func load(
    rules: ServingRules, attributes: Catalogue? = nil, features: ((Catalogue, Int) throws -> ItemFeatures)? = nil
  ) throws -> (engine: RecommendationEngine, dataSet: DataSetName) {
    var model = try PartnerModel(store, home: home)
    let knownItemCount = model.catalogue.count
    let name = wanted ?? model.dataSet
    guard let record = try store.dataSet(name), !record.isRemoved else {
      let known = try store.dataSets().filter { !$0.isRemoved }.map(\.name.text).joined(separator: ", ")
      throw PartnerError(.missing, "there is no data set '\(name)' (there are: \(known.isEmpty ? "none" : known))")
    }
    guard record.catalogue == model.plan.catalogue.hash else {
      throw PartnerError(
        .data,
        "the data set '\(name)' was imported against another catalogue than that of the model's plan '\(model.plan.task)'; serve '\(model.dataSet)', or import the data again"
      )
    }
    if let attributes, let features { model = try model.extended(by: attributes, features: features) }
    let counts = (model.model.tensors["popularity"] ?? model.model.tensors["counts"])?.values
    let engine = try RecommendationEngine(
      model: RecommendationEngine.Model(
        algorithm: model.plan.algorithm.name, version: model.model.version, plan: model.planHash.hex),
      scorer: model.scorer, popularity: counts.flatMap { $0.count == model.catalogue.count ? $0 : nil },
      catalogue: model.catalogue, attributes: attributes.map { Self.columns(of: $0, for: model.catalogue) } ?? [:], rules: rules,
      knownItemCount: knownItemCount)
    return (engine, name)
  }

  /// The columns of a file of items, in the order of the catalogue; items that the file does not have are blank.
  static func columns(of file: Catalogue, for catalogue: Catalogue) -> [String: [String]] {
    let index = file.indexByID()
    let rows = catalogue.itemIDs.map { index[$0].map { Int($0) } }
    return file.attributes.mapValues { fields in rows.map { $0.map { fields[$0] } ?? "" } }
  }
}

extension PartnerStore {
  /// The signed bytes of the newest release of a session whose model is here.
  func newestModelRelease(session: SessionID) throws -> [UInt8]? {
    try database.read { database in
      try Data.fetchOne(
        database,
        sql: "SELECT bytes FROM release WHERE session = ? AND model IS NOT NULL ORDER BY round DESC LIMIT 1",
        arguments: [session.hex]
      ).map(Array.init)
    }
  }
}
