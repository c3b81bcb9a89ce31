internal import CoordinatorService
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import PeerIdentity
internal import Recommender
internal import SecureAggregation
internal import Transport
internal import WireProtocol

/// A partner in the test's hands: the real engine, and calls to the handler without a network.
final class TestPartner {
  let number: Int
  let participant: UInt32
  let users: Int
  let key: SigningKey
  let clock: TestClock
  var peer: Peer
  private var engine: PartnerEngine?
  private var random: KeyedRandomSource
  private var cursor: MessageCursor?
  private var plan: PlanFile?
  private(set) var ledger: PrivacyLedger
  private(set) var ends: [RoundEnd] = []
  private(set) var uploaded: [(key: UploadKey, bytes: [UInt8], phase: UploadPhase)] = []
  /// Messages that are not sent: the partner is silent at this stage.
  var silentFrom: UInt32?
  /// The masked input that was not sent.
  private(set) var held: [UInt8]?
  var session: [UInt8] = []

  init(token text: String, desk: EnrolmentDesk, number: Int, clock: TestClock, users: Int = 6) async throws {
    self.number = number
    self.clock = clock
    self.users = users
    key = SigningKey(seed: SecretBytes(copying: [UInt8](repeating: UInt8(number), count: 32)))
    let token = try EnrolmentToken(parsing: text, now: clock.now)
    let request = try CertificateRequest.create(key: .generate(), name: token.name)
    let grant = try await desk.enrol(
      EnrolmentApplication(
        software: "test", secret: token.secret, certificateRequest: request.der, verificationKey: key.verificationKey.bytes,
        proof: EnrolmentProof.sign(secret: token.secret, request: request.der, key: key).bytes), address: "test")
    participant = grant.participant
    let certificate = try IssuedCertificate(pem: grant.certificatePEM)
    peer = Peer(
      participant: participant, certificateFingerprint: certificate.fingerprint, serial: certificate.serial,
      notAfter: Int64(certificate.notAfter.timeIntervalSince1970), address: "test", instance: .random())
    random = KeyedRandomSource(insecureSeed: UInt64(number))
    let memory = LedgerMemory(
      try PrivacyLedger.headerLine(kind: .partner, holder: "partner-\(number)", dataset: "data", created: 1, key: key))
    ledger = try PrivacyLedger(content: memory.bytes, journal: memory, key: key)
  }

  static func histories(_ number: Int, users: Int = 6) -> [[Int32]] {
    (0..<users).map { user in
      let first = (number * 5 + user * 3) % TestTask.itemCount
      return [first, (first + 1) % TestTask.itemCount, (first + 4 + user) % TestTask.itemCount].reduce(into: [Int32]()) {
        if !$0.contains(Int32($1)) { $0.append(Int32($1)) }
      }
    }
  }

  /// Says hello, accepts the plan and is ready for rounds.
  func join(_ plan: PlanFile, through handler: TrainingHandler, task: String) async throws {
    self.plan = plan
    session = SessionID(hex: plan.plan.session)?.bytes ?? []
    try await hello(through: handler)
    try await state(.consent, number: 1, plan: SHA256.hash(plan.bytes), through: handler, task: task)
    try revive()
  }

  func state(
    _ kind: PartnerStatement.Kind, number: UInt64, plan: Digest = .zero, through handler: TrainingHandler, task: String
  ) async throws {
    _ = try await handler.report(
      PartnerStatement(
        kind, task: Hexadecimal.decode(task) ?? [], participant: participant, number: number, plan: plan,
        time: UInt64(clock.now.timeIntervalSince1970), key: key
      ).encoded, from: peer)
  }

  /// A fresh engine on the same ledger: what was in memory is gone.
  func revive() throws {
    guard let plan else { return }
    let titles = Catalogue(
      itemIDs: (0..<TestTask.itemCount).map { "item-\($0)" },
      attributes: ["title": (0..<TestTask.itemCount).map { "Title \($0)" }])
    let algorithm = try plan.plan.makeAlgorithm(
      features: plan.plan.catalogue.features == nil ? nil : try ItemFeatures.text(of: titles))
    engine = try PartnerEngine(
      planFile: plan, participant: ParticipantID(participant), signingKey: key,
      shard: PartnerShard(
        interactions: Interactions(itemCount: TestTask.itemCount, histories: Self.histories(number, users: users)),
        heldOut: plan.plan.releases.contains { $0.purpose == .evaluation }
          ? (0..<users).map { Int32($0 % TestTask.itemCount) } : []),
      algorithm: algorithm, ledger: ledger)
  }

  func hello(through handler: TrainingHandler) async throws {
    try await handler.authorize(peer, isHello: true)
    let head = ledger.head.head
    _ = try await handler.hello(
      ClientHello(software: "test", ledgers: [Transport.LedgerNote(dataset: "data", size: head.size, head: head.head)]),
      from: peer)
  }

  func state(through handler: TrainingHandler) async throws -> TaskState {
    try await handler.poll(PollQuery(session: session, after: cursor, wait: .zero), from: peer).state
  }

  /// Takes what the coordinator has, and answers.
  ///
  /// - Returns: whether there was anything.
  func step(through handler: TrainingHandler, after: (UInt32) async throws -> Void = { _ in }) async throws -> Bool {
    do { try await handler.authorize(peer, isHello: false) } catch TransportRefusal.helloNeeded {
      try await hello(through: handler)
    }
    let answer = try await handler.poll(PollQuery(session: session, after: cursor, wait: .zero), from: peer)
    for envelope in answer.envelopes {
      cursor = envelope.cursor
      let bytes: [UInt8]
      switch envelope.content {
      case .inline(let content): bytes = content
      case .document(let name):
        let document = try await handler.document(name, for: peer)
        bytes = try await document.read(at: 0, count: Int(document.size))
      }
      let message = try WireCodec.decodeCoordinatorMessage(bytes)
      if case .roundEnd(let end) = message { ends.append(end) }
      for reply in replies(to: message, try await records(for: message, through: handler)) {
        try await upload(reply, through: handler, after: after)
      }
    }
    return !answer.envelopes.isEmpty
  }

  /// What the coordinator shows of its ledger before this partner takes a start.
  private func records(for message: CoordinatorMessage, through handler: TrainingHandler) async throws -> LedgerContinuation? {
    guard case .roundStart(let start) = message, let missing = engine?.missingRecords(for: start) else { return nil }
    let document = try await handler.document("ledger/\(missing.lowerBound)/\(missing.upperBound)", for: peer)
    return LedgerContinuation(decoding: try await document.read(at: 0, count: Int(document.size)))
  }

  private func replies(to message: CoordinatorMessage, _ continuation: LedgerContinuation?) -> [PartnerMessage] {
    let time = Int(clock.now.timeIntervalSince1970)
    var waiting = engine?.receive(message, continuation: continuation, random: &random, time: time) ?? []
    var replies: [PartnerMessage] = []
    while !waiting.isEmpty {
      switch waiting.removeFirst() {
      case .send(let reply): replies.append(reply)
      case .train: waiting = (engine?.train(time: time) ?? []) + waiting
      }
    }
    return replies
  }

  static func kind(_ message: PartnerMessage) -> UInt32 {
    switch message {
    case .refusal: 1
    case .plainSum: 2
    case .aggregation(.keyAdvertisement): 3
    case .aggregation(.keyShares): 4
    case .aggregation(.maskedInput): 5
    case .aggregation(.consistencySignature): 6
    case .aggregation(.unmaskResponse): 7
    case .aggregation(.abort): 8
    }
  }

  private func upload(
    _ message: PartnerMessage, through handler: TrainingHandler, after: (UInt32) async throws -> Void
  ) async throws {
    let kind = Self.kind(message)
    if let silentFrom, kind >= silentFrom {
      if kind == 5 { held = WireCodec.encode(message) }
      return
    }
    let place = cursor ?? MessageCursor(round: 0, attempt: 0, ordinal: 0)
    let key = UploadKey(session: session, round: place.round, attempt: place.attempt, kind: kind)
    let bytes = WireCodec.encode(message)
    let phase = try await send(bytes, as: key, through: handler)
    uploaded.append((key, bytes, phase))
    if phase == .accepted { try await after(kind) }
  }

  /// One upload as the server makes it: header, chunks, finish.
  func send(_ bytes: [UInt8], as key: UploadKey, through handler: TrainingHandler, chunk: Int = 1 << 20) async throws
    -> UploadPhase
  {
    let header = UploadHeader(key: key, size: UInt64(bytes.count), sha256: SHA256.hash(bytes))
    switch try await handler.openUpload(header, from: peer) {
    case .settled(let phase): return phase
    case .receive(let sink):
      var offset = Int(await sink.offset)
      while offset < bytes.count {
        let end = min(offset + chunk, bytes.count)
        try await sink.write(Array(bytes[offset..<end]), at: UInt64(offset))
        offset = end
      }
      return try await sink.finish()
    }
  }
}
