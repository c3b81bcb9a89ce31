internal import CryptoPrimitives
public import Foundation
public import Logging
public import PeerIdentity
internal import Transport

/// How a host's work came to its end.
public enum PartnerEnding: Sendable, Equatable {
  /// The plan is over, in the coordinator's words; only with `PartnerHost.Options.once`.
  case finished(reason: String, isComplete: Bool)
  case left
  /// `stop` was called.
  case stopped
}

/// One partner's daemon: reaches the coordinator, renews its certificate, takes part in every attempt of the plan that it
/// accepted, and goes on for as long as it takes.
///
/// The engine and its one-time secrets live in this actor only. What must survive a crash is on disk before it matters:
/// marks and heads by the engine's journal, charges by the ledger. After a crash the attempt of the mark is refused, and the
/// next one is answered.
public actor PartnerHost {
  /// What may be chosen about a host.
  public struct Options: Sendable {
    /// Whether the host ends with the plan instead of waiting for the next one.
    public var once = false
    /// Threads for local training.
    public var workers = 1
    /// How long one poll waits at the coordinator.
    public var pollWait: Duration = .seconds(30)
    /// Pause before the partner looks again whether a plan was accepted or a pause is over.
    public var idlePause: Duration = .seconds(2)
    /// First and longest pause while nobody answers.
    public var firstPause: Duration = .milliseconds(500)
    public var longestPause: Duration = .seconds(60)
    /// How long one message is tried again by itself; longer outages are waited for between conversations, which also renew
    /// certificates and send what a person decides.
    public var uploadPatience: Duration = .seconds(60)

    public init() {}
  }

  let home: PartnerHome
  let store: PartnerStore
  let enrolment: Enrolment
  let keys: PartnerKeys
  let line: CoordinatorLine
  let options: Options
  let clock: @Sendable () -> Date
  let logger: Logger
  let lock: HomeLock
  let executor = QueueExecutor()
  var random = SystemRandomSource()
  var generator = SystemRandomNumberGenerator()
  var active: ActiveTask?
  /// Plans that were fetched and wait for a person; told once.
  var announced: Set<Digest> = []
  var isStopping = false
  /// Whether statements are being sent: each goes once.
  var isTelling = false
  /// Whether a poll waits for the coordinator.
  var isPolling = false
  /// What was said and would only be repeated.
  var said: Set<String> = []
  var lastRenewal: ContinuousClock.Instant?
  var skew: TimeInterval = 0
  /// Refusals of the engine, messages that came twice, and the like; by reason.
  public internal(set) var counts: [String: Int] = [:]

  /// Trains off Swift's shared threads: they must stay free for the network, whatever the number of hosts.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  /// Opens a home.
  ///
  /// - Parameters:
  ///   - line: makes the connection from the home's certificate and keys.
  ///   - clock: for the ledger's and the certificate's times; nothing of a round depends on it.
  /// - Throws: `PartnerError` when the home has not enrolled, was purged or left, or is in use (`superseded`);
  ///   `PeerIdentityError` for keys.
  public init(
    home: PartnerHome, passphrase: PassphraseSource, options: Options = Options(), logger: Logger,
    clock: @escaping @Sendable () -> Date = { Date() },
    line: (Enrolment, PartnerCredentials) throws -> CoordinatorLine
  ) throws {
    guard let lock = try HomeLock(home) else {
      throw PartnerError(
        .superseded,
        "another process speaks for the home \(home.path) already; end it first, or look at it with: tacit-client status")
    }
    self.lock = lock
    self.home = home
    store = try PartnerStore(home)
    enrolment = try Joining.enrolment(of: store, home)
    guard try !store.isPurged else {
      throw PartnerError(.usage, "the home \(home.path) was purged: its keys and data are gone; enrol a new one")
    }
    keys = try PartnerKeys.read(home, passphrase: passphrase)
    guard keys.identity.verificationKey == enrolment.identity else {
      throw PartnerError(.data, "\(home.identityKey) is not the identity that this home enrolled with; put the right file back")
    }
    self.options = options
    self.logger = logger
    self.clock = clock
    self.line = try line(enrolment, PartnerCredentials(home: home, keys: keys))
  }

  /// Runs until the plan ends (`once`), the partner leaves, or `stop`.
  ///
  /// - Throws: `PartnerError` when going on would be wrong: another process took the identity over, this home was rolled back,
  ///   the coordinator lets this partner in no longer, or shows documents that contradict what was pinned.
  public func run() async throws -> PartnerEnding {
    let connection = line.connection
    defer {
      // The ledger's lock goes with the engine; the next process may begin.
      active = nil
      lock.release()
    }
    var backoff = Backoff(first: options.firstPause, longest: options.longestPause)
    var distrust = Distrust()
    // A poll may wait for half a minute; what a person decides meanwhile is told beside it.
    let teller = Task { await self.tellMeanwhile() }
    defer { teller.cancel() }
    while !isStopping {
      do {
        let ending = try await converse {
          backoff.reset()
          distrust.reset()
        }
        return ending == .stopped && hasTakenLeave ? .left : ending
      } catch let failure as TransportFailure {
        if case .cancelled = failure { break }
        if case .refused(.revoked) = failure { try? store.note(isRevoked: true) }
        distrust.note(failure, hasExpired: hasExpiredCertificate)
        if let error = FatalFailure.error(for: failure, home: home, distrust: distrust, now: clock()) {
          await connection.close()
          throw error
        }
        let pause = FatalFailure.pause(for: failure) ?? backoff.next(using: &generator)
        logger.warning(
          "the coordinator does not answer as it should; trying again",
          metadata: [
            "error": "\(failure)", "retry": "\(pause)",
          ])
        try? await Task.sleep(for: pause)
        if Task.isCancelled { break }
      } catch {
        guard FatalFailure.isFullDisk(error) else {
          await connection.close()
          throw error
        }
        // Nothing was half-written; when there is space again, the partner goes on.
        count("the disk is full")
        let pause = backoff.next(using: &generator)
        logger.error("the disk is full; waiting for space", metadata: ["reason": "\(error)", "retry": "\(pause)"])
        try? await Task.sleep(for: pause)
        if Task.isCancelled { break }
      }
    }
    await connection.close()
    return hasTakenLeave ? .left : .stopped
  }

  /// Ends `run` at the next message or pause; an attempt under way goes on without this partner.
  public func stop() async {
    isStopping = true
    await line.connection.close()
  }

  // MARK: - Words

  var now: Int { Int(clock().timeIntervalSince1970) }

  /// Whether the coordinator lets nobody in with this home's certificate any more.
  private var hasExpiredCertificate: Bool {
    (try? home.readCertificate()).map { $0.notAfter < clock() } ?? false
  }

  func count(_ reason: String) { counts[reason, default: 0] += 1 }

  /// Whether this is new: what comes again by itself is logged once.
  func isNews(_ words: String) -> Bool { said.insert(words).inserted }

  func pause() async throws {
    if options.once {
      try? await Task.sleep(for: min(options.idlePause, .milliseconds(500)))
    } else {
      try? await Task.sleep(for: options.idlePause)
    }
  }
}
