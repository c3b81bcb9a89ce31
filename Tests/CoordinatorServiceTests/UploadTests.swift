import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import Operations
import SecureAggregation
import Testing
import Transport

@Suite struct UploadTests {
  private func refusal(_ body: () async throws -> Void) async -> TransportRefusal? {
    do {
      try await body()
      return nil
    } catch { return error as? TransportRefusal }
  }

  /// A task that awaits masked inputs, with the input of its last partner still in the test's hands.
  private func waitingTask(quota: UploadSpool.Quota? = nil) async throws -> (task: TestTask, key: UploadKey) {
    let task = try await TestTask()
    if let quota { try await task.restart(quota: quota) }
    task.partners[3].silentFrom = 5
    try await task.run()
    return (task, UploadKey(session: task.partners[3].session, round: 0, attempt: 0, kind: 5))
  }

  @Test func `an upload goes on where it stopped, in the next call and in the next process`() async throws {
    let (task, key) = try await waitingTask()
    let partner = task.partners[3]
    let bytes = try #require(partner.held)
    let header = UploadHeader(key: key, size: UInt64(bytes.count), sha256: SHA256.hash(bytes))
    guard case .receive(let sink) = try await task.handler.openUpload(header, from: partner.peer) else {
      Issue.record("the upload is wanted")
      return
    }
    try await sink.write(Array(bytes[..<20]), at: 0)
    #expect(await refusal { try await sink.write([1], at: 5) } == .badOffset(expected: 20))
    // The same message by a second call at the same time.
    #expect(await refusal { _ = try await task.handler.openUpload(header, from: partner.peer) } == .tooManyCalls(limit: 1))
    await sink.suspend()
    #expect(try await task.handler.uploadState(key, from: partner.peer) == .receiving(offset: 20))
    try await task.restart()
    try await task.host.tick()
    #expect(try await task.handler.uploadState(key, from: partner.peer) == .receiving(offset: 20))
    guard case .receive(let next) = try await task.handler.openUpload(header, from: partner.peer) else {
      Issue.record("the upload is wanted")
      return
    }
    #expect(await next.offset == 20)
    #expect(try await next.read(at: 0, count: 20) == Array(bytes[..<20]))
    try await next.write(Array(bytes[20...]), at: 20)
    #expect(try await next.finish() == .accepted)
    #expect(try await task.handler.uploadState(key, from: partner.peer) == .accepted)
    // Once more, as after a lost answer; and other bytes under the same key.
    #expect(try await partner.send(bytes, as: key, through: task.handler) == .accepted)
    #expect(await refusal { _ = try await partner.send(bytes + [0], as: key, through: task.handler) } == .conflict)
    try await task.restart()
    try await task.host.tick()
    #expect(try await task.handler.uploadState(key, from: partner.peer) == .accepted)
    partner.silentFrom = nil
    try await task.run()
    #expect(try task.state.store.releases(of: task.session).first?.partners == 4)
  }

  @Test func `other bytes than were begun under a key are refused`() async throws {
    let (task, key) = try await waitingTask()
    let partner = task.partners[3]
    let bytes = try #require(partner.held)
    let header = UploadHeader(key: key, size: UInt64(bytes.count), sha256: SHA256.hash(bytes))
    guard case .receive(let sink) = try await task.handler.openUpload(header, from: partner.peer) else { return }
    try await sink.write(Array(bytes[..<20]), at: 0)
    await sink.suspend()
    var other = bytes
    other[other.count - 1] ^= 1
    #expect(await refusal { _ = try await partner.send(other, as: key, through: task.handler) } == .conflict)
    // What turned out to have another digest is thrown away, and begun anew.
    guard case .receive(let again) = try await task.handler.openUpload(header, from: partner.peer) else { return }
    await again.discard()
    #expect(try await task.handler.uploadState(key, from: partner.peer) == .receiving(offset: 0))
  }

  @Test func `a full spool refuses clearly, and takes uploads again when there is room`() async throws {
    let (task, key) = try await waitingTask(quota: UploadSpool.Quota(perParticipant: 1 << 20, total: 1 << 20))
    let partner = task.partners[3]
    let bytes = try #require(partner.held)
    // Spoken for by an upload that was begun by somebody else.
    try await task.restart(quota: UploadSpool.Quota(perParticipant: 16, total: 1 << 20))
    try await task.host.tick()
    #expect(
      await refusal { _ = try await partner.send(bytes, as: key, through: task.handler) } == .unavailable(reason: "spool full"))
    try await task.restart(quota: UploadSpool.Quota(perParticipant: 1 << 20, total: 16))
    try await task.host.tick()
    #expect(
      await refusal { _ = try await partner.send(bytes, as: key, through: task.handler) } == .unavailable(reason: "spool full"))
    try await task.restart(quota: UploadSpool.Quota(perParticipant: 1 << 20, total: 1 << 20))
    try await task.host.tick()
    #expect(try await partner.send(bytes, as: key, through: task.handler) == .accepted)
  }

  @Test func `messages that are too long, of no kind or of another attempt are settled before a byte is kept`() async throws {
    let (task, key) = try await waitingTask()
    let partner = task.partners[3]
    func open(_ key: UploadKey, size: UInt64) async throws -> UploadOpening {
      try await task.handler.openUpload(UploadHeader(key: key, size: size, sha256: .zero), from: partner.peer)
    }
    guard case .tooLarge? = await refusal({ _ = try await open(key, size: 1 << 30) }) else {
      Issue.record("a message of a gigabyte is refused")
      return
    }
    var other = key
    other.kind = 9
    #expect(await refusal { _ = try await open(other, size: 10) } == .malformed(field: "key.kind"))
    other = key
    other.attempt = 1
    guard case .settled(.superseded) = try await open(other, size: 10) else {
      Issue.record("a message of another attempt is not wanted")
      return
    }
  }

  @Test func `bytes that are no message, and a message of another kind, are refused and counted, and change nothing`()
    async throws
  {
    let (task, key) = try await waitingTask()
    let partner = task.partners[3]
    let bytes = try #require(partner.held)
    let before = task.host.sentMessages
    var other = key
    other.kind = 6
    #expect(
      try await partner.send(bytes, as: other, through: task.handler)
        == .refused(reason: "a message of another kind than announced"))
    other.kind = 7
    #expect(try await partner.send([0xFF, 0xFF], as: other, through: task.handler) == .refused(reason: "malformed message"))
    #expect(task.host.sentMessages == before)
    #expect(task.monitor.registry.text().contains("tacit_refusals_total{reason=\"malformed message\"} 1"))
    // Another partner's masked input, sent in one's own name.
    let stolen = try #require(task.partners[0].uploaded.first { $0.key.kind == 5 })
    guard case .refused = try await partner.send(stolen.bytes, as: key, through: task.handler) else {
      Issue.record("a message that names somebody else is refused")
      return
    }
  }

  @Test func `a second call for a message that is whole and in the engine's hands cannot take its file away`() async throws {
    let (task, key) = try await waitingTask()
    let partner = task.partners[3]
    let bytes = try #require(partner.held)
    let attempt = AttemptKey(session: task.session, round: 0, attempt: 0)
    let spool = try UploadSpool(folder: task.path + "/other-spool", quota: task.quota)
    func open() throws -> SpooledUpload {
      try spool.open(attempt, participant: 4, kind: key.kind, size: UInt64(bytes.count), digest: SHA256.hash(bytes))
    }
    let upload = try open()
    try upload.write(bytes, at: 0)
    try upload.complete()
    #expect(throws: SpoolError.busy) { try open() }
    // What the transport does when the answer could not be given.
    upload.suspend()
    #expect(throws: SpoolError.busy) { try open() }
    #expect(try spool.read(upload.name, digest: SHA256.hash(bytes)) == bytes)
  }

  @Test func `the spool is empty when an attempt is over`() async throws {
    let task = try await TestTask()
    try await task.run()
    #expect(try FileManager.default.contentsOfDirectory(atPath: task.state.folder.spool).isEmpty)
  }

  @Test func `an attempt whose spooled input is damaged is not continued, and the next one is`() async throws {
    let (task, key) = try await waitingTask()
    let folder = task.state.folder.spool
    let attempt = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
    let file = try #require(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(attempt)").first)
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: "\(folder)/\(attempt)/\(file)"))
    try await task.restart()
    try await task.host.tick()
    #expect(key.attempt == 0)
    #expect(try !task.state.store.hasOpenAttempt(task.session))
    let charges = try task.charges()
    #expect(charges.count == 1 && charges.first?.outcome?.result == .aborted(reason: "\(AttemptAbort.stopped)"))
    task.partners[3].silentFrom = nil
    task.clock.advance(10)
    try await task.run()
    #expect(try await task.isFinished)
    #expect(try task.state.store.releases(of: task.session).first?.statement.attempt == 1)
  }
}
