public import Operations
public import PeerIdentity

/// How one process of the coordinator runs; from file, environment and flags.
public struct CoordinatorConfiguration: Sendable {
  public var state: StateFolder
  public var listen: HostPort
  public var enrolmentListen: HostPort
  /// Where metrics and health are served; loopback by default.
  public var operationsListen: HostPort
  public var policy: RoundPolicy
  public var spoolQuota: UploadSpool.Quota
  public var uploadSlots: Int
  public var isInsecureLoopback: Bool
  public var isStandby: Bool
  public var workers: Int
  public var drain: Duration
  public var passphraseFile: String?
  public var logLevel: LogDetail
  public var logFormat: LogFormat

  /// - Throws: `SettingsError` with every problem.
  public init(_ settings: Settings) throws {
    let known = CoordinatorSettings.self
    state = StateFolder(path: settings[known.state])
    listen = settings[known.listen]
    enrolmentListen = settings[known.enrolmentListen]
    operationsListen = settings[known.metricsListen]
    policy = RoundPolicy(
      stageSeconds: settings[known.stageDeadline].seconds, inputSeconds: settings[known.inputDeadline].seconds,
      earlyShare: settings[known.closeEarlyShare], graceSeconds: settings[known.closeEarlyGrace].seconds,
      everySeconds: settings[known.every].seconds, notBefore: settings[ifSet: known.notBefore]?.date,
      gatherSeconds: settings[known.gather].seconds, retrySeconds: settings[known.retryPause].seconds)
    spoolQuota = UploadSpool.Quota(
      perParticipant: UInt64(settings[known.spoolPerPartner]), total: UInt64(settings[known.spoolTotal]))
    uploadSlots = settings[known.uploadSlots]
    isInsecureLoopback = settings[known.insecureLoopback]
    isStandby = settings[known.standby]
    workers = settings[known.workers]
    drain = settings[known.drain]
    passphraseFile = settings[ifSet: known.passphraseFile]
    logLevel = settings[known.logLevel]
    logFormat = settings[known.logFormat]
    if isInsecureLoopback {
      for (name, address) in [("listen", listen), ("enrolment-listen", enrolmentListen)] where !address.isLoopback {
        throw SettingsError(problems: [
          "\(name) is \(address) with insecure-loopback: without TLS only 127.0.0.0/8 and ::1 are served; leave insecure-loopback out"
        ])
      }
    }
  }
}

extension Duration {
  var seconds: Double { self / .seconds(1) }
}
