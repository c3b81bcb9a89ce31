internal import FederatedLearning
internal import Glibc
internal import Storage
internal import Testing

/// Files that somebody else put there: nothing is read but plain files of a size that they can have.
@Suite struct PlainFileTests {
  private func refuses(_ path: String, followsLinks: Bool = false, bytesMax: Int = 100, _ word: String) {
    let error = #expect(throws: StorageError.self) { try PlainFile.read(path, bytesMax: bytesMax, followsLinks: followsLinks) }
    #expect(error?.description.contains(word) == true, "\(error.map(\.description) ?? "no error")")
  }

  @Test func `a plain file is read up to its limit, through a link only where that is allowed`() throws {
    let folder = TemporaryFolder()
    Files.write([1, 2, 3], to: folder.file("a"))
    #expect(try PlainFile.read(folder.file("a"), bytesMax: 3, followsLinks: false) == [1, 2, 3])
    refuses(folder.file("a"), bytesMax: 2, "has 3 bytes, at most 2")
    #expect(symlink(folder.file("a"), folder.file("link")) == 0)
    #expect(try PlainFile.read(folder.file("link"), bytesMax: 3, followsLinks: true) == [1, 2, 3])
    refuses(folder.file("link"), "")
    #expect(PlainFile.isPlain(folder.file("a"), bytesMax: 3) && !PlainFile.isPlain(folder.file("a"), bytesMax: 2))
    #expect(!PlainFile.isPlain(folder.file("link"), bytesMax: 3) && !PlainFile.isPlain(folder.file("none"), bytesMax: 3))
  }

  @Test func `pipes, devices, folders and holes are refused at once, and no memory is taken for them`() throws {
    let folder = TemporaryFolder()
    #expect(mkfifo(folder.file("pipe"), 0o644) == 0)
    refuses(folder.file("pipe"), "no plain file")
    #expect(symlink("/dev/zero", folder.file("zero")) == 0)
    refuses(folder.file("zero"), followsLinks: true, "no plain file")
    refuses(folder.path, "no plain file")
    Files.write([], to: folder.file("hole"))
    #expect(truncate(folder.file("hole"), 1 << 40) == 0)
    refuses(folder.file("hole"), bytesMax: PlainFile.ledgerBytesMax, "bytes, at most")
    #expect(throws: StorageError.self) { try LedgerFile.open(at: folder.file("hole")) }
    #expect(throws: StorageError.self) { try LedgerFile.open(at: folder.file("pipe")) }
  }
}
