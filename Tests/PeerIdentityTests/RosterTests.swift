import CryptoPrimitives
import PeerIdentity
import Testing

@Suite struct RosterTests {
  static let coordinator = key(1)
  static let task = "00112233445566778899aabbccddeeff"

  static func key(_ seed: UInt64) -> SigningKey {
    var random = KeyedRandomSource(insecureSeed: seed)
    return SigningKey(random: &random)
  }

  static func entry(
    _ participant: UInt32, _ name: String, key seed: UInt64, status: RosterEntry.Status = .active, enrolledAt: Int = 1_800_000_000
  ) throws -> RosterEntry {
    RosterEntry(
      participant: participant, name: try PartnerName(name), verificationKey: key(seed).verificationKey, status: status,
      enrolledAt: enrolledAt)
  }

  static func roster(_ entries: [RosterEntry]? = nil, version: UInt64 = 4, issued: Int = 1_800_000_100, task: String = task)
    throws
    -> SignedRoster
  {
    try SignedRoster.sign(
      taskID: task, entries: entries ?? [entry(2, "south", key: 12), entry(1, "north", key: 11, status: .revoked)],
      issued: issued, version: version, key: coordinator)
  }

  @Test func `a roster is the same through its bytes, sorted by participant, and signed by its coordinator`() throws {
    let roster = try Self.roster()
    #expect(roster.entries.map(\.participant) == [1, 2])
    #expect(try SignedRoster(decoding: roster.encoded()) == roster)
    #expect(roster.isSigned(by: Self.coordinator.verificationKey))
    #expect(!roster.isSigned(by: Self.key(2).verificationKey))
    #expect(roster.entry(of: 1)?.status == .revoked && roster.entry(of: 3) == nil)
    #expect(try Self.roster([]).entries.isEmpty)
  }

  @Test func `a roster that somebody changed anywhere is noticed`() throws {
    let bytes = try Self.roster().encoded()
    for position in bytes.indices {
      for bit in 0..<8 {
        var changed = bytes
        changed[position] ^= 1 << UInt8(bit)
        guard let roster = try? SignedRoster(decoding: changed) else { continue }
        #expect(!roster.isSigned(by: Self.coordinator.verificationKey), "byte \(position)")
      }
    }
    for count in bytes.indices { #expect(kind { _ = try SignedRoster(decoding: Array(bytes.prefix(count))) } == .corrupt) }
    #expect(kind { _ = try SignedRoster(decoding: bytes + [0]) } == .corrupt)
  }

  @Test func `a roster signed by somebody in the coordinator's place is not the pinned coordinator's`() throws {
    let forged = try SignedRoster.sign(
      taskID: Self.task, entries: Self.roster().entries, issued: 1_800_000_100, version: 4, key: Self.key(66))
    #expect(forged.isSigned(by: Self.key(66).verificationKey))
    #expect(!forged.isSigned(by: Self.coordinator.verificationKey))
    #expect(forged.fingerprint != (try Self.roster().fingerprint))
  }

  @Test func `no partner stands twice in a roster`() throws {
    let north = try Self.entry(1, "north", key: 11)
    for other in [
      try Self.entry(1, "south", key: 12), try Self.entry(2, "south", key: 11), try Self.entry(2, "north", key: 12),
      try Self.entry(2, "south", key: 12, enrolledAt: -1),
    ] { #expect(kind { _ = try Self.roster([north, other]) } == .malformed) }
    // Somebody who was revoked may be invited again under the same name, with a new key and number.
    let again = try Self.roster([Self.entry(1, "north", key: 11, status: .revoked), Self.entry(2, "north", key: 12)])
    #expect(again.entries.count == 2)
    #expect(kind { _ = try Self.roster(task: "x") } == .malformed)
  }

  @Test func `everything that partners should agree on changes the fingerprint`() throws {
    let entries = [try Self.entry(1, "north", key: 11)]
    let others = [
      try Self.roster(entries, version: 5), try Self.roster(entries, issued: 1), try Self.roster([]),
      try Self.roster(entries, task: "10112233445566778899aabbccddeeff"), try Self.roster([Self.entry(2, "north", key: 11)]),
      try Self.roster([Self.entry(1, "North", key: 11)]), try Self.roster([Self.entry(1, "north", key: 12)]),
      try Self.roster([Self.entry(1, "north", key: 11, status: .revoked)]),
    ]
    let fingerprints = Set(others.map(\.fingerprint) + [try Self.roster(entries).fingerprint])
    #expect(fingerprints.count == others.count + 1)
  }
}

@Suite struct ShortFingerprintTests {
  let fingerprint = ShortFingerprint(of: SHA256.hash(Array("tacit".utf8)))

  @Test func `a fingerprint is 24 characters in groups of four`() throws {
    let groups = fingerprint.text.split(separator: "-")
    #expect(groups.count == 6 && groups.allSatisfy { $0.count == 4 })
    #expect(fingerprint.text.allSatisfy { "0123456789ABCDEFGHJKMNPQRSTVWXYZ-".contains($0) })
    #expect(try ShortFingerprint(parsing: fingerprint.text) == fingerprint)
    #expect(ShortFingerprint(of: .zero) != ShortFingerprint(of: .zero, .zero))
  }

  @Test func `base 32 counts as Crockford does`() throws {
    // 120 bits: 23 zeros and a one is the number 1; 24 Z are all ones.
    #expect(try ShortFingerprint(parsing: "0000-0000-0000-0000-0000-0001").text == "0000-0000-0000-0000-0000-0001")
    #expect(try ShortFingerprint(parsing: String(repeating: "Z", count: 24)).text == "ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ")
    #expect(try ShortFingerprint(parsing: "0123456789ABCDEFGHJKMNPQ").text == "0123-4567-89AB-CDEF-GHJK-MNPQ")
  }

  @Test func `what is misheard or typed otherwise means the same`() throws {
    let plain = try ShortFingerprint(parsing: "0101-ABCD-0101-EFGH-0101-JKMN")
    for text in [
      "0101abcd0101efgh0101jkmn", "OIOL-abcd-oiol-efgh-0101-jkmn", " 0 1 0 1 abcd 0101 efgh 0101 jkmn ",
      "01-01ABC-D0101EFGH0101JKM-N",
    ] { #expect(try ShortFingerprint(parsing: text) == plain, "\(text)") }
    #expect(try ShortFingerprint(parsing: "0101-ABCD-0101-EFGH-0101-JKMP") != plain)
  }

  @Test(arguments: [
    "", "0101-ABCD-0101-EFGH-0101-JKM", "0101-ABCD-0101-EFGH-0101-JKMNP", "0101-ABCD-0101-EFGH-0101-JKMU",
    "0101-ABCD-0101-EFGH-0101-JKM\n", "٠101-ABCD-0101-EFGH-0101-JKMN",
  ])
  func `other text is no fingerprint`(text: String) { #expect(kind { _ = try ShortFingerprint(parsing: text) } == .malformed) }
}
