import PeerIdentity
import Testing

@Suite struct NameTests {
  @Test(arguments: ["a", "Z9", "north-shop.eu_2", String(repeating: "x", count: 64)])
  func `a name of plain characters is taken as it is`(text: String) throws {
    #expect(try PartnerName(text).text == text)
  }

  @Test(arguments: [
    "", " ", "a b", "-a", ".a", "_a", "ä", "a/b", "a\n", "a\u{0}", "a\u{301}", "١", String(repeating: "x", count: 65),
  ])
  func `a name that a shell, a path or a terminal could take for something else is refused`(text: String) {
    #expect(kind { _ = try PartnerName(text) } == .malformed)
  }

  @Test func `a refusal shows no control characters of what it refuses`() {
    let error = #expect(throws: PeerIdentityError.self) { try PartnerName("a\u{1B}[31m\u{7}\"") }
    #expect(error?.sentence.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F } == true)
    #expect(error?.sentence.contains("a?[31m??") == true)
  }

  @Test(arguments: [
    ("localhost:0", "localhost:0"), ("Coordinator.Example.ORG:7443", "coordinator.example.org:7443"),
    ("192.0.2.1:65535", "192.0.2.1:65535"), ("[2001:DB8:0:0::1]:443", "[2001:db8::1]:443"), ("[::1]:1", "[::1]:1"),
    ("a-b.c1:80", "a-b.c1:80"), ("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80"),
  ])
  func `an address has one text, and reads it back`(text: String, canonical: String) throws {
    let address = try HostPort(parsing: text)
    #expect(address.description == canonical)
    #expect(try HostPort(parsing: canonical) == address)
  }

  @Test(arguments: [
    "", ":", ":80", "host", "host:", "host:65536", "host:080", "host:+1", "host:-1", "host: 1", "host:1 ", "host:1:2", "::1:80",
    "[::1]", "[::1]80", "[::1:80", "[127.0.0.1]:80", "[host]:80", "[fe80::1%eth0]:80", "127.1:80", "1.2.3:80", "256.1.1.1:80",
    "a..b:80", "-a:80", "a-:80", "a_b:80", "a.:80", "hö.st:80", "a b:80", "host\u{0}:80", "http://host:80", "0x7f.1:1٣",
    String(repeating: "a", count: 64) + ":80", String(repeating: "a.", count: 127) + "b:80",
  ])
  func `what is no address of a host and a port is refused`(text: String) {
    #expect(kind { _ = try HostPort(parsing: text) } == .malformed)
  }

  @Test func `only addresses that cannot leave the machine are loopback`() throws {
    for text in ["127.0.0.1:1", "127.255.3.4:1", "[::1]:1"] { #expect(try HostPort(parsing: text).isLoopback, "\(text)") }
    for text in [
      "localhost:1", "128.0.0.1:1", "0.0.0.0:1", "[::]:1", "[::2]:1", "[1::1]:1", "[::ffff:127.0.0.1]:1", "127.example:1",
    ] {
      #expect(try !HostPort(parsing: text).isLoopback, "\(text)")
    }
  }

  @Test func `an identity has one spelling`() throws {
    let task = "00112233445566778899aabbccddeeff"
    let identity = PartnerIdentityURI(taskID: task, participant: 4_294_967_295)
    #expect(identity.text == "tacit://\(task)/partner/4294967295")
    #expect(try PartnerIdentityURI(parsing: identity.text) == identity)
    for text in [
      "", "tacit://\(task)/partner/", "tacit://\(task)/partner/01", "tacit://\(task)/partner/+1", "tacit://\(task)/partner/1/",
      "tacit://\(task)/partner/4294967296", "tacit://\(task)/partner/-1", "tacit://\(task)/Partner/1",
      "TACIT://\(task)/partner/1",
      "tacit://\(task.uppercased())/partner/1", "tacit://\(task.dropLast())/partner/1", "tacit://\(task)0/partner/1",
      "tacit:/\(task)/partner/1", "tacit://\(task)/partner/1?x", "tacit://\(task)/partner/ 1", "spiffe://\(task)/partner/1",
    ] { #expect(kind { _ = try PartnerIdentityURI(parsing: text) } == .malformed, "\(text)") }
  }
}

@Suite struct Base64Tests {
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
  ])
  func `the values of RFC 4648 section 10`(plain: String, encoded: String) {
    #expect(Base64.encode(Array(plain.utf8), .standard) == Array(encoded.utf8))
    #expect(Base64.decode(Array(encoded.utf8), .standard) == Array(plain.utf8))
    let unpadded = encoded.utf8.filter { $0 != UInt8(ascii: "=") }
    #expect(Base64.encode(Array(plain.utf8), .url) == unpadded)
    #expect(Base64.decode(unpadded, .url) == Array(plain.utf8))
  }

  @Test func `the two alphabets differ in two digits, and neither reads the other's`() {
    let bytes: [UInt8] = [0xFB, 0xFF, 0xFE]
    #expect(Base64.encode(bytes, .standard) == Array("+//+".utf8))
    #expect(Base64.encode(bytes, .url) == Array("-__-".utf8))
    #expect(Base64.decode(Array("+//+".utf8), .url) == nil)
    #expect(Base64.decode(Array("-__-".utf8), .standard) == nil)
  }

  @Test(arguments: ["Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9", "Zm9=", "Z=g=", "====", "Zm9v\n", "Zm9v ", "Zg==Zg=="])
  func `another spelling of the same bytes is refused`(text: String) {
    #expect(Base64.decode(Array(text.utf8), .standard) == nil)
  }

  @Test(arguments: ["Z", "Zh", "Zm9=", "Zg==", "Zm9vY"])
  func `another spelling without padding is refused`(text: String) { #expect(Base64.decode(Array(text.utf8), .url) == nil) }
}
