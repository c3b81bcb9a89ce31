internal import CryptoPrimitives
public import Foundation
public import PeerIdentity

/// Makes invitations; needs no private key.
public struct Invitations {
  private let task: TaskDescription
  private let anchor: TrustAnchor
  private let store: CoordinatorStore

  /// - Throws: `StateFolderError`, `PeerIdentityError`, `TaskDatabaseError`.
  public init(folder: StateFolder) throws {
    task = try CoordinatorState.description(of: folder)
    anchor = try TrustAnchor(pem: try CoordinatorState.text(folder.authority))
    store = try CoordinatorStore(path: folder.database)
  }

  /// - Returns: the token's text, which nothing keeps.
  /// - Throws: `StateFolderError` when a partner of this name is enrolled.
  public func invite(_ name: PartnerName, expires: Date, now: Date = Date()) throws -> String {
    var random = SystemRandomSource()
    let token = try EnrolmentToken(
      name: name, trainingAddress: try HostPort(parsing: task.trainingAddress),
      enrolmentAddress: try HostPort(parsing: task.enrolmentAddress), caFingerprint: anchor.fingerprint, expires: expires,
      random: &random)
    guard
      try store.invite(
        name: name.text, secretHash: EnrolmentToken.secretHash(token.secret), expires: token.expires, now: now)
    else {
      throw StateFolderError(
        .exists, "a partner '\(name)' has enrolled already, and names are never used twice; choose another name")
    }
    return token.text
  }
}
