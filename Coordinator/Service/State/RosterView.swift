public import PeerIdentity

/// Who is in a task, read without a private key.
public struct RosterView {
  public let roster: SignedRoster?
  public let partners: [PartnerRecord]
  public let invitations: [InvitationRecord]

  /// - Throws: `StateFolderError`, `TaskDatabaseError`, `PeerIdentityError`.
  public init(folder: StateFolder) throws {
    _ = try CoordinatorState.description(of: folder)
    let store = try CoordinatorStore(path: folder.database)
    roster = try store.newestRoster().map { try SignedRoster(decoding: $0.bytes) }
    partners = try store.partners()
    invitations = try store.invitations()
  }
}
