internal import CryptoPrimitives
public import PeerIdentity

/// Who is in a task, read without a private key.
public struct RosterView {
  public let roster: SignedRoster?
  public let partners: [PartnerRecord]
  /// Numbers of partners that have left by their own word.
  public let left: Set<UInt32>
  public let invitations: [InvitationRecord]

  /// - Throws: `StateFolderError`, `TaskDatabaseError`, `PeerIdentityError`.
  public init(folder: StateFolder) throws {
    _ = try CoordinatorState.description(of: folder)
    let store = try CoordinatorStore(path: folder.database)
    roster = try store.newestRoster().map { try SignedRoster(decoding: $0.bytes) }
    partners = try store.partners()
    left = Set(try store.standings(plan: .zero).filter(\.value.hasLeft).keys)
    invitations = try store.invitations()
  }
}
