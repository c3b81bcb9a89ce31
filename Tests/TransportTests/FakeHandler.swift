import CryptoPrimitives
import Synchronization
import Transport

/// A coordinator without learning: it remembers what arrived, and answers what a test tells it to.
final class FakeHandler: CoordinationHandler {
  struct State {
    var refused: [UInt32: TransportRefusal] = [:]
    var peers: [Peer] = []
    var newest: [UInt32: InstanceID] = [:]
    var hellos: [ClientHello] = []
    var envelopes: [MessageEnvelope] = []
    var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    var nextWaiter = 0
    var documents: [String: any DocumentSource] = [:]
    var uploads: [Name: StoredUpload] = [:]
    var reportAnswer: Result<[UInt8], TransportRefusal>?
    var uploadLimit: UInt64 = 1 << 30
    var verdict = UploadPhase.accepted
    /// Uploads that are of no use any more.
    var settled: [UploadKey: UploadPhase] = [:]
    /// Called before a sink writes; may suspend.
    var beforeWrite: (@Sendable (UInt64) async -> Void)?
  }
  struct Name: Hashable {
    let participant: UInt32
    let key: UploadKey
  }
  let state = Mutex(State())

  func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

  func authorize(_ peer: Peer, isHello: Bool) throws(TransportRefusal) {
    let refusal: TransportRefusal? = state.withLock { state in
      state.peers.append(peer)
      if let refusal = state.refused[peer.participant] { return refusal }
      if isHello { return nil }
      if let newest = state.newest[peer.participant], newest != peer.instance { return .superseded }
      return nil
    }
    if let refusal { throw refusal }
  }

  func hello(_ hello: ClientHello, from peer: Peer) -> ServerHello {
    state.withLock { state in
      state.hellos.append(hello)
      state.newest[peer.participant] = peer.instance
    }
    return ServerHello(
      version: 1, software: "fake", task: String(repeating: "a", count: 32), recordedLedgers: hello.ledgers,
      coordinatorLedger: LedgerNote(dataset: "", size: 3, head: SHA256.hash([3])), newestStatement: 12,
      clock: 1_700_000_000_000)
  }

  func poll(_ query: PollQuery, from peer: Peer) async throws(TransportRefusal) -> PollAnswer {
    let end = ContinuousClock.now + query.wait
    while true {
      let found = state.withLock { state in
        state.envelopes.filter { envelope in query.after.map { $0 < envelope.cursor } ?? true }
      }
      if !found.isEmpty || .now >= end || Task.isCancelled {
        if Task.isCancelled { throw .unavailable(reason: "cancelled") }
        return PollAnswer(
          session: [UInt8](repeating: 9, count: 16), envelopes: found, planHash: SHA256.hash([1]), newestRelease: 4,
          state: found.isEmpty ? .waiting(until: 1_800_000_000) : .running)
      }
      await suspend(until: end)
    }
  }

  /// Number of polls that are held.
  var heldPolls: Int { state.withLock { $0.waiting.count } }

  func publish(_ envelope: MessageEnvelope) {
    let waiting = state.withLock { state in
      state.envelopes.append(envelope)
      let waiting = state.waiting
      state.waiting = [:]
      return waiting
    }
    for continuation in waiting.values { continuation.resume() }
  }

  private func suspend(until end: ContinuousClock.Instant) async {
    let number = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    let timer = Task {
      try await Task.sleep(until: end)
      self.wake(number)
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        state.withLock { $0.waiting[number] = continuation }
        if Task.isCancelled { wake(number) }
      }
    } onCancel: {
      wake(number)
    }
    timer.cancel()
  }

  private func wake(_ number: Int) {
    let continuation = state.withLock { $0.waiting.removeValue(forKey: number) }
    continuation?.resume()
  }

  func document(_ name: String, for peer: Peer) throws(TransportRefusal) -> any DocumentSource {
    guard let document = state.withLock({ $0.documents[name] }) else { throw .unknownDocument(name: name) }
    return document
  }

  func uploadState(_ key: UploadKey, from peer: Peer) -> UploadPhase {
    state.withLock { $0.uploads[Name(participant: peer.participant, key: key)]?.phase ?? .receiving(offset: 0) }
  }

  func openUpload(_ header: UploadHeader, from peer: Peer) throws(TransportRefusal) -> UploadOpening {
    let (limit, verdict, beforeWrite) = state.withLock { ($0.uploadLimit, $0.verdict, $0.beforeWrite) }
    guard header.size <= limit else { throw .tooLarge(limit: limit) }
    let name = Name(participant: peer.participant, key: header.key)
    let upload = state.withLock { state in
      let upload = state.uploads[name] ?? StoredUpload(header: header, verdict: verdict, beforeWrite: beforeWrite)
      state.uploads[name] = upload
      return upload
    }
    guard upload.header == header else { throw .conflict }
    if case .receiving = upload.phase { return .receive(upload) }
    return .settled(upload.phase)
  }

  func settled(_ key: UploadKey) -> UploadPhase? { state.withLock { $0.settled[key] } }

  func stored(_ participant: UInt32, _ key: UploadKey) -> StoredUpload? {
    state.withLock { $0.uploads[Name(participant: participant, key: key)] }
  }

  func renewCertificate(_ request: [UInt8], from peer: Peer) -> RenewedCertificate {
    RenewedCertificate(certificatePEM: "certificate for \(request.count) bytes", authorityPEM: "authority")
  }

  func report(_ statement: [UInt8], from peer: Peer) throws(TransportRefusal) -> [UInt8] {
    try state.withLock { $0.reportAnswer }?.get() ?? statement.reversed()
  }
}

/// An upload as a coordinator would keep it in a file.
final class StoredUpload: UploadSink {
  struct Content {
    var bytes: [UInt8] = []
    var phase: UploadPhase?
    var suspensions = 0
    var discards = 0
    var finishes = 0
  }
  let header: UploadHeader
  private let verdict: UploadPhase
  private let beforeWrite: (@Sendable (UInt64) async -> Void)?
  let content = Mutex(Content())

  init(header: UploadHeader, verdict: UploadPhase, beforeWrite: (@Sendable (UInt64) async -> Void)?) {
    self.header = header
    self.verdict = verdict
    self.beforeWrite = beforeWrite
  }

  var phase: UploadPhase { content.withLock { $0.phase ?? .receiving(offset: UInt64($0.bytes.count)) } }
  var bytes: [UInt8] { content.withLock { $0.bytes } }
  var offset: UInt64 { content.withLock { UInt64($0.bytes.count) } }

  func read(at offset: UInt64, count: Int) -> [UInt8] { content.withLock { Array($0.bytes[Int(offset)..<Int(offset) + count]) } }

  func write(_ bytes: [UInt8], at offset: UInt64) async throws(TransportRefusal) {
    await beforeWrite?(offset)
    let isNext = content.withLock { content in
      guard content.bytes.count == Int(offset) else { return false }
      content.bytes += bytes
      return true
    }
    guard isNext else { throw .fault }
  }

  func finish() -> UploadPhase {
    content.withLock { content in
      content.finishes += 1
      content.phase = verdict
    }
    return verdict
  }

  func discard() {
    content.withLock { content in
      content.bytes = []
      content.discards += 1
    }
  }

  func suspend() { content.withLock { $0.suspensions += 1 } }
}
