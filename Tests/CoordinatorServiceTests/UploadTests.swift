import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import Operations
import SecureAggregation
import Synchronization
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

  @Test func `of two messages of one kind that arrive at the same time one counts, once; and none after the attempt's end`()
    async throws
  {
    let (task, key) = try await waitingTask()
    let partner = task.partners[3]
    func sink(_ kind: UInt32, _ bytes: [UInt8]) async throws -> any UploadSink {
      var other = key
      other.kind = kind
      let header = UploadHeader(key: other, size: UInt64(bytes.count), sha256: SHA256.hash(bytes))
      guard case .receive(let sink) = try await task.handler.openUpload(header, from: partner.peer) else {
        throw TransportRefusal.fault
      }
      try await sink.write(bytes, at: 0)
      return sink
    }
    let (first, same, second) = (try await sink(7, [255, 255]), try await sink(7, [255, 255]), try await sink(7, [255, 254]))
    let late = try await sink(6, [255, 255])
    #expect(try await first.finish() == .refused(reason: "malformed message"))
    #expect(try await same.finish() == .refused(reason: "malformed message"))
    #expect(try await second.finish() == .refused(reason: "another message of this kind came before"))
    #expect(task.monitor.registry.text().contains("tacit_refusals_total{reason=\"malformed message\"} 1\n"))
    // Once it was judged, other bytes are a conflict before a byte is taken.
    #expect(await refusal { _ = try await sink(7, [255, 253]) } == .conflict)
    for _ in 0..<4 {
      task.clock.advance(task.policy.inputSeconds + task.policy.stageSeconds + 1)
      try await task.run()
    }
    #expect(try await late.finish() == .superseded)
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

  @Test func `an upload is synced, then named, then its folders are synced, before anybody may count on it`() async throws {
    let bytes: [UInt8] = [1, 2, 3]
    let session = try #require(SessionID(bytes: [UInt8](repeating: 1, count: 16)))
    let folder = NSTemporaryDirectory() + "tacit-spool-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let seen = Mutex<[String]>([])
    let fails = Mutex<Int?>(nil)
    let disk = SpoolDisk { file, name in
      let count = seen.withLock { seen in
        // What stands in the folders at this moment says what was named already.
        let names = (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []
        let state = names.contains { $0.hasSuffix(".input") } ? "named" : "unnamed"
        let what = name.isEmpty ? "spool" : name.hasSuffix(".part") ? "file" : "folder"
        seen.append("\(what), \(state)")
        return seen.count
      }
      if fails.withLock({ $0 }) == count { return -1 }
      return fsync(file)
    }
    let spool = try UploadSpool(folder: folder, quota: UploadSpool.Quota(perParticipant: 100, total: 100), disk: disk)
    func upload(_ round: UInt32) throws {
      let attempt = AttemptKey(session: session, round: round, attempt: 0)
      let upload = try spool.open(attempt, participant: 1, kind: 5, size: 3, digest: SHA256.hash(bytes))
      try upload.write(bytes, at: 0)
      try upload.complete()
    }
    try upload(0)
    let first = try FileManager.default.contentsOfDirectory(atPath: folder)
    spool.sweep(AttemptKey(session: session, round: 9, attempt: 0))
    #expect(try first.count == 1 && FileManager.default.contentsOfDirectory(atPath: folder) == first)
    #expect(seen.withLock { $0 } == ["file, unnamed", "folder, named", "spool, named"])
    for step in 1...3 {
      seen.withLock { $0 = [] }
      fails.withLock { $0 = step }
      #expect(throws: SpoolError.self) { try upload(UInt32(step)) }
    }
  }

  @Test func `the uploads of an attempt are wanted until it is over, those of any other never`() async throws {
    let (task, key) = try await waitingTask()
    var other = key
    other.attempt = 1
    #expect(task.handler.settled(key) == nil && task.handler.settled(other) == .superseded)
    try await task.restart()
    try await task.host.tick()
    #expect(task.handler.settled(key) == nil)
    for _ in 0..<4 {
      task.clock.advance(task.policy.inputSeconds + task.policy.stageSeconds + 1)
      try await task.run()
    }
    #expect(task.handler.settled(key) == .superseded)
  }

  @Test func `every reason for which the transport refuses is counted under its own name`() async throws {
    let task = try await TestTask()
    let reasons =
      RefusalReason.allCases.map(\.rawValue) + ConnectionEnd.allCases.map(\.rawValue) + [RefusalReason.attemptOver]
    for reason in reasons { task.monitor.count(refusal: reason) }
    let text = task.monitor.registry.text()
    for reason in reasons { #expect(text.contains("tacit_refusals_total{reason=\"\(reason)\"} 1")) }
    #expect(!text.contains("tacit_refusals_total{reason=\"other\"} 1"))
  }

  @Test func `a document has one name, and for any other nothing is read`() async throws {
    let task = try await TestTask()
    try await task.run(until: { try task.state.store.releases(of: task.session).count == 1 })
    let peer = task.partners[0].peer
    for name in ["plan", "plan-signature", "roster", "catalogue", "release/1"] {
      #expect(try await task.handler.document(name, for: peer).size > 0)
    }
    let messages = try #require(task.host.sentMessages[peer.participant])
    let place = try #require(try task.state.store.newestPlace(task.session))
    let last = "message/\(place.round)/\(place.attempt)/\(messages.count)"
    #expect(try await task.handler.document(last, for: peer).size == UInt64(messages[messages.count - 1].count))
    // From here on the database answers nothing.
    try task.state.store.close()
    #expect(await refusal { _ = try await task.handler.document("plan", for: peer) } == .fault)
    for name in [
      "message/\(place.round)/\(place.attempt)/0\(messages.count)", "message/+\(place.round)/\(place.attempt)/\(messages.count)",
      "message/\(place.round)/\(place.attempt)", "release/01", "release/+1", "release/2", "release/", "release", "plan/1",
      "evaluation", "evaluation/", "evaluation/00", "evaluation/+1", "evaluation/0/0", "evaluation/-1",
      "plan/",
      "", "/", "ledger", "../plan",
    ] {
      #expect(await refusal { _ = try await task.handler.document(name, for: peer) } == .unknownDocument(name: name))
    }
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
