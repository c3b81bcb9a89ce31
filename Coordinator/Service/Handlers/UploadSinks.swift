internal import CryptoPrimitives
internal import Dispatch
internal import Synchronization
internal import Transport

/// A short message on its way in: kept in memory, for its one call.
final class MemorySink: UploadSink {
  private let header: UploadHeader
  private let participant: UInt32
  private let host: RoundHost
  private let monitor: RoundMonitor
  private let bytes = Mutex<[UInt8]>([])

  init(header: UploadHeader, participant: UInt32, host: RoundHost, monitor: RoundMonitor) {
    self.header = header
    self.participant = participant
    self.host = host
    self.monitor = monitor
    monitor.uploads(1)
  }

  deinit { monitor.uploads(-1) }

  var offset: UInt64 { bytes.withLock { UInt64($0.count) } }

  func read(at offset: UInt64, count: Int) -> [UInt8] { bytes.withLock { Array($0[Int(offset)..<Int(offset) + count]) } }

  func write(_ chunk: [UInt8], at offset: UInt64) throws(TransportRefusal) {
    let expected = bytes.withLock { bytes -> UInt64? in
      guard UInt64(bytes.count) == offset, offset + UInt64(chunk.count) <= header.size else { return UInt64(bytes.count) }
      bytes += chunk
      return nil
    }
    if let expected { throw .badOffset(expected: expected) }
    monitor.count(bytesUp: chunk.count)
  }

  func finish() async throws(TransportRefusal) -> UploadPhase {
    try await host.submit(
      ReceivedMessage(
        participant: participant, key: header.key, digest: header.sha256, content: .bytes(bytes.withLock { $0 })))
  }

  func discard() { bytes.withLock { $0 = [] } }

  func suspend() {}
}

/// A masked input on its way into the spool.
final class FileSink: UploadSink {
  private let upload: SpooledUpload
  private let header: UploadHeader
  private let participant: UInt32
  private let host: RoundHost
  private let spool: UploadSpool
  private let monitor: RoundMonitor
  private static let queue = DispatchQueue(label: "tacit.spool", attributes: .concurrent)

  init(
    upload: SpooledUpload, header: UploadHeader, participant: UInt32, host: RoundHost, spool: UploadSpool,
    monitor: RoundMonitor
  ) {
    self.upload = upload
    self.header = header
    self.participant = participant
    self.host = host
    self.spool = spool
    self.monitor = monitor
    monitor.uploads(1)
  }

  deinit { monitor.uploads(-1) }

  var offset: UInt64 { upload.offset }

  func read(at offset: UInt64, count: Int) throws(TransportRefusal) -> [UInt8] {
    do { return try upload.read(at: offset, count: count) } catch { throw TransportRefusal(error as? SpoolError) }
  }

  func write(_ bytes: [UInt8], at offset: UInt64) throws(TransportRefusal) {
    guard offset == upload.offset else { throw .badOffset(expected: upload.offset) }
    do { try upload.write(bytes, at: offset) } catch { throw TransportRefusal(error as? SpoolError) }
    monitor.count(bytesUp: bytes.count)
  }

  /// Synced before the engine hears of it: the journal refers to the file.
  func finish() async throws(TransportRefusal) -> UploadPhase {
    let upload = upload
    let failure: SpoolError? = await withCheckedContinuation { continuation in
      // Syncing blocks for long; the threads of calls are few.
      Self.queue.async {
        do {
          try upload.complete()
          continuation.resume(returning: nil)
        } catch { continuation.resume(returning: error as? SpoolError ?? .failed("\(error)")) }
      }
    }
    if let failure { throw TransportRefusal(failure) }
    do {
      return try await host.submit(
        ReceivedMessage(participant: participant, key: header.key, digest: header.sha256, content: .file(upload.name)))
    } catch { throw error }
  }

  func discard() { upload.discard() }

  func suspend() { upload.suspend() }
}
