import CryptoPrimitives
import FederatedLearning
import Foundation
import PartnerService
import PeerIdentity
import Recommender
import SecureAggregation
import Testing
import Transport
import WireProtocol

/// A coordinator in memory: the real engine and real certificates behind the partner's seam, and ways to lie.
actor FakeCoordinator {
  /// What a dishonest or unlucky coordinator does to one partner's messages.
  struct Tampering: Sendable {
    /// Changes what a poll answers.
    var poll: @Sendable (PollAnswer) -> PollAnswer = { $0 }
    /// Changes what a hello answers.
    var hello: @Sendable (ServerHello) -> ServerHello = { $0 }
    /// Changes a message before it is put into the outbox.
    var message: @Sendable (CoordinatorMessage) -> CoordinatorMessage = { $0 }
    /// Changes a document.
    var document: @Sendable (String, [UInt8]) -> [UInt8] = { $1 }
    /// Fails a call by its name, as often as it returns a failure.
    var failure: @Sendable (String) -> TransportFailure? = { _ in nil }
    /// Loses the answer to an upload that was taken, as often as it returns a failure.
    var lost: @Sendable () -> TransportFailure? = { nil }
    /// Holds a statement up on its way.
    var delay: @Sendable (PartnerStatement) async -> Void = { _ in }
  }

  nonisolated let authority: CertificateAuthority
  nonisolated let key: SigningKey
  private var members: [PeerIdentity.RosterEntry] = []
  private var rosterVersion: UInt64 = 1
  private var nextParticipant: UInt32 = 1
  /// Hellos that were answered.
  private(set) var helloCount = 0
  private(set) var planFile: PlanFile?
  private var catalogue: Catalogue?
  private var features: ItemFeatures?
  private var engine: CoordinatorEngine?
  private(set) var ledger: PrivacyLedger?
  private var random = SystemRandomSource()
  private var outbox: [UInt32: [MessageEnvelope]] = [:]
  private var ordinals: [UInt32: UInt32] = [:]
  private var place: (round: UInt32, attempt: UInt32) = (0, 0)
  private var generation = 0
  private(set) var releases: [PublishedRelease] = []
  private(set) var aborts: [AttemptAbort] = []
  private(set) var end: RunEnd?
  private var documents: [UInt32: [UInt8]] = [:]
  /// What evaluation releases said, by round.
  private var evaluations: [UInt32: [UInt8]] = [:]
  private var instances: [UInt32: InstanceID] = [:]
  var recordedLedgers: [UInt32: [Transport.LedgerNote]] = [:]
  private var advertised: [UInt32: LedgerHead] = [:]
  private(set) var statements: [PartnerStatement] = []
  /// Messages that partners sent, in order.
  private(set) var received: [(participant: UInt32, message: PartnerMessage)] = []
  private var tamperings: [UInt32: Tampering] = [:]
  /// Of the certificates that `enrol` issues.
  private(set) var lifetime: Duration = .seconds(3600 * 24 * 30)

  init() throws {
    authority = try CertificateAuthority.create(task: "test", validDays: 365, now: Date())
    var random = SystemRandomSource()
    key = SigningKey(random: &random)
  }

  /// The longest that a poll waits for news.
  private var longestPoll: Duration = .milliseconds(200)

  func setLongestPoll(_ duration: Duration) { longestPoll = duration }
  func setLifetime(_ lifetime: Duration) { self.lifetime = lifetime }
  func tamper(_ participant: UInt32, _ tampering: Tampering) { tamperings[participant] = tampering }
  func setRecorded(_ notes: [Transport.LedgerNote], of participant: UInt32) { recordedLedgers[participant] = notes }
  /// As a coordinator does that was restored from a backup: it knows of no process, and of no statement since.
  func restore() {
    instances = [:]
    statements = []
  }

  /// As one does whose backup is older than a partner's enrolment: it knows nothing of it, and gives no number twice.
  func lose(_ participant: UInt32) {
    restore()
    members.removeAll { $0.participant == participant }
    nextParticipant += 1000
    rosterVersion += 1_000_000
  }

  /// As one does that is older than this message of evaluations: it has no such document.
  func forgetEvaluations() { evaluations = [:] }

  func revoke(_ participant: UInt32) { tamperings[participant] = Tampering(failure: { _ in .refused(.revoked) }) }

  // MARK: - Enrolment

  func token(_ name: String) throws -> String {
    var random = SystemRandomSource()
    return try EnrolmentToken(
      name: PartnerName(name), trainingAddress: HostPort(parsing: "127.0.0.1:7443"),
      enrolmentAddress: HostPort(parsing: "127.0.0.1:7444"), caFingerprint: authority.fingerprint,
      expires: Date().addingTimeInterval(3600), random: &random
    ).text
  }

  func enrol(_ token: EnrolmentToken, _ application: EnrolmentApplication) throws -> EnrolmentGrant {
    guard let key = VerificationKey(bytes: application.verificationKey), let proof = Signature(bytes: application.proof),
      EnrolmentProof.verifies(proof, secret: application.secret, request: application.certificateRequest, key: key)
    else { throw TransportFailure.refused(.badSignature(field: "proof")) }
    let known = members.first { $0.name == token.name }
    if let known, known.verificationKey != key { throw TransportFailure.refused(.conflict) }
    let participant = known?.participant ?? nextParticipant
    let certificate = try authority.issueClient(
      request: CertificateRequest(der: application.certificateRequest), participant: participant, name: token.name,
      lifetime: lifetime, now: Date())
    if known == nil {
      nextParticipant += 1
      members.append(
        PeerIdentity.RosterEntry(
          participant: participant, name: token.name, verificationKey: key, status: .active, enrolledAt: 1000))
      rosterVersion += 1
    }
    return EnrolmentGrant(
      participant: participant, certificatePEM: certificate.pem, authorityPEM: authority.certificatePEM,
      coordinatorKey: self.key.verificationKey.bytes, roster: try roster())
  }

  func roster() throws -> [UInt8] {
    try SignedRoster.sign(
      taskID: authority.taskID, entries: members, issued: 2000, version: rosterVersion, key: key
    ).encoded()
  }

  /// The roster as it was when it had this version.
  func rosterOfVersion(_ version: UInt64) throws -> [UInt8] {
    try SignedRoster.sign(
      taskID: authority.taskID, entries: Array(members.prefix(Int(version))), issued: 2000, version: version, key: key
    ).encoded()
  }

  func planHash() throws -> Digest { try SHA256.hash(#require(planFile).bytes) }

  func isConnected(_ participant: UInt32) -> Bool { instances[participant] != nil }

  // MARK: - The plan

  /// Makes the plan of all who enrolled.
  func publish(_ setting: PlanSetting) throws {
    let algorithm = try setting.algorithm()
    let catalogue = setting.catalogue
    guard let session = SessionID(bytes: random.bytes(16)) else { preconditionFailure("a session has 16 bytes") }
    var draft = PlanDraft(
      task: "test task", session: session,
      configuration: AlgorithmConfiguration(name: algorithm.name, parameters: setting.parameters), modelSeed: 5,
      catalogue: CatalogueReference(
        hash: SHA256.hash(catalogue.canonicalBytes).hex, itemCount: catalogue.count,
        features: setting.features.map(CatalogueReference.hash(of:))),
      roster: members.map {
        FederatedLearning.RosterEntry(
          participant: $0.participant, name: $0.name.text, verificationKey: $0.verificationKey.hex, maximumUsers: 100)
      },
      coordinatorKey: key.verificationKey.hex,
      aggregation: AggregationPolicy(
        isSecure: true, threshold: AggregationParameters.defaultThreshold(members.count),
        minimumSurvivors: AggregationParameters.defaultThreshold(members.count), colluders: 1, suite: 1, maximumAttempts: 20),
      privacy: PrivacyPolicy(
        noise: setting.noise, nominalUsers: 80, maximumPartnersPerUser: 1, epsilon: setting.epsilon, delta: 1e-6,
        usesInsecureTestRandomness: false))
    setting.configure(&draft)
    let file = try PlanFile(draft.plan(for: algorithm))
    planFile = file
    self.catalogue = catalogue
    features = setting.features
    let header = try PrivacyLedger.headerLine(
      kind: .coordinator, holder: "coordinator", dataset: "test", created: 0, key: key)
    let ledger = try PrivacyLedger(content: header, journal: LedgerMemory(header), key: key)
    self.ledger = ledger
    documents = [:]
    evaluations = [:]
    outbox = [:]
    end = nil
    engine = try CoordinatorEngine(planFile: file, signingKey: key, algorithm: algorithm, ledger: ledger)
  }

  /// Opens the first attempt.
  func start() {
    guard let actions = engine?.begin() else { return }
    perform(actions)
  }

  /// The open stage has had its time.
  func expire() {
    guard let actions = engine?.deadlineExpired(generation: generation, time: 3000) else { return }
    perform(actions)
  }

  var openAttempt: (round: Int, attempt: Int)? { engine?.openAttempt.map { (Int($0.round), Int($0.attempt)) } }
  var stage: AggregationStage? { engine?.stageProgress?.stage }
  var awaited: Int { engine?.stageProgress?.awaited ?? 0 }
  var answered: Int { engine?.stageProgress?.answered ?? 0 }
  var refusals: [String: Int] { engine?.refusals ?? [:] }
  var model: ItemModel? { engine?.model }

  private func perform(_ actions: [CoordinatorAction]) {
    for action in actions {
      switch action {
      case .send(let message, let participant): post(message, to: participant.rawValue)
      case .armDeadline(let generation, _): self.generation = generation
      case .release:
        guard let next = engine?.release(random: &random, time: 3000) else { continue }
        perform(next)
      case .published(let release):
        releases.append(release)
        if let engine {
          documents[release.modelRelease.version] = ReleaseDocument.encode(
            statement: release.modelRelease.encoded(), model: ModelBytes.encode(engine.model))
        }
        if let entries = release.evaluation?.entries, let state = ledger?.state,
          let shown = ReleasedEvaluation(entries, under: release.modelRelease, in: state)
        {
          evaluations[release.modelRelease.round] = EvaluationDocument(shown, under: release.modelRelease).encoded()
        }
      case .attemptAborted(_, _, let reason): aborts.append(reason)
      case .readyForNext: start()
      case .finished(let end): self.end = end
      }
    }
  }

  /// Everything that was sent stays in the outbox: a partner asks by its cursor.
  private func post(_ message: CoordinatorMessage, to participant: UInt32) {
    if case .roundStart(let start) = message {
      place = (start.round, start.attempt)
      ordinals[participant] = 0
    }
    let sent = tamperings[participant]?.message(message) ?? message
    ordinals[participant, default: 0] += 1
    outbox[participant, default: []].append(
      MessageEnvelope(
        cursor: MessageCursor(round: place.round, attempt: place.attempt, ordinal: ordinals[participant] ?? 1),
        inline: WireCodec.encode(sent)))
  }

  // MARK: - Calls of one partner

  private func admit(_ participant: UInt32, _ instance: InstanceID, _ call: String) throws(TransportFailure) {
    if let failure = tamperings[participant]?.failure(call) { throw failure }
    if call == "hello" { instances[participant] = instance }
    guard let newest = instances[participant] else { throw .refused(.helloNeeded) }
    guard newest == instance else { throw .refused(.superseded) }
  }

  func hello(_ hello: ClientHello, _ participant: UInt32, _ instance: InstanceID) throws(TransportFailure) -> ServerHello {
    try admit(participant, instance, "hello")
    helloCount += 1
    let known = recordedLedgers[participant] ?? []
    for note in hello.ledgers where !known.contains(where: { $0.dataset == note.dataset && $0.size > note.size }) {
      recordedLedgers[participant, default: []].removeAll { $0.dataset == note.dataset }
      recordedLedgers[participant, default: []].append(note)
    }
    let answer = ServerHello(
      version: 1, software: "fake", task: authority.taskID, recordedLedgers: known, coordinatorLedger: nil,
      newestStatement: statements.last { $0.participant == participant }?.number ?? 0,
      clock: Int64(Date().timeIntervalSince1970 * 1000))
    return tamperings[participant]?.hello(answer) ?? answer
  }

  func poll(_ query: PollQuery, _ participant: UInt32, _ instance: InstanceID) async throws(TransportFailure) -> PollAnswer {
    let deadline = ContinuousClock.now + min(query.wait, longestPoll)
    while true {
      try admit(participant, instance, "poll")
      let envelopes = (outbox[participant] ?? []).filter { envelope in query.after.map { envelope.cursor > $0 } ?? true }
      let isOver = end != nil
      if !envelopes.isEmpty || isOver || ContinuousClock.now >= deadline {
        let answer = PollAnswer(
          session: planFile.flatMap { SessionID(hex: $0.plan.session)?.bytes } ?? [], envelopes: envelopes,
          planHash: planFile.map { SHA256.hash($0.bytes) }, newestRelease: documents.keys.max(),
          state: end.map { .finished(reason: "\($0)") } ?? (outbox.isEmpty ? .waiting(until: nil) : .running))
        return tamperings[participant]?.poll(answer) ?? answer
      }
      try? await Task.sleep(for: .milliseconds(3))
      if Task.isCancelled { throw .cancelled }
    }
  }

  func download(_ name: String, _ participant: UInt32, _ instance: InstanceID) throws(TransportFailure) -> [UInt8] {
    try admit(participant, instance, "download")
    let bytes: [UInt8]?
    switch name {
    case "plan": bytes = planFile?.bytes
    case "plan-signature": bytes = planFile.map { key.sign(PlanSignature.message($0.bytes)).bytes }
    case "roster": bytes = try? roster()
    case "catalogue": bytes = catalogue.map { CatalogueDocument.encode($0, features: features) }
    case let name where name.hasPrefix("ledger/"):
      let numbers = name.split(separator: "/").compactMap { UInt64($0) }
      bytes = numbers.count == 2 ? engine?.ledgerContinuation(of: numbers[0]...numbers[1])?.encoded : nil
    case let name where name.hasPrefix("evaluation/"): bytes = UInt32(name.dropFirst(11)).flatMap { evaluations[$0] }
    default: bytes = name.hasPrefix("release/") ? UInt32(name.dropFirst(8)).flatMap { documents[$0] } : nil
    }
    guard let bytes else { throw .refused(.unknownDocument(name: name)) }
    return tamperings[participant]?.document(name, bytes) ?? bytes
  }

  func upload(_ key: UploadKey, _ bytes: [UInt8], _ participant: UInt32, _ instance: InstanceID) throws(TransportFailure)
    -> UploadPhase
  {
    try admit(participant, instance, "upload")
    guard let message = try? WireCodec.decodePartnerMessage(bytes) else { throw .refused(.malformed(field: "message")) }
    received.append((participant, message))
    guard (key.round, key.attempt) == place, engine?.openAttempt != nil else { return .superseded }
    guard let answer = engine?.receive(message, from: ParticipantID(participant), time: 3000) else { return .superseded }
    perform(answer.actions)
    if let failure = tamperings[participant]?.lost() { throw failure }
    if case .refused(let reason) = answer.verdict { return .refused(reason: reason) }
    witness(message, of: participant)
    return .accepted
  }

  /// Keeps what a message says about its sender's ledger, as the real coordinator does.
  private func witness(_ message: PartnerMessage, of participant: UInt32) {
    let head: LedgerHead
    switch message {
    case .aggregation(.keyAdvertisement(let keys)): head = keys.ledger
    case .aggregation(.maskedInput): head = (advertised[participant] ?? .empty).afterCharge
    default: return
    }
    advertised[participant] = head
    recordedLedgers[participant, default: []].removeAll { $0.dataset.isEmpty }
    recordedLedgers[participant, default: []].append(Transport.LedgerNote(dataset: "", size: head.size, head: head.head))
  }

  func renew(_ request: [UInt8], _ participant: UInt32, _ instance: InstanceID) throws(TransportFailure) -> RenewedCertificate {
    try admit(participant, instance, "renew")
    guard let name = members.first(where: { $0.participant == participant })?.name,
      let request = try? CertificateRequest(der: request),
      let certificate = try? authority.issueClient(
        request: request, participant: participant, name: name, lifetime: .seconds(3600 * 24 * 60), now: Date())
    else { throw .refused(.malformed(field: "request")) }
    return RenewedCertificate(certificatePEM: certificate.pem, authorityPEM: authority.certificatePEM)
  }

  func report(_ bytes: [UInt8], _ participant: UInt32, _ instance: InstanceID) async throws(TransportFailure) -> [UInt8] {
    if let delay = tamperings[participant]?.delay, let statement = PartnerStatement(decoding: bytes) { await delay(statement) }
    try admit(participant, instance, "report")
    guard let statement = PartnerStatement(decoding: bytes), statement.participant == participant,
      let key = members.first(where: { $0.participant == participant })?.verificationKey, statement.isSigned(by: key)
    else { throw .refused(.badSignature(field: "statement")) }
    if let newest = statements.last(where: { $0.participant == participant }), statement.number <= newest.number {
      guard statement == newest else { throw .refused(.conflict) }
      return []
    }
    statements.append(statement)
    return []
  }
}

/// One partner's line to the fake.
struct FakeLine: CoordinatorConnection {
  let coordinator: FakeCoordinator
  let participant: UInt32
  let instance = InstanceID.random()

  func hello(_ hello: ClientHello) async throws(TransportFailure) -> ServerHello {
    try await coordinator.hello(hello, participant, instance)
  }
  func poll(_ query: PollQuery) async throws(TransportFailure) -> PollAnswer {
    try await coordinator.poll(query, participant, instance)
  }
  func message(_ envelope: MessageEnvelope, limit: UInt64) async throws(TransportFailure) -> [UInt8] {
    guard case .inline(let bytes) = envelope.content, SHA256.hash(bytes) == envelope.sha256 else {
      throw .badAnswer("the message is not the one that the envelope names")
    }
    return bytes
  }
  func download(_ name: String, limit: UInt64) async throws(TransportFailure) -> [UInt8] {
    try await coordinator.download(name, participant, instance)
  }
  func upload(_ key: UploadKey, payload: any UploadPayload) async throws(TransportFailure) -> UploadPhase {
    let bytes: [UInt8]
    do { bytes = try await payload.read(at: 0, count: Int(payload.size)) } catch { throw .local("\(error)") }
    return try await coordinator.upload(key, bytes, participant, instance)
  }
  func renewCertificate(_ request: [UInt8]) async throws(TransportFailure) -> RenewedCertificate {
    try await coordinator.renew(request, participant, instance)
  }
  func report(_ statement: [UInt8]) async throws(TransportFailure) -> [UInt8] {
    try await coordinator.report(statement, participant, instance)
  }
  func reconnect() {}
  func close() async {}
}
