internal import CSystemZlib
internal import Glibc

/// Writes text to a new file, compressed when its name ends in `.gz`.
///
/// The gzip header carries no name and no time, so equal content gives equal bytes.
package final class TextWriter {
  private let path: String
  private var descriptor: Int32
  private var stream: UnsafeMutablePointer<z_stream>?
  private var buffer: [UInt8] = []
  private var output = [UInt8](repeating: 0, count: TextWriter.chunkSize)

  private static let chunkSize = 1 << 17

  /// - Parameters:
  ///   - level: effort of compression, 1 (fast) to 9 (small).
  /// - Throws: `DataImportError` when the file cannot be made.
  package init(path: String, level: Int32 = 6) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw writingError(path) }
    buffer.reserveCapacity(Self.chunkSize + 4_096)
    guard path.hasSuffix(".gz") else { return }
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 15 bits of window, 16 for the gzip wrapper, memory level 8 (the default).
    let status = deflateInit2_(
      stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib could not be initialised: \(status)")
    self.stream = stream
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if let stream {
      deflateEnd(stream)
      stream.deinitialize(count: 1)
      stream.deallocate()
    }
  }

  package func write(_ text: String) throws {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= Self.chunkSize { try flush(isLast: false) }
  }

  package func write(_ bytes: some Collection<UInt8>) throws {
    buffer.append(contentsOf: bytes)
    if buffer.count >= Self.chunkSize { try flush(isLast: false) }
  }

  /// Writes what is left and syncs the file to disk.
  ///
  /// - Throws: `DataImportError`, for instance when the disk is full.
  package func finish() throws {
    try flush(isLast: true)
    guard fsync(descriptor) == 0 else { throw writingError(path) }
    let status = close(descriptor)
    descriptor = -1
    guard status == 0 else { throw writingError(path) }
  }

  private func flush(isLast: Bool) throws {
    defer { buffer.removeAll(keepingCapacity: true) }
    guard let stream else {
      try buffer.withUnsafeBytes { try writeAll($0) }
      return
    }
    try buffer.withUnsafeMutableBufferPointer { input in
      try output.withUnsafeMutableBufferPointer { output in
        stream.pointee.next_in = input.baseAddress
        stream.pointee.avail_in = UInt32(input.count)
        while true {
          stream.pointee.next_out = output.baseAddress
          stream.pointee.avail_out = UInt32(output.count)
          let status = deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
          precondition(status != Z_STREAM_ERROR, "zlib has lost its state")
          let count = output.count - Int(stream.pointee.avail_out)
          try writeAll(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(output)[..<count]))
          if isLast ? status == Z_STREAM_END : stream.pointee.avail_out > 0 { return }
        }
      }
    }
  }

  private func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while let address = rest.baseAddress, !rest.isEmpty {
      let count = Glibc.write(descriptor, address, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw writingError(path) }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }
}

/// What the system said when a path could not be written.
func writingError(_ path: String) -> DataImportError {
  let code = errno
  let advice =
    switch code {
    case ENOSPC, EDQUOT: "free some space and run it again"
    case EACCES, EPERM, EROFS: "choose a folder that you may write to"
    case ENOENT, ENOTDIR: "make the folder above it first"
    default: "check the path and the disk"
    }
  return DataImportError(
    file: path, found: "'\(String(cString: strerror(code)))' while writing",
    expected: "a path that can be written",
    advice: advice)
}
