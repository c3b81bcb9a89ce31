import CryptoPrimitives
import Testing

/// Values printed in the standards themselves.
@Suite struct PublishedValueTests {
  @Test(
    "X25519 gives the values of RFC 7748 section 5.2",
    arguments: [
      (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
      ),
      (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"
      ),
    ])
  func x25519(scalar: String, point: String, product: String) throws {
    let key = X25519.SecretKey(scalar: try secret(scalar))
    let shared = try #require(key.sharedSecret(with: try value(point)))
    #expect(shared.hex == product)
  }

  @Test("Both ends of an X25519 agreement hold the same secret, and a small-order key is refused")
  func x25519Agreement() throws {
    var random = KeyedRandomSource(insecureSeed: 5)
    let one = X25519.SecretKey(scalar: SecretBytes(count: 32, random: &random))
    let two = X25519.SecretKey(scalar: SecretBytes(count: 32, random: &random))
    let shared = try #require(one.sharedSecret(with: two.publicKey))
    #expect(shared.isEqual(to: try #require(two.sharedSecret(with: one.publicKey))))
    #expect(!one.publicKey.isSmallOrder)
    for weak in ["00", "01"] {
      let point: X25519.PublicKey = try value(weak + String(repeating: "0", count: 62))
      #expect(one.sharedSecret(with: point) == nil)
      #expect(point.isSmallOrder)
    }
  }

  @Test(
    "Ed25519 gives the keys and signatures of RFC 8032 section 7.1, tests 1 to 3",
    arguments: [
      (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
      ),
      (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
      ),
      (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
      ),
    ])
  func ed25519(seed: String, point: String, message: String, signature: String) throws {
    let key = SigningKey(seed: try secret(seed))
    let message = try bytes(message)
    #expect(key.verificationKey.hex == point)
    #expect(key.sign(message).hex == signature)
    #expect(key.verificationKey.verifies(key.sign(message), of: message))
    #expect(!key.verificationKey.verifies(key.sign(message), of: message + [0]))
    #expect(key.withUnsafeSeed { Hexadecimal.encode($0) } == seed)
  }

  @Test("HKDF-SHA256 gives the values of RFC 5869 appendix A, tests 1 and 3")
  func hkdf() throws {
    let secret = SecretBytes(copying: [UInt8](repeating: 0x0b, count: 22))
    let first = HKDF.derive(
      from: secret, salt: try bytes("000102030405060708090a0b0c"), info: try bytes("f0f1f2f3f4f5f6f7f8f9"),
      count: 42)
    #expect(
      first.hex == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    let third = HKDF.derive(from: secret, info: [], count: 42)
    #expect(
      third.hex == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
  }

  @Test("The ChaCha20 keystream is RFC 8439's (appendix A.1, tests 1 and 2), by libcrypto and by libsodium")
  func chaCha20() throws {
    let key = SecretBytes(count: 32) { _ in }
    let expected =
      "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
      + "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
    #expect(Hexadecimal.encode(Keystream(suite: .chaCha20, key: key).next(128)) == expected)
    #expect(Hexadecimal.encode(sodiumChaCha20Keystream(key: key, count: 128)) == expected)
    #expect(
      Hexadecimal.encode(Keystream(suite: .chaCha20, key: key, byteOffset: 64).next(64))
        == expected.suffix(128))
  }

  @Test("The AES-256-CTR keystream under a zero IV is FIPS 197's cipher on the counter")
  func aes256CTR() throws {
    // Block 0 is AES-256 of the zero block, a value of the NIST KAT (GFSbox, key zero gives dc95c078...).
    let zero = SecretBytes(count: 32) { _ in }
    #expect(
      Hexadecimal.encode(Keystream(suite: .aes256CTR, key: zero).next(16))
        == "dc95c078a2408989ad48a21492842087")
  }

  @Test(
    "A keystream read in pieces, from an offset or by two libraries is one stream",
    arguments: KeystreamSuite.allCases)
  func keystreamPieces(suite: KeystreamSuite) {
    var random = KeyedRandomSource(insecureSeed: 9)
    let key = SecretBytes(count: 32, random: &random)
    let whole = Keystream(suite: suite, key: key).next(5000)
    let pieces = Keystream(suite: suite, key: key)
    #expect(pieces.next(1) + pieces.next(100) + pieces.next(4899) == whole)
    for offset in [64, 1024, 4032] {
      #expect(
        Keystream(suite: suite, key: key, byteOffset: offset).next(300) == Array(whole[offset..<offset + 300])
      )
    }
    if suite == .chaCha20 { #expect(sodiumChaCha20Keystream(key: key, count: 5000) == whole) }
  }

  @Test(
    "The keystream counts on over 2^32 bytes as over any other offset", arguments: KeystreamSuite.allCases)
  func keystreamFarOffset(suite: KeystreamSuite) {
    let key = SecretBytes(copying: [UInt8](0..<32))
    let far = Keystream(suite: suite, key: key, byteOffset: (1 << 32) - 64)
    let beyond = Keystream(suite: suite, key: key, byteOffset: 1 << 32)
    _ = far.next(64)
    #expect(far.next(64) == beyond.next(64))
  }

  @Test("SHA-256 gives FIPS 180-4's values, whole and in pieces")
  func sha256() {
    #expect(SHA256.hash([]).hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(
      SHA256.hash(Array("abc".utf8)).hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    var hasher = SHA256Hasher()
    hasher.update(Array("a".utf8))
    hasher.update([])
    hasher.update(SecretBytes(copying: Array("bc".utf8)))
    #expect(hasher.next() == SHA256.hash(Array("abc".utf8)))
    #expect(hasher.next() == SHA256.hash([UInt8]()))
    hasher.update(UInt8(ascii: "a"))
    hasher.update(Array("bc".utf8))
    #expect(hasher.finalize() == SHA256.hash(Array("abc".utf8)))
  }

  @Test("BLAKE2b-256 gives the known value for abc and changes with its key")
  func blake2b() {
    let message = Array("abc".utf8)
    #expect(
      BLAKE2b.hash(message).hex == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")
    #expect(BLAKE2b.hash(message, key: [UInt8](0..<32)) != BLAKE2b.hash(message))
  }

  @Test("Argon2id agrees with OpenSSL's and depends on every input")
  func argon2id() throws {
    let passphrase = SecretBytes(copying: Array("correct horse".utf8))
    let salt = [UInt8](0..<16)
    // Python's cryptography 48 (OpenSSL): Argon2id(salt, length 32, iterations 2, lanes 1, memory_cost 64).
    let known = try Argon2id.derive(from: passphrase, salt: salt, passes: 2, memoryBytes: 1 << 16)
    #expect(known.hex == "9c87c06898bc18516669b54a8b95d36e622946494d7a55c26f391a0406068c19")
    let key = try Argon2id.derive(from: passphrase, salt: salt, passes: 1, memoryBytes: 1 << 16)
    #expect(
      key.isEqual(to: try Argon2id.derive(from: passphrase, salt: salt, passes: 1, memoryBytes: 1 << 16)))
    #expect(
      !key.isEqual(to: try Argon2id.derive(from: passphrase, salt: salt, passes: 2, memoryBytes: 1 << 16)))
    #expect(
      !key.isEqual(
        to: try Argon2id.derive(from: passphrase, salt: salt.reversed(), passes: 1, memoryBytes: 1 << 16)))
  }

  @Test("Sealed bytes open with the same key, nonce and additional data only")
  func aead() throws {
    var random = KeyedRandomSource(insecureSeed: 6)
    let key = SecretBytes(count: 32, random: &random)
    let nonce = random.bytes(24)
    let plaintext = SecretBytes(count: 144, random: &random)
    let sealed = XChaCha20Poly1305.seal(plaintext, key: key, nonce: nonce, additionalData: [1])
    #expect(sealed.count == 160)
    let opened = XChaCha20Poly1305.open(sealed, key: key, nonce: nonce, additionalData: [1])
    #expect(try #require(opened).isEqual(to: plaintext))
    #expect(XChaCha20Poly1305.open(sealed, key: key, nonce: nonce, additionalData: [2]) == nil)
    #expect(XChaCha20Poly1305.open(sealed, key: plaintext.prefix32, nonce: nonce, additionalData: [1]) == nil)
    #expect(
      XChaCha20Poly1305.open([UInt8](sealed.dropLast()), key: key, nonce: nonce, additionalData: [1]) == nil)
    #expect(XChaCha20Poly1305.open([1, 2, 3], key: key, nonce: nonce, additionalData: [1]) == nil)
    for index in stride(from: 0, to: 160, by: 13) {
      var changed = sealed
      changed[index] ^= 1
      #expect(XChaCha20Poly1305.open(changed, key: key, nonce: nonce, additionalData: [1]) == nil)
    }
  }
}

extension SecretBytes {
  fileprivate var prefix32: SecretBytes { withUnsafeBytes { SecretBytes(copying: $0.prefix(32)) } }
}
