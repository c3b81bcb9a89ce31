/// How a certificate names a partner: the only subject alternative name, `tacit://TASK/partner/NUMBER`.
public struct PartnerIdentityURI: Hashable, Sendable, CustomStringConvertible {
  /// 32 lower-case hexadecimal digits (`TrustAnchor.taskID`).
  public let taskID: String
  public let participant: UInt32

  /// - Precondition: `taskID` is 32 lower-case hexadecimal digits.
  public init(taskID: String, participant: UInt32) {
    precondition(Self.isTaskID(taskID), "a task ID is 32 lower-case hexadecimal digits")
    self.taskID = taskID
    self.participant = participant
  }

  /// Reads the one spelling that `text` gives.
  ///
  /// - Throws: `PeerIdentityError` of kind `malformed`.
  public init(parsing text: String) throws {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 5, parts[0] == "tacit:", parts[1].isEmpty, Self.isTaskID(String(parts[2])), parts[3] == "partner",
      let participant = UInt32(parts[4]), String(participant) == parts[4]
    else {
      throw PeerIdentityError(
        .malformed, "\(PeerIdentityError.quoted(text)) is no partner's identity; expected tacit://TASK/partner/NUMBER")
    }
    self.init(taskID: String(parts[2]), participant: participant)
  }

  public var text: String { "tacit://\(taskID)/partner/\(participant)" }
  public var description: String { text }

  static func isTaskID(_ text: String) -> Bool {
    text.utf8.count == 32
      && text.utf8.allSatisfy { (48...57).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) }
  }
}
