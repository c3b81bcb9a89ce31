import CryptoPrimitives
import Foundation
import PeerIdentity
import Testing

@Suite struct SealedFileTests {
  let folder = TemporaryFolder()
  let secret = Sample.secret("the secret itself, 0123456789")
  let passphrase = Sample.secret("correct horse")

  @Test func `a secret is read back with its passphrase, at the price that libsodium calls moderate`() throws {
    let path = folder.file("key")
    try SealedFile.write(secret, kind: "signing-key", to: path, passphrase: passphrase)
    #expect(try read().isEqual(to: secret))
    #expect(try SealedFile.isSealed(kind: "signing-key", path: path))
    let bytes = try folder.read("key")
    // Passes 3 and 256 MiB in KiB, after the line and the salt.
    let line = Array("tacit-secret-v1 signing-key sealed\n".utf8)
    #expect(bytes.starts(with: line))
    #expect(Array(bytes[(line.count + 16)..<(line.count + 24)]) == [0, 0, 0, 3, 0, 4, 0, 0])
    #expect(!String(decoding: bytes, as: UTF8.self).contains("secret itself"))
    #expect(mode("key") == 0o600)
  }

  @Test func `a secret without passphrase rests on permissions, and no passphrase is asked for`() throws {
    try SealedFile.write(secret, kind: "signing-key", to: folder.file("key"), passphrase: nil)
    let found = try SealedFile.read(kind: "signing-key", path: folder.file("key")) { throw Asked() }
    #expect(found.isEqual(to: secret))
    #expect(try !SealedFile.isSealed(kind: "signing-key", path: folder.file("key")))
    #expect(mode("key") == 0o600)
  }

  @Test func `the wrong passphrase opens nothing, an empty one seals nothing`() throws {
    try seal()
    for wrong in ["correct hors", "correct horse ", "Correct horse", "", "x"] {
      #expect(kind { _ = try read(passphrase: Sample.secret(wrong)) } == .wrongPassphrase)
    }
    #expect(
      kind { try SealedFile.write(secret, kind: "k", to: folder.file("other"), passphrase: Sample.secret("")) }
        == .passphraseNeeded)
    #expect(throws: Asked.self) { try SealedFile.read(kind: "signing-key", path: folder.file("key")) { throw Asked() } }
  }

  @Test func `sealing twice gives other bytes, and each opens`() throws {
    try seal()
    let first = try folder.read("key")
    try seal(replacing: true)
    #expect(try folder.read("key") != first)
    #expect(try read().isEqual(to: secret))
  }

  @Test(arguments: [true, false]) func `a flipped bit anywhere is noticed`(isSealed: Bool) throws {
    if isSealed { try seal() } else { try SealedFile.write(secret, kind: "signing-key", to: folder.file("key"), passphrase: nil) }
    let bytes = try folder.read("key")
    for position in bytes.indices {
      var changed = bytes
      changed[position] ^= 1
      try folder.write(changed, "key")
      let kind = kind { _ = try read() }
      #expect(kind == .corrupt || kind == .wrongPassphrase, "byte \(position)")
    }
    for count in bytes.indices {
      try folder.write(bytes.prefix(count), "key")
      let kind = kind { _ = try read() }
      #expect(kind == .corrupt || kind == .wrongPassphrase, "\(count) bytes")
    }
    try folder.write(bytes + [0], "key")
    #expect(throws: PeerIdentityError.self) { try read() }
    try folder.write(bytes, "key")
    #expect(try read().isEqual(to: secret))
  }

  @Test func `a file of one kind is no file of another, sealed or open`() throws {
    try seal()
    #expect(kind { _ = try SealedFile.read(kind: "tls-key", path: folder.file("key")) { passphrase } } == .corrupt)
    // The kind is authenticated: to relabel the file is to damage it.
    let bytes = try folder.read("key")
    let relabelled = Array("tacit-secret-v1 other-key sealed\n".utf8) + bytes.drop { $0 != 0x0A }.dropFirst()
    try folder.write(relabelled, "key")
    #expect(kind { _ = try SealedFile.read(kind: "other-key", path: folder.file("key")) { passphrase } } == .wrongPassphrase)
  }

  @Test func `a file that asks for absurd work is refused before the work is done`() throws {
    try seal()
    var bytes = try folder.read("key")
    let line = Array("tacit-secret-v1 signing-key sealed\n".utf8).count
    for (offset, value) in [(16, UInt8(0x7F)), (19, 0), (20, 0x7F), (23, 7)] {
      let before = bytes[line + offset]
      bytes[line + offset] = value
      try folder.write(bytes, "key")
      #expect(kind { _ = try SealedFile.read(kind: "signing-key", path: folder.file("key")) { throw Asked() } } == .corrupt)
      bytes[line + offset] = before
    }
  }

  @Test(arguments: [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666, 0o777] as [mode_t])
  func `a file that others can use is refused before it is read`(mode: mode_t) throws {
    try seal()
    chmod(folder.file("key"), mode)
    let error = #expect(throws: PeerIdentityError.self) { try read() }
    #expect(error?.kind == .unsafePermissions)
    #expect(error?.sentence.contains("0" + String(mode, radix: 8)) == true)
  }

  @Test func `a file of somebody else, a link, a folder and a missing file are refused`() throws {
    try seal()
    symlink(folder.file("key"), folder.file("link"))
    #expect(kind { _ = try SealedFile.read(kind: "signing-key", path: folder.file("link")) { passphrase } } == .corrupt)
    #expect(kind { _ = try SealedFile.read(kind: "signing-key", path: folder.path) { passphrase } } == .corrupt)
    #expect(kind { _ = try SealedFile.read(kind: "signing-key", path: folder.file("none")) { passphrase } } == .missing)
    try folder.write([UInt8](repeating: 0x41, count: 1 << 20), "large")
    #expect(kind { _ = try SealedFile.read(kind: "signing-key", path: folder.file("large")) { passphrase } } == .corrupt)
    guard geteuid() == 0, chown(folder.file("key"), 12345, 12345) == 0 else {
      print("SKIPPED: only root can give a file away")
      return
    }
    #expect(kind { _ = try read() } == .unsafePermissions)
  }

  @Test func `a secret is never overwritten unless asked, and nothing is left of a failed write`() throws {
    try seal()
    let before = try folder.read("key")
    #expect(kind { try seal() } == .exists)
    symlink(folder.file("key"), folder.file("link"))
    #expect(
      kind { try SealedFile.write(secret, kind: "k", to: folder.file("link"), passphrase: nil) } == .exists)
    #expect(kind { try SealedFile.write(secret, kind: "k", to: folder.file("none/key"), passphrase: nil) } == .missing)
    #expect(try folder.read("key") == before)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["key", "link"])
    // Replacing a link replaces the link, not what it points to.
    try SealedFile.write(secret, kind: "k", to: folder.file("link"), passphrase: nil, replacing: true)
    #expect(try folder.read("key") == before)
    #expect(try SealedFile.read(kind: "k", path: folder.file("link")) { throw Asked() }.isEqual(to: secret))
  }

  private struct Asked: Error {}

  private func seal(replacing: Bool = false) throws {
    try SealedFile.write(
      secret, kind: "signing-key", to: folder.file("key"), passphrase: passphrase, replacing: replacing, cost: .least)
  }

  private func read(passphrase: SecretBytes? = nil) throws -> SecretBytes {
    try SealedFile.read(kind: "signing-key", path: folder.file("key")) { passphrase ?? self.passphrase }
  }

  private func mode(_ name: String) -> Int? {
    try? FileManager.default.attributesOfItem(atPath: folder.file(name))[.posixPermissions] as? Int
  }
}

@Suite struct PassphraseTests {
  let folder = TemporaryFolder()

  @Test(arguments: [
    ("correct horse\n", "correct horse"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n"), (" a b ", " a b "), ("a\r", "a\r"),
  ])
  func `a passphrase file is one line, whose end is passed over`(content: String, passphrase: String) throws {
    try folder.write(content.utf8, "phrase")
    #expect(Sample.text(try PassphraseSource.file(folder.file("phrase")).read()) == passphrase)
  }

  @Test func `no passphrase, an empty one and one that others can read are refused`() throws {
    #expect(kind { _ = try PassphraseSource.none.read() } == .passphraseNeeded)
    for content in ["", "\n", "\r\n"] {
      try folder.write(content.utf8, "phrase")
      #expect(kind { _ = try PassphraseSource.file(folder.file("phrase")).read() } == .passphraseNeeded)
    }
    try folder.write([UInt8](repeating: 0x61, count: 1025), "phrase")
    #expect(kind { _ = try PassphraseSource.file(folder.file("phrase")).read() } == .passphraseNeeded)
    try folder.write("secret\n".utf8, "phrase")
    // What a service manager's folder may allow, another folder may not.
    chmod(folder.file("phrase"), 0o440)
    #expect(kind { _ = try PassphraseSource.file(folder.file("phrase")).read() } == .unsafePermissions)
    #expect(kind { _ = try PassphraseSource.file(folder.file("none")).read() } == .missing)
  }
}
