internal import CryptoPrimitives
internal import FederatedLearning
internal import Glibc
internal import Storage
internal import Synchronization
internal import Testing

@Suite struct LedgerFileTests {
  @Test func `a ledger is written, closed, verified and continued`() throws {
    let folder = TemporaryFolder()
    let path = folder.file("a.ledger")
    do {
      let ledger = try Sample.create(at: path)
      try ledger.charge(try Sample.request(0))
    }
    let (ledger, recovery) = try PrivacyLedger.open(at: path, key: Sample.key)
    #expect(recovery == nil)
    try ledger.charge(try Sample.request(1))
    let verification = LedgerVerifier(key: Sample.key.verificationKey).verify(try #require(Files.read(path)))
    #expect(verification.isSound)
    #expect(verification.state?.charges.count == 2)
    #expect(verification.state?.head == ledger.head)
    #expect(folder.names == ["a.ledger"])
  }

  @Test func `a charge is on disk when the call returns`() throws {
    let folder = TemporaryFolder()
    let ledger = try Sample.create(at: folder.file("a.ledger"))
    for round in 0..<3 {
      try ledger.charge(try Sample.request(round))
      #expect(LedgerReader(try #require(Files.read(folder.file("a.ledger")))).records.count == round + 2)
    }
  }

  @Test func `killed at any byte of the last record, the ledger is the one before or the one after`() throws {
    let folder = TemporaryFolder()
    let path = folder.file("a.ledger")
    let (before, after) = try { () -> ([UInt8], [UInt8]) in
      let ledger = try Sample.create(at: path)
      try ledger.charge(try Sample.request(0))
      let before = try #require(Files.read(path))
      try ledger.charge(try Sample.request(1))
      return (before, try #require(Files.read(path)))
    }()
    for length in before.count...after.count {
      Files.write(Array(after[..<length]), to: path)
      do {
        let (ledger, recovery) = try PrivacyLedger.open(at: path, key: Sample.key)
        let content = try #require(Files.read(path))
        #expect(content == before || content == after, "cut at \(length)")
        // Only the line feed may be missing for the record to count.
        #expect((content == after) == (length >= after.count - 1), "cut at \(length)")
        #expect((recovery == nil) == (length == before.count || length == after.count), "cut at \(length)")
        // Every sync of this sweep costs milliseconds, so that not every recovered ledger is continued.
        if length % 25 == 0 { try ledger.charge(try Sample.request(2)) }
      }
      if length % 25 == 0 { #expect(LedgerVerifier().verify(try #require(Files.read(path))).isSound) }
    }
  }

  @Test func `a second writer is refused, and may write when the first is gone`() throws {
    let folder = TemporaryFolder()
    let path = folder.file("a.ledger")
    do {
      let ledger = try Sample.create(at: path)
      let error = #expect(throws: StorageError.self) { try LedgerFile.open(at: path) }
      #expect(error?.kind == .locked)
      try ledger.note("the first goes on", time: 0)
    }
    let (ledger, _) = try PrivacyLedger.open(at: path, key: Sample.key)
    #expect(ledger.state.notes.count == 1)
  }

  @Test func `a ledger is never started over another, nor continued when it is damaged or missing`() throws {
    let folder = TemporaryFolder()
    let path = folder.file("a.ledger")
    do { try Sample.create(at: path).charge(try Sample.request(0)) }
    let bytes = try #require(Files.read(path))
    #expect(throws: StorageError.self) { try Sample.create(at: path) }
    #expect(Files.read(path) == bytes)

    var damaged = bytes
    damaged[bytes.count - 300] ^= 4
    Files.write(damaged, to: path)
    #expect(throws: LedgerError.self) { try PrivacyLedger.open(at: path, key: Sample.key) }
    #expect(Files.read(path) == damaged)
    // Not even a header: a crash cannot do this, since the file appears whole; so nothing is cut off.
    Files.write(Array(bytes.prefix(50)), to: path)
    #expect(throws: LedgerError.self) { try PrivacyLedger.open(at: path, key: Sample.key) }
    #expect(Files.read(path)?.count == 50)

    let error = #expect(throws: StorageError.self) {
      try PrivacyLedger.open(at: folder.file("none.ledger"), key: Sample.key)
    }
    #expect(error?.kind == .missing)
  }

  /// A disk that stops in the middle of a line, or loses its syncs.
  final class FaultyDisk: Sendable {
    enum Fault: Sendable {
      case none
      case fullAfter(Int)
      case syncFails, fullAndStuck
    }
    let fault = Mutex(Fault.none)
    struct Failure: Error {}

    var calls: LedgerFile.Disk {
      var disk = LedgerFile.Disk.system
      disk.write = { [self] file, bytes in
        switch fault.withLock({ $0 }) {
        case .none, .syncFails: try file.write(bytes)
        case .fullAfter(let count):
          try file.write(Array(bytes.prefix(count)))
          throw Failure()
        case .fullAndStuck:
          try file.write(Array(bytes.prefix(9)))
          throw Failure()
        }
      }
      disk.synchronize = { [self] file in
        if case .syncFails = fault.withLock({ $0 }) { throw Failure() }
        try file.synchronize()
      }
      disk.truncate = { [self] file, size in
        if case .fullAndStuck = fault.withLock({ $0 }) { throw Failure() }
        try file.truncate(to: size)
      }
      return disk
    }
  }

  func faulty(_ folder: TemporaryFolder) throws -> (PrivacyLedger, FaultyDisk, String) {
    let disk = FaultyDisk()
    let path = folder.file("a.ledger")
    let header = try PrivacyLedger.headerLine(
      kind: .partner, holder: "bakery", dataset: "orders", created: 0, key: Sample.key)
    let file = try LedgerFile.create(at: path, header: header, disk: disk.calls)
    return (try PrivacyLedger(content: header, journal: file, key: Sample.key), disk, path)
  }

  @Test(arguments: [0, 1, 100, 600]) func `a write that stops half-way leaves nothing, and the next one fits`(
    count: Int
  ) throws {
    let folder = TemporaryFolder()
    let (ledger, disk, path) = try faulty(folder)
    try ledger.charge(try Sample.request(0))
    let before = Files.read(path)
    disk.fault.withLock { $0 = .fullAfter(count) }
    #expect(throws: FaultyDisk.Failure.self) { try ledger.charge(try Sample.request(1)) }
    #expect(Files.read(path) == before)
    #expect(ledger.state.charges.count == 1)
    disk.fault.withLock { $0 = .none }
    try ledger.charge(try Sample.request(1))
    #expect(LedgerVerifier().verify(try #require(Files.read(path))).isSound)
  }

  @Test func `after a failed sync or a stuck end nothing more is written until the ledger is opened anew`()
    throws
  {
    for fault in [FaultyDisk.Fault.syncFails, .fullAndStuck] {
      let folder = TemporaryFolder()
      let path: String
      do {
        let (ledger, disk, file) = try faulty(folder)
        path = file
        try ledger.charge(try Sample.request(0))
        disk.fault.withLock { $0 = fault }
        #expect(throws: FaultyDisk.Failure.self) { try ledger.charge(try Sample.request(1)) }
        disk.fault.withLock { $0 = .none }
        let error = #expect(throws: StorageError.self) { try ledger.charge(try Sample.request(1)) }
        #expect(error?.kind == .broken)
      }
      let (ledger, _) = try PrivacyLedger.open(at: path, key: Sample.key)
      try ledger.charge(try Sample.request(1))
      #expect(LedgerVerifier().verify(try #require(Files.read(path))).isSound)
    }
  }

  @Test func `a header that does not fit leaves no file`() throws {
    let folder = TemporaryFolder()
    let disk = FaultyDisk()
    disk.fault.withLock { $0 = .fullAfter(20) }
    #expect(throws: FaultyDisk.Failure.self) {
      try LedgerFile.create(at: folder.file("a.ledger"), header: Array("{}\n".utf8), disk: disk.calls)
    }
    #expect(folder.names == [])
  }

  @Test func `a disk that is really full: an error that says so, a ledger that verifies, and room to go on`()
    throws
  {
    let folder = TemporaryFolder()
    let mountPoint = folder.file("small")
    mkdir(mountPoint, 0o755)
    guard geteuid() == 0, mount("tmpfs", mountPoint, "tmpfs", 0, "size=16k") == 0 else {
      print(
        "SKIPPED: no tmpfs can be mounted here (needs root), so that the full disk was played by a test double only"
      )
      return
    }
    defer { umount2(mountPoint, Int32(MNT_DETACH)) }
    let path = mountPoint + "/a.ledger"
    let ledger = try Sample.create(at: path)
    Files.write([UInt8](repeating: 0, count: 8192), to: mountPoint + "/ballast")
    var charged = 0
    var failure: (any Error)?
    while failure == nil && charged < 1000 {
      do {
        try ledger.charge(try Sample.request(charged))
        charged += 1
      } catch { failure = error }
    }
    #expect((failure as? StorageError)?.kind == .diskFull)
    let verification = LedgerVerifier().verify(try #require(Files.read(path)))
    #expect(verification.findings == [])
    #expect(verification.state?.charges.count == charged)
    #expect(charged > 0)

    unlink(mountPoint + "/ballast")
    try ledger.charge(try Sample.request(charged))
    #expect(LedgerVerifier().verify(try #require(Files.read(path))).findings == [])
  }
}
