public import CryptoPrimitives
public import FederatedLearning
internal import Foundation
internal import PeerIdentity
public import Recommender
internal import SecureAggregation
internal import Transport

/// The coordinator's documents on their way into a home: what does not fit what was pinned is never kept.
public enum Documents {
  /// Largest documents that are fetched, bytes.
  static let planBytesMax: UInt64 = 64 << 20
  static let catalogueBytesMax: UInt64 = 512 << 20
  static let rosterBytesMax: UInt64 = 16 << 20

  /// Fetches roster, plan, its signature and its catalogue, checks them, and keeps them.
  ///
  /// - Parameter end: how the plan ended, in the coordinator's words, where it says so.
  /// - Returns: the plan's hash.
  /// - Throws: `PartnerError` of kind `untrusted` for a forged, older or contradicting document, of kind `missing` for a plan that is
  ///   over and not of the pinned key; `TransportFailure`.
  @discardableResult
  public static func fetch(
    from connection: any CoordinatorConnection, into store: PartnerStore, enrolment: Enrolment, time: Int, end: String? = nil
  ) async throws -> Digest {
    try await fetchRoster(from: connection, into: store, enrolment: enrolment, time: time)
    let bytes = try await connection.download("plan", limit: planBytesMax)
    let signatureBytes = try await connection.download("plan-signature", limit: 64)
    guard let signature = Signature(bytes: signatureBytes) else {
      throw PartnerError(.untrusted, "the plan's signature has \(signatureBytes.count) bytes, expected 64")
    }
    if let end, !PlanSignature.verifies(signature, of: bytes, by: enrolment.coordinatorKey) {
      throw PartnerError(
        .missing,
        "the coordinator's last plan is over (\(end)), and another key has signed it than the one that this home has pinned (as when the key was rotated since): nobody can join it; wait for a new plan"
      )
    }
    let file = try checkedPlan(bytes, signature, enrolment)
    let hash = SHA256.hash(bytes)
    if let other = try store.plans().first(where: { (try? PlanFile(bytes: $0.bytes).plan.session) == file.plan.session }),
      other.hash != hash
    {
      throw PartnerError(
        .untrusted,
        "the coordinator shows a second plan (\(hash.hex.prefix(16))…) under the session of plan \(other.hash.hex.prefix(16))…; a session has one plan: do not go on"
      )
    }
    let reference = file.plan.catalogue
    let (hasItems, hasFeatures) = (
      try store.catalogue(reference.hash) != nil, try reference.features.map { try store.catalogue($0) != nil } ?? true
    )
    if !hasItems || !hasFeatures {
      let document = try await connection.download("catalogue", limit: catalogueBytesMax)
      try check(catalogue: document, against: reference)
      let features = try checkedFeatures(in: document, against: reference)
      // A catalogue that other plans and data sets name already stays as it is.
      if !hasItems { try store.record(catalogue: document, hash: reference.hash) }
      if !hasFeatures, let hash = reference.features, let features {
        try store.record(catalogue: features.canonicalBytes, hash: hash)
      }
    }
    try store.record(plan: file, signature: signature, time: time)
    try store.noteCurrent(hash)
    return hash
  }

  /// Fetches the roster and pins it when it is newer.
  static func fetchRoster(
    from connection: any CoordinatorConnection, into store: PartnerStore, enrolment: Enrolment, time: Int
  ) async throws {
    let bytes = try await connection.download("roster", limit: rosterBytesMax)
    let roster = try PinnedRoster.read(bytes, enrolment: enrolment)
    if let known = try store.newestRoster() {
      let pinned = try PinnedRoster.read(known, enrolment: enrolment, known: true)
      guard roster.version >= pinned.version else {
        throw PartnerError(
          .untrusted,
          "the coordinator shows version \(roster.version) of the roster, but this home has seen version \(pinned.version): somebody went back to an older one"
        )
      }
      guard roster.version > pinned.version || bytes == known else {
        throw PartnerError(
          .untrusted, "the coordinator signed two rosters of version \(roster.version); ask its people on another channel")
      }
    }
    try store.record(roster: bytes, version: roster.version, time: time)
  }

  /// A plan that the pinned coordinator signed.
  ///
  /// - Parameter known: the plan is in this home already, and may be of an earlier key of the coordinator.
  static func checkedPlan(
    _ bytes: [UInt8], _ signature: Signature, _ enrolment: Enrolment, known: Bool = false
  ) throws -> PlanFile {
    let isOfEarlierKey = isOfEarlierKey(bytes, signature, enrolment)
    guard PlanSignature.verifies(signature, of: bytes, by: enrolment.coordinatorKey) || (known && isOfEarlierKey) else {
      if isOfEarlierKey {
        throw PartnerError(
          .untrusted,
          "the plan is signed by an earlier key of the coordinator, so that nobody can join it now; wait for a new plan")
      }
      throw PartnerError(
        .untrusted,
        "the plan is not signed by the coordinator's key that this home pinned when it enrolled; do not join it, and ask the coordinator's people on another channel"
      )
    }
    do { return try PlanFile(bytes: bytes) } catch {
      throw PartnerError(.untrusted, "the signed plan does not hold together: \(error)")
    }
  }

  /// Whether a key that signed before the pinned one has signed this plan.
  static func isOfEarlierKey(_ bytes: [UInt8], _ signature: Signature, _ enrolment: Enrolment) -> Bool {
    enrolment.earlierKeys.contains { PlanSignature.verifies(signature, of: bytes, by: $0) }
  }

  private static func check(catalogue bytes: [UInt8], against reference: CatalogueReference) throws {
    let (catalogue, canonical): (Catalogue, [UInt8])
    do { (catalogue, canonical) = try CatalogueDocument.decode(bytes) } catch {
      throw PartnerError(.untrusted, "the coordinator sent a catalogue that cannot be read: \(error)")
    }
    guard SHA256.hash(canonical).hex == reference.hash, catalogue.count == reference.itemCount else {
      throw PartnerError(
        .untrusted,
        "the coordinator's catalogue has \(catalogue.count) items and hash \(SHA256.hash(canonical).hex.prefix(16))…, the plan names \(reference.itemCount) items and \(reference.hash.prefix(16))…"
      )
    }
  }

  /// What a document says of the items, where the plan names it by its hash.
  private static func checkedFeatures(in document: [UInt8], against reference: CatalogueReference) throws -> ItemFeatures? {
    guard reference.features != nil else { return nil }
    do {
      let features = try CatalogueDocument.features(of: document)
      try reference.check(features)
      return features
    } catch { throw PartnerError(.untrusted, "the coordinator's item features are not the plan's: \(error)") }
  }

  /// The item features of a plan; `nil` where it names none.
  ///
  /// - Throws: `PartnerError` when they are not here, or were changed.
  public static func features(_ reference: CatalogueReference, in store: PartnerStore) throws -> ItemFeatures? {
    guard let hash = reference.features else { return nil }
    guard let bytes = try store.catalogue(hash) else {
      throw PartnerError(.missing, "this home has no item features of the plan yet; fetch them with: tacit-client review")
    }
    do {
      let features = try ItemFeatures(canonicalBytes: bytes)
      try reference.check(features)
      return features
    } catch { throw PartnerError(.data, "the item features in this home are not the plan's: \(error)") }
  }

  /// The catalogue of a plan, with titles where the coordinator gave some.
  public static func catalogue(_ reference: CatalogueReference, in store: PartnerStore) throws -> Catalogue {
    guard let bytes = try store.catalogue(reference.hash) else {
      throw PartnerError(.missing, "this home has no catalogue of the plan yet; fetch it with: tacit-client review")
    }
    return try CatalogueDocument.decode(bytes).catalogue
  }
}
