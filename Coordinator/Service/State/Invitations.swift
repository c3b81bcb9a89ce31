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
    anchor = try CoordinatorState.anchor(of: folder)
    store = try CoordinatorStore(path: folder.database)
  }

  /// An invitation for a new partner, or, when a partner of this name has enrolled, for a new certificate of that one.
  ///
  /// - Returns: the token's text, which nothing keeps, and what it is good for.
  /// - Throws: `StateFolderError` when a partner of this name was revoked.
  public func invite(_ name: PartnerName, expires: Date, now: Date = Date()) throws -> (token: String, kind: InvitationKind) {
    var random = SystemRandomSource()
    let token = try EnrolmentToken(
      name: name, trainingAddress: try HostPort(parsing: task.trainingAddress),
      enrolmentAddress: try HostPort(parsing: task.enrolmentAddress), caFingerprint: anchor.fingerprint, expires: expires,
      random: &random)
    guard
      let kind = try store.invite(
        name: name.text, secretHash: EnrolmentToken.secretHash(token.secret), expires: token.expires, now: now)
    else {
      throw StateFolderError(
        .exists, "the partner '\(name)' was revoked, and names are never used twice; choose another name")
    }
    return (token.text, kind)
  }
}
