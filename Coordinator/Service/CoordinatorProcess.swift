public import CryptoPrimitives
package import Foundation
public import Logging
internal import Operations
internal import PeerIdentity
public import ServiceLifecycle
internal import Synchronization
internal import TaskDatabase
package import Transport

/// One process that serves a task: lease, rounds, both listeners, metrics.
public struct CoordinatorProcess: Sendable {
  private let configuration: CoordinatorConfiguration
  private let state: CoordinatorState
  private let lease: Lease
  private let lock: FolderLock?
  private let use: FolderUse?
  private let monitor: RoundMonitor
  private let host: RoundHost
  private let tls: ServerTLS?
  private let passphrase: SecretBytes?
  private let handler: TrainingHandler
  private let logger: Logger

  /// Takes the lease and makes everything ready; nothing listens yet.
  ///
  /// - Parameters:
  ///   - use: from `enter`, taken before the state was opened; held until the rounds have ended.
  ///   - passphrase: opened the keys, when they are sealed; seals the server's next key.
  /// - Throws: `StoreError.leaseHeld` when another process serves this folder and this one does not stand by.
  public init(
    _ configuration: CoordinatorConfiguration, use: FolderUse?, state: CoordinatorState, passphrase: SecretBytes?, logger: Logger
  ) async throws {
    self.use = use
    self.configuration = configuration
    self.state = state
    self.passphrase = passphrase
    self.logger = logger
    try state.store.checkIntegrity()
    (lease, lock) = try await Self.takeLease(state, waits: configuration.isStandby, logger)
    // Whoever stood by has read the keys long before it may use them.
    if let newest = try state.store.successions().last, newest.new != state.signingKey.verificationKey {
      try? state.store.release(lease)
      throw StateFolderError(
        .busy, "the signing key of \(state.folder.path) was rotated while this process stood by; start it again")
    }
    let hosted = try state.host(
      lease: lease, policy: configuration.policy, quota: configuration.spoolQuota, workers: configuration.workers,
      checksCertificates: !configuration.isInsecureLoopback, logger: logger, clock: { Date() },
      uptime: { Uptime.seconds })
    (host, handler, monitor) = (hosted.host, hosted.handler, hosted.monitor)
    ProcessMetrics.register(in: monitor.registry)
    monitor.set(holdsLease: true)
    if configuration.isInsecureLoopback {
      tls = nil
    } else {
      try Self.renewServerCertificate(state, passphrase)
      let server = try state.serverCertificate(passphrase: { try Self.ask(passphrase) })
      tls = try ServerTLS(
        certificatePEM: server.certificate.pem, privateKeyPEM: server.key, authorityPEM: state.authority.certificatePEM)
    }
  }

  /// What runs until a signal; they end in the opposite order, rounds last.
  public func services() throws -> [any Service] {
    let limits = configuration.transportLimits
    let count: @Sendable (String) -> Void = { [monitor] in monitor.count(refusal: $0) }
    let security = tls.map { ServerSecurity.mutualTLS($0) } ?? .insecureLoopback
    let training = try CoordinationServer(
      listen: configuration.listen, security: security, handler: handler, limits: limits, logger: logger, onRefusal: count)
    let enrolment = try EnrolmentServer(
      listen: configuration.enrolmentListen, tls: tls,
      handler: EnrolmentDesk(state: state, logger: logger, clock: { Date() }), logger: logger, onRefusal: count)
    return [
      RoundService(host: host, store: state.store, lease: lease, lock: lock, use: use, monitor: monitor, logger: logger),
      CertificateService(state: state, tls: tls, passphrase: passphrase, logger: logger),
      ListenerService(
        name: "training", logger: logger, listen: { try await training.run() }, address: { try await training.boundAddress },
        shutDown: { training.beginGracefulShutdown() }),
      ListenerService(
        name: "enrolment", logger: logger, listen: { try await enrolment.run() }, address: { try await enrolment.boundAddress },
        shutDown: { enrolment.beginGracefulShutdown() }),
      OperationsServer(
        listen: configuration.operationsListen, metrics: monitor.registry, logger: logger,
        readiness: { [host] in await host.isHealthy ? .ready : .notReady("rounds are stopped") }),
    ]
  }

  /// Joins those who use a folder, before anything in it is opened: whoever held the database that a restoration has replaced would
  /// serve what is nowhere any more, beside the next process.
  ///
  /// - Parameter waits: until a restoration is over.
  /// - Returns: what `init` takes; `nil` where the file system has no locks.
  /// - Throws: `StateFolderError` of kind `busy` while the folder's content is replaced.
  public static func enter(_ folder: StateFolder, waits: Bool, logger: Logger) async throws -> FolderUse? {
    var hasSaid = false
    while true {
      do { return try FolderUse.shared(folder) } catch let error as StateFolderError where waits && error.kind == .busy {
        if !hasSaid { logger.notice("standing by: a backup is being restored into this folder") }
        hasSaid = true
        try await Task.sleep(for: .milliseconds(500))
      }
    }
  }

  /// Takes the lease, and the lock that tells the next process on this machine when this one is dead.
  private static func takeLease(
    _ state: CoordinatorState, waits: Bool, _ logger: Logger
  ) async throws -> (Lease, FolderLock?) {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    let host = " on " + String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let holder = "process \(getpid())\(host)"
    var lock: FolderLock?
    var hasSaid = false
    let watch = LeaseWatch()
    // Whoever does not stand by waits as well where the lease seems to be over: its holder's clock may be behind.
    let end = ContinuousClock.now + .seconds(Lease.duration + 1)
    while true {
      lock = lock ?? FolderLock(state.folder)
      let isLocked = lock != nil
      do {
        let lease = try state.store.takeLease(
          holder: holder, now: Date(), watch: watch, isDead: { isLocked && $0.hasSuffix(host) })
        return (lease, lock)
      } catch StoreError.leaseHeld(let other, let until) {
        // An end so far ahead was written by another clock, and says nothing.
        let seemsOver = until <= Date() || until > Date().addingTimeInterval(2 * Lease.duration)
        guard waits || (seemsOver && .now < end) else { throw StoreError.leaseHeld(by: other, until: until) }
        if !hasSaid { logger.notice("standing by: another coordinator holds the lease", [.holder: LogValue(other)]) }
        hasSaid = true
        try await Task.sleep(for: .milliseconds(500))
      } catch let error as TaskDatabaseError where waits && error.kind == .busy {
        // Its holder was suspended in the middle of a write: nobody can take over before that ends or the process does.
        if !hasSaid { logger.notice("standing by: another process is writing to the database and does not end") }
        hasSaid = true
        try await Task.sleep(for: .milliseconds(500))
      }
    }
  }

  fileprivate static func ask(_ passphrase: SecretBytes?) throws -> SecretBytes {
    guard let passphrase else { throw StateFolderError(.unsafe, "the keys are sealed; give passphrase-file") }
    return passphrase
  }

  /// Issues the next server certificate when two thirds of the last one's time are over.
  @discardableResult
  fileprivate static func renewServerCertificate(_ state: CoordinatorState, _ passphrase: SecretBytes?) throws -> Bool {
    let current = try CoordinatorState.serverCertificate(in: state.folder)
    guard current.renewAt <= Date() else { return false }
    try state.issueServerCertificate(passphrase: passphrase, now: Date())
    return true
  }
}

extension CoordinatorConfiguration {
  /// What partners may do to the training listener.
  package var transportLimits: TransportLimits {
    var limits = TransportLimits()
    limits.concurrentUploads = uploadSlots
    limits.paceBytes = uploadPace
    limits.drain = drain
    return limits
  }
}

extension CoordinatorState {
  /// The rounds of this task with what answers its partners, in this process.
  ///
  /// - Parameters:
  ///   - checksCertificates: `false` on a loopback without certificates.
  ///   - clock: tests bring their own.
  ///   - uptime: seconds by a clock that nobody sets; `nil` where `clock` is one.
  package func host(
    lease: Lease, policy: RoundPolicy, quota: UploadSpool.Quota, workers: Int = 1, checksCertificates: Bool = true,
    logger: Logger,
    clock: @escaping @Sendable () -> Date, uptime: (@Sendable () -> Double)? = nil
  ) throws -> (host: RoundHost, handler: TrainingHandler, monitor: RoundMonitor) {
    let monitor = RoundMonitor()
    let spool = try UploadSpool(folder: folder.spool, quota: quota)
    let host = RoundHost(
      RoundHost.Parts(
        store: store, lease: lease, folder: folder, signingKey: signingKey, spool: spool, policy: policy, monitor: monitor,
        workers: workers, logger: logger, clock: clock, uptime: uptime))
    let handler = TrainingHandler(
      state: self, host: host, spool: spool, monitor: monitor, logger: logger, checksCertificates: checksCertificates,
      clock: clock)
    return (host, handler, monitor)
  }
}

/// Time that goes on while the machine sleeps and that nobody sets.
enum Uptime {
  private static let start = ContinuousClock.now

  static var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }
}

/// Keeps the lease and ticks the rounds.
private struct RoundService: Service {
  let host: RoundHost
  let store: CoordinatorStore
  let lease: Lease
  /// Held as long as rounds run.
  let lock: FolderLock?
  let use: FolderUse?
  let monitor: RoundMonitor
  let logger: Logger

  func run() async throws {
    defer { withExtendedLifetime((lock, use)) {} }
    let failure: (any Error)?
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await repeating(.milliseconds(100)) { try await host.tick() } }
        group.addTask { try await repeating(.seconds(Lease.duration / 3)) { try store.renew(lease, now: Date()) } }
        defer { group.cancelAll() }
        try await group.next()
      }
      failure = nil
    } catch { failure = error }
    await host.drain()
    monitor.set(holdsLease: false)
    // Fenced off: the lease is another's already.
    try? store.release(lease)
    if let failure {
      logger.error("rounds are stopped", [.error: LogValue(failure)])
      throw failure
    }
    logger.notice("the lease is released; the attempt under way stays for the next process")
  }

  private func repeating(_ pause: Duration, _ body: @Sendable @escaping () async throws -> Void) async throws {
    try await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        try await body()
        try? await Task.sleep(for: pause)
      }
    }
  }
}

/// Renews the server's certificate, and takes up one that `rotate` made beside this process.
private struct CertificateService: Service {
  let state: CoordinatorState
  let tls: ServerTLS?
  let passphrase: SecretBytes?
  let logger: Logger

  func run() async throws {
    await cancelWhenGracefulShutdown {
      var known = try? CoordinatorState.serverCertificate(in: state.folder).fingerprint
      while !Task.isCancelled {
        try? await Task.sleep(for: .seconds(10))
        guard let tls else { continue }
        do {
          try CoordinatorProcess.renewServerCertificate(state, passphrase)
          let server = try state.serverCertificate(passphrase: { try CoordinatorProcess.ask(passphrase) })
          guard server.certificate.fingerprint != known else { continue }
          try tls.reload(certificatePEM: server.certificate.pem, privateKeyPEM: server.key)
          known = server.certificate.fingerprint
          logger.notice("the server has a new certificate", [.serial: LogValue(server.certificate.serial)])
        } catch {
          // Key and certificate may be half-way through a rotation; the next look finds both.
          logger.warning("the server's certificate could not be renewed", [.error: LogValue(error)])
        }
      }
    }
  }
}

/// A listener as a service.
private struct ListenerService: Service {
  let name: String
  let logger: Logger
  let listen: @Sendable () async throws -> Void
  let address: @Sendable () async throws -> HostPort
  let shutDown: @Sendable () -> Void

  func run() async throws {
    let announcement = Task {
      guard let address = try? await address() else { return }
      logger.notice("listening", [.service: LogValue(name), .address: LogValue(address)])
    }
    defer { announcement.cancel() }
    try await withGracefulShutdownHandler {
      try await listen()
    } onGracefulShutdown: {
      shutDown()
    }
  }
}
