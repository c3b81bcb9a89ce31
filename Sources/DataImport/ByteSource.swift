internal import CSystemZlib
internal import Glibc

/// The bytes of a file, piece by piece: plain, or gzip (recognised by its first bytes, not by its name).
///
/// Memory is two buffers whatever the size of the file. A gzip file may have several members, as `cat a.gz b.gz`
/// makes them; every member's checksum is verified.
final class ByteSource {
  private let path: String
  private let descriptor: Int32
  private let input = UnsafeMutablePointer<UInt8>.allocate(capacity: ByteSource.chunkSize)
  /// Bytes of `input` that plain files have yet to hand out.
  private var pending = 0..<0
  private var stream: UnsafeMutablePointer<z_stream>?
  private var memberIsOpen = false
  private var inputIsAtEnd = false

  static let chunkSize = 1 << 17

  /// - Throws: `DataImportError` when the file cannot be opened or read.
  init(path: String) throws {
    self.path = path
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.openingError(path) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
      throw DataImportError(
        file: path, found: "a folder", expected: "a file",
        advice: "name the file inside it, or give the folder where one is taken")
    }
    try refill()
    if pending.count >= 2, input[0] == 0x1F, input[1] == 0x8B { startInflating() }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    input.deallocate()
    if let stream {
      inflateEnd(stream)
      stream.deinitialize(count: 1)
      stream.deallocate()
    }
  }

  /// Overwrites the head of `buffer` with the next bytes.
  ///
  /// - Returns: how many; 0 at the end of the file only.
  /// - Throws: `DataImportError` when reading fails or the compressed data are broken or cut off.
  func read(into buffer: UnsafeMutableBufferPointer<UInt8>) throws -> Int {
    guard let target = buffer.baseAddress, !buffer.isEmpty else { return 0 }
    guard let stream else {
      if pending.isEmpty { try refill() }
      let count = min(pending.count, buffer.count)
      target.update(from: input + pending.lowerBound, count: count)
      pending = pending.lowerBound + count..<pending.upperBound
      return count
    }
    return try inflateNext(stream, into: buffer)
  }

  private func inflateNext(
    _ stream: UnsafeMutablePointer<z_stream>, into buffer: UnsafeMutableBufferPointer<UInt8>
  ) throws -> Int {
    stream.pointee.next_out = buffer.baseAddress
    stream.pointee.avail_out = UInt32(buffer.count)
    while stream.pointee.avail_out == UInt32(buffer.count) {
      if pending.isEmpty, !inputIsAtEnd { try refill() }
      if pending.isEmpty {
        guard !memberIsOpen else {
          throw DataImportError(
            file: path, found: "compressed data that stop in the middle", expected: "a whole gzip file",
            advice: "copy or download the file again")
        }
        return 0
      }
      if !memberIsOpen {
        // After the last member some tools pad with zeros; anything else must be a member.
        if input[pending.lowerBound] == 0 {
          pending = pending.lowerBound + 1..<pending.upperBound
          continue
        }
        inflateReset(stream)
        memberIsOpen = true
      }
      stream.pointee.next_in = input + pending.lowerBound
      stream.pointee.avail_in = UInt32(pending.count)
      let result = inflate(stream, Z_NO_FLUSH)
      pending = pending.upperBound - Int(stream.pointee.avail_in)..<pending.upperBound
      switch result {
      case Z_OK, Z_BUF_ERROR: break
      case Z_STREAM_END: memberIsOpen = false
      default:
        let reason = stream.pointee.msg.map { String(cString: $0) } ?? "code \(result)"
        throw DataImportError(
          file: path, found: "compressed data that cannot be read (\(reason))", expected: "a whole gzip file",
          advice: "copy or download the file again")
      }
    }
    return buffer.count - Int(stream.pointee.avail_out)
  }

  private func startInflating() {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 15 bits of window, 16 for the gzip wrapper.
    let status = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib could not be initialised: \(status)")
    memberIsOpen = true
    self.stream = stream
  }

  private func refill() throws {
    while true {
      let count = Glibc.read(descriptor, input, Self.chunkSize)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw DataImportError(
          file: path, found: "an error while reading (\(String(cString: strerror(errno))))",
          expected: "a readable file",
          advice: "check the disk and try again")
      }
      pending = 0..<count
      inputIsAtEnd = count == 0
      return
    }
  }

  private static func openingError(_ path: String) -> DataImportError {
    switch errno {
    case ENOENT:
      DataImportError(file: path, found: "no such file", expected: "a file", advice: "check the path")
    case EACCES:
      DataImportError(
        file: path, found: "a file that you may not read", expected: "a readable file",
        advice: "change its permissions")
    default:
      DataImportError(
        file: path, found: "a file that cannot be opened (\(String(cString: strerror(errno))))",
        expected: "a readable file", advice: "check the path")
    }
  }
}

/// What reading a file costs when nothing is made of it: the bytes, unpacked where they are packed, and where lines end.
package enum LineScan {
  /// - Returns: bytes of text and line feeds among them.
  /// - Throws: `DataImportError` when the file cannot be read.
  package static func run(path: String) throws -> (bytes: Int, lines: Int) {
    let source = try ByteSource(path: path)
    let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1 << 18)
    defer { buffer.deallocate() }
    var (bytes, lines) = (0, 0)
    while true {
      let count = try source.read(into: buffer)
      guard count > 0, let base = buffer.baseAddress else { return (bytes, lines) }
      bytes += count
      var position = 0
      while position < count, let hit = memchr(base + position, 10, count - position) {
        lines += 1
        position = UnsafeMutableRawPointer(base).distance(to: hit) + 1
      }
    }
  }
}
