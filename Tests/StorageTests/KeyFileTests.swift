internal import CryptoPrimitives
internal import Glibc
internal import Storage
internal import Testing

@Suite struct KeyFileTests {
  @Test func `a key is made for its owner alone, and read back`() throws {
    let folder = TemporaryFolder()
    var random = KeyedRandomSource(insecureSeed: 5)
    let key = try KeyFile.create(at: folder.file("id.key"), random: &random)
    #expect(try KeyFile.read(at: folder.file("id.key")).verificationKey == key.verificationKey)
    var status = stat()
    stat(folder.file("id.key"), &status)
    #expect(status.st_mode & 0o777 == 0o600)
  }

  @Test func `an identity is never overwritten`() throws {
    let folder = TemporaryFolder()
    try KeyFile.write(Sample.key, to: folder.file("id.key"))
    let before = Files.read(folder.file("id.key"))
    var random = SystemRandomSource()
    let error = #expect(throws: StorageError.self) {
      try KeyFile.create(at: folder.file("id.key"), random: &random)
    }
    #expect(error?.kind == .exists)
    #expect(Files.read(folder.file("id.key")) == before)
  }

  @Test(arguments: [0o640, 0o604, 0o644, 0o660, 0o666, 0o610, 0o601] as [mode_t])
  func `a key that others can use is refused before it is read`(mode: mode_t) throws {
    let folder = TemporaryFolder()
    try KeyFile.write(Sample.key, to: folder.file("id.key"))
    chmod(folder.file("id.key"), mode)
    let error = #expect(throws: StorageError.self) { try KeyFile.read(at: folder.file("id.key")) }
    #expect(error?.kind == .unsafePermissions)
    #expect(error?.sentence.contains("0" + String(mode, radix: 8)) == true)
  }

  @Test func `a key of somebody else is refused`() throws {
    let folder = TemporaryFolder()
    try KeyFile.write(Sample.key, to: folder.file("id.key"))
    guard geteuid() == 0, chown(folder.file("id.key"), 12345, 12345) == 0 else {
      print("SKIPPED: only root can give a file away")
      return
    }
    let error = #expect(throws: StorageError.self) { try KeyFile.read(at: folder.file("id.key")) }
    #expect(error?.kind == .unsafePermissions)
  }

  @Test func `links, folders and other content are no keys, and no secret stands in the error`() throws {
    let folder = TemporaryFolder()
    try KeyFile.write(Sample.key, to: folder.file("id.key"))
    symlink(folder.file("id.key"), folder.file("link.key"))
    #expect(throws: StorageError.self) { try KeyFile.read(at: folder.file("link.key")) }
    #expect(throws: StorageError.self) { try KeyFile.read(at: folder.path) }
    #expect(throws: StorageError.self) { try KeyFile.read(at: folder.file("none.key")) }
    let content = try #require(Files.read(folder.file("id.key")))
    for damaged in [
      [], Array(content.dropLast()), content + [0x0A], [UInt8](repeating: 0x41, count: content.count),
    ] {
      Files.write(damaged, to: folder.file("id.key"))
      let error = #expect(throws: StorageError.self) { try KeyFile.read(at: folder.file("id.key")) }
      #expect(error?.kind == .corrupt)
      #expect(error?.sentence.contains("0707") == false)
    }
  }

  @Test func `a key that cannot be written whole is not there, and nobody meets half of it`() async {
    await #expect(processExitsWith: .exitCode(7)) {
      // No file may grow beyond a few bytes, as on a disk that is full.
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 10, rlim_max: 10)
      guard setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { exit(6) }
      let folder = TemporaryFolder()
      let isRefused = (try? KeyFile.write(Sample.key, to: folder.file("id.key"))) == nil
      let isClean = folder.names.isEmpty
      exit(isRefused && isClean ? 7 : 8)
    }
  }

  @Test func `what a process left that was killed while it wrote is in nobody's way`() throws {
    let folder = TemporaryFolder()
    Files.write([1, 2, 3], to: folder.file("late.key.\(getpid()).new"))
    try KeyFile.write(Sample.key, to: folder.file("late.key"))
    #expect(try KeyFile.read(at: folder.file("late.key")).verificationKey == Sample.key.verificationKey)
    #expect(folder.names == ["late.key"])
  }
}
