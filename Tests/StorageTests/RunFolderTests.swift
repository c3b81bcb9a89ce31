internal import FederatedLearning
internal import Glibc
internal import Storage
internal import Testing

@Suite struct RunFolderTests {
  @Test func `a run has its name only when it is whole`() throws {
    let folder = TemporaryFolder()
    var run = try RunFolder.create(at: folder.file("runs/first"))
    #expect(TemporaryFolder.names(in: folder.file("runs")) == ["first.partial"])
    try run.write(Array("{}".utf8), to: run.plan)
    let ledger = try Sample.create(at: run.coordinatorLedger)
    #expect(throws: StorageError.self) { try RunFolder.open(at: folder.file("runs/first")) }
    try run.finish()
    #expect(run.isFinished)
    #expect(TemporaryFolder.names(in: folder.file("runs")) == ["first"])
    // The open ledger goes with its folder.
    try ledger.note("after the end", time: 0)
    #expect(Files.read(folder.file("runs/first/plan.json")) == Array("{}".utf8))
    let opened = try RunFolder.open(at: folder.file("runs/first/"))
    #expect(opened == run)
    #expect(try opened.read(opened.plan) == Array("{}".utf8))
  }

  @Test func `a run that exists, whole or interrupted, is not run over`() throws {
    let folder = TemporaryFolder()
    let path = folder.file("r")
    let partial = try RunFolder.create(at: path)
    try partial.interrupt(reason: "stopped by the user after release 3 of 9")
    let again = #expect(throws: StorageError.self) { try RunFolder.create(at: path) }
    #expect(again?.kind == .exists)
    #expect(again?.sentence.contains("interrupted") == true)
    let found = try RunFolder.open(at: path + ".partial")
    #expect(!found.isFinished)
    #expect(String(decoding: try found.read(found.interruption), as: UTF8.self).contains("release 3 of 9"))

    var other = try RunFolder.create(at: folder.file("other"))
    try other.finish()
    let whole = #expect(throws: StorageError.self) { try RunFolder.create(at: folder.file("other")) }
    #expect(whole?.kind == .exists)
    // Two runs of one name at once: the folder of the second is refused when it is made, not when it ends.
    var late = try RunFolder.create(at: folder.file("late"))
    mkdir(folder.file("late"), 0o755)
    Files.write([1], to: folder.file("late/other"))
    #expect(throws: StorageError.self) { try late.finish() }
    #expect(Files.read(folder.file("late/other")) == [1])
  }

  @Test func `a file is written whole or not at all`() throws {
    let folder = TemporaryFolder()
    let run = try RunFolder.create(at: folder.file("r"))
    try run.write([1, 2, 3], to: run.reportHTML)
    try run.write([4], to: run.reportHTML)
    #expect(try run.read(run.reportHTML) == [4])
    // A folder stands where the file should be: the draft is gone again.
    mkdir(run.reportJSON, 0o755)
    Files.write([1], to: run.reportJSON + "/x")
    #expect(throws: StorageError.self) { try run.write([5], to: run.reportJSON) }
    #expect(!TemporaryFolder.names(in: run.currentPath).contains { $0.hasSuffix(".new") })
  }

  @Test func `no partner's name leaves the folder, and no two meet in one file`() throws {
    let folder = TemporaryFolder()
    let run = try RunFolder.create(at: folder.file("r"))
    let names = ["a", "A", "../a", "a/b", "a%2Fb", "ä", "", ".", "a b", "United Kingdom"]
    let files = names.map { run.partnerLedger($0) }
    #expect(Set(files).count == names.count)
    for file in files { #expect(file.dropFirst(run.ledgers.count + 1).contains("/") == false) }
    #expect(run.partnerLedger("United Kingdom").hasSuffix("/ledgers/partner-United%20Kingdom.ledger"))
  }

  @Test func `a place where nothing can be written is named`() {
    let error = #expect(throws: StorageError.self) { try RunFolder.create(at: "/proc/nowhere/run") }
    #expect(error?.sentence.contains("/proc/nowhere") == true)
  }
}
