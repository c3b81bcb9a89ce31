import CryptoPrimitives
import Foundation
import PeerIdentity
import Testing

@Suite struct EnrolmentTokenTests {
  let now = Sample.now
  let token: EnrolmentToken

  init() throws {
    var random = KeyedRandomSource(insecureSeed: 11)
    token = try EnrolmentToken(
      name: Sample.name("south-shop"), trainingAddress: HostPort(parsing: "coordinator.example.org:7443"),
      enrolmentAddress: HostPort(parsing: "[2001:db8::1]:7444"), caFingerprint: Sample.authority.fingerprint,
      expires: Sample.now.addingTimeInterval(3600.5), random: &random)
  }

  @Test func `a token says the same to whom it was given`() throws {
    let read = try EnrolmentToken(parsing: token.text, now: now)
    #expect(read.name == token.name)
    #expect(read.trainingAddress == token.trainingAddress)
    #expect(read.enrolmentAddress == token.enrolmentAddress)
    #expect(read.caFingerprint == token.caFingerprint)
    #expect(read.secret.isEqual(to: token.secret))
    #expect(read.expires == now.addingTimeInterval(3600))
    #expect(read.text == token.text)
    #expect(token.text.hasPrefix("tacit1."))
  }

  @Test func `white space that a mail program added does not matter`() throws {
    let broken = stride(from: 0, to: token.text.count, by: 40).map { start in
      String(token.text.dropFirst(start).prefix(40))
    }.joined(separator: "\r\n ")
    #expect(try EnrolmentToken(parsing: " \t" + broken + "\n", now: now).secret.isEqual(to: token.secret))
  }

  @Test func `a token that was cut off is refused at every length, and told so`() {
    for count in 0..<token.text.count {
      let error = #expect(throws: PeerIdentityError.self) {
        try EnrolmentToken(parsing: String(token.text.prefix(count)), now: now)
      }
      #expect(error?.kind == .token, "\(count) characters")
      // A digit that is missing in the middle of a group of four leaves bits over, which look like a wrong character.
      #expect(error?.sentence.contains("cut off") == true || error?.sentence.contains("wrong character") == true)
    }
  }

  @Test func `one changed character is refused at every place`() {
    let text = Array(token.text)
    for position in text.indices {
      for other in "A9-_.=zÄ" where other != text[position] {
        var changed = text
        changed[position] = other
        #expect(kind { _ = try EnrolmentToken(parsing: String(changed), now: now) } == .token, "\(other) at \(position)")
      }
      var missing = text
      missing.remove(at: position)
      #expect(kind { _ = try EnrolmentToken(parsing: String(missing), now: now) } == .token, "none at \(position)")
      var twice = text
      twice.insert(text[position], at: position)
      #expect(kind { _ = try EnrolmentToken(parsing: String(twice), now: now) } == .token, "twice at \(position)")
    }
  }

  @Test func `a token that is over is refused with its time`() throws {
    #expect(try EnrolmentToken(parsing: token.text, now: token.expires).name == token.name)
    let error = #expect(throws: PeerIdentityError.self) {
      try EnrolmentToken(parsing: token.text, now: token.expires.addingTimeInterval(1))
    }
    #expect(error?.kind == .expired)
    #expect(error?.sentence.contains("south-shop") == true)
  }

  @Test(arguments: ["", "hello", "tacit2.AAAA", "TACIT1.AAAA", "tacit1.AQ", "ghp_0123456789"])
  func `other text is no token`(text: String) { #expect(kind { _ = try EnrolmentToken(parsing: text, now: now) } == .token) }

  @Test func `a token that nobody could dial is not made`() throws {
    var random = KeyedRandomSource(insecureSeed: 1)
    let address = try HostPort(parsing: "a:1")
    for (training, enrolment) in [("a:0", "a:1"), ("a:1", "a:0")] {
      #expect(
        kind {
          _ = try EnrolmentToken(
            name: Sample.name(), trainingAddress: HostPort(parsing: training), enrolmentAddress: HostPort(parsing: enrolment),
            caFingerprint: .zero, expires: now, random: &random)
        } == .malformed)
    }
    #expect(address.port == 1)
  }

  @Test func `the coordinator's hash depends on the whole secret and is labelled`() {
    let hash = EnrolmentToken.secretHash(token.secret)
    for position in 0..<EnrolmentToken.secretCount {
      var bytes = token.secret.withUnsafeBytes { Array($0) }
      bytes[position] ^= 1
      #expect(EnrolmentToken.secretHash(SecretBytes(copying: bytes)) != hash)
    }
    #expect(token.secret.withUnsafeBytes { SHA256.hash($0) } != hash)
  }

  @Test func `nothing that prints, dumps or reflects shows a secret`() {
    let secrets = [
      token.secret.withUnsafeBytes { Hexadecimal.encode($0) }, String(token.text.dropFirst(90).prefix(12)),
      String(Sample.text(Sample.key.pem).dropFirst(80).prefix(12)),
      String(Sample.text(Sample.authority.keyPEM).dropFirst(80).prefix(12)),
    ]
    var shown = ""
    for value in [token, Sample.key, Sample.authority, token.secret] as [Any] {
      shown += "\(value) \(String(reflecting: value)) \(Mirror(reflecting: value).children.map { "\($0)" })"
      dump(value, to: &shown)
    }
    #expect(shown.contains("EnrolmentToken for south-shop") && shown.contains("TLSKey"))
    for secret in secrets { #expect(!shown.contains(secret)) }
    let bytes = token.secret.withUnsafeBytes { "\(Array($0.prefix(4)))" }.dropFirst().dropLast()
    #expect(!shown.contains(bytes))
  }
}
