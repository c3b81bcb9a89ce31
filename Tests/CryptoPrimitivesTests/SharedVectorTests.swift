import CryptoPrimitives
import Testing

/// Vectors of other implementations, read where the developers' folder is present.
@Suite(.enabled(if: SharedVectors.arePresent, "the shared test vectors are absent"))
struct SharedVectorTests {
  @Test("X25519 agrees with Wycheproof, and an all-zero secret is refused")
  func x25519() throws {
    let file = try Wycheproof.load("x25519")
    var count = 0
    for test in file.testGroups.flatMap(\.tests) {
      let key = X25519.SecretKey(scalar: try secret(test.private))
      let peer: X25519.PublicKey = try value(test.public)
      let isZero = try bytes(test.shared).allSatisfy { $0 == 0 }
      if isZero {
        #expect(key.sharedSecret(with: peer) == nil, "test \(test.tcId)")
        #expect(peer.isSmallOrder, "test \(test.tcId)")
      } else {
        #expect(key.sharedSecret(with: peer)?.hex == test.shared, "test \(test.tcId)")
        #expect(!peer.isSmallOrder, "test \(test.tcId)")
      }
      count += 1
    }
    #expect(count == file.numberOfTests && count > 500)
  }

  @Test("Ed25519 accepts and refuses what Wycheproof says")
  func ed25519() throws {
    let file = try Wycheproof.load("ed25519")
    var count = 0
    for group in file.testGroups {
      let key: VerificationKey = try value(group.publicKey?.pk)
      for test in group.tests {
        let message = try bytes(test.msg)
        let accepted = Signature(hex: test.sig ?? "").map { key.verifies($0, of: message) }
        #expect((accepted ?? false) == (test.result == "valid"), "test \(test.tcId)")
        count += 1
      }
    }
    #expect(count == file.numberOfTests && count > 140)
  }

  @Test("XChaCha20-Poly1305 seals and opens as Wycheproof says")
  func aead() throws {
    let file = try Wycheproof.load("xchacha20_poly1305")
    var count = 0
    for group in file.testGroups where group.ivSize == 192 {
      for test in group.tests {
        let key = try secret(test.key)
        let nonce = try bytes(test.iv)
        let sealed = try bytes(test.ct) + bytes(test.tag)
        let opened = XChaCha20Poly1305.open(
          sealed, key: key, nonce: nonce, additionalData: try bytes(test.aad))
        if test.result == "valid" {
          #expect(opened?.hex == test.msg, "test \(test.tcId)")
          #expect(
            XChaCha20Poly1305.seal(
              try secret(test.msg), key: key, nonce: nonce, additionalData: try bytes(test.aad)) == sealed,
            "test \(test.tcId)")
        } else {
          #expect(opened == nil, "test \(test.tcId)")
        }
        count += 1
      }
    }
    #expect(count > 280)
  }

  @Test("HKDF-SHA256 agrees with Wycheproof and with the file of RFC 5869")
  func hkdf() throws {
    var count = 0
    for test in try Wycheproof.load("hkdf_sha256").testGroups.flatMap(\.tests) where test.result == "valid" {
      let derived = HKDF.derive(
        from: try secret(test.ikm), salt: try bytes(test.salt), info: try bytes(test.info),
        count: try #require(test.size))
      #expect(derived.hex == test.okm, "test \(test.tcId)")
      count += 1
    }
    #expect(count > 80)
    for record in try SharedVectors.records("rfc/KDF_rfc-5869-HKDF-SHA256.txt") {
      let derived = HKDF.derive(
        from: try secret(record["IKM"]), salt: try bytes(record["salt"] ?? ""),
        info: try bytes(record["info"] ?? ""),
        count: try #require(Int(record["L"] ?? "")))
      #expect(derived.hex == record["OKM"])
    }
  }

  @Test("Ed25519 signs as the first 128 lines of the reference implementation's file")
  func ed25519Signing() throws {
    var count = 0
    for line in try SharedVectors.lines("rfc/Ed25519_sign.input.first128") where !line.isEmpty {
      let fields = line.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      let key = SigningKey(seed: try secret(String(fields[0].prefix(64))))
      let message = try bytes(fields[2])
      #expect(key.verificationKey.hex == fields[1])
      #expect(key.sign(message).hex + fields[2] == fields[3])
      count += 1
    }
    #expect(count == 128)
  }

  @Test("X25519 agrees with the file of RFC 7748")
  func x25519File() throws {
    let records = try SharedVectors.records("rfc/X25519_rfc7748.txt").filter { $0["ITERATIONS_COUNT"] == nil }
    #expect(!records.isEmpty)
    for record in records.prefix(2) {
      let key = X25519.SecretKey(scalar: try secret(record["INPUT_SCALAR"]))
      let peer: X25519.PublicKey = try value(record["INPUT_U"])
      #expect(key.sharedSecret(with: peer)?.hex == record["OUTPUT_U"])
    }
  }
}
