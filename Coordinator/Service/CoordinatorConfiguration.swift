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
  /// Bytes in each window of `TransportLimits.paceWindow`.
  public var uploadPace: Int
  public var isInsecureLoopback: Bool
  public var isStandby: Bool
  public var workers: Int
  public var drain: Duration
  public var passphraseFile: String?
  public var logLevel: LogDetail
  public var logFormat: LogFormat
  /// What an operator should know before it serves, one sentence each.
  public var warnings: [String] = []

  /// - Parameter task: what partners were told; ports that are not set are its ports. By default that of the state folder, if it is
  ///   there.
  /// - Throws: `SettingsError` with every problem.
  public init(_ settings: Settings, task: TaskDescription? = nil) throws {
    let known = CoordinatorSettings.self
    let folder = StateFolder(path: settings[known.state])
    let task = task ?? (try? CoordinatorState.description(of: folder))
    state = folder
    isInsecureLoopback = settings[known.insecureLoopback]
    let anywhere = isInsecureLoopback ? "127.0.0.1" : "0.0.0.0"
    let training = try task.map { try HostPort(parsing: $0.trainingAddress) }
    let enrolment = try task.map { try HostPort(parsing: $0.enrolmentAddress) }
    listen = try settings[ifSet: known.listen] ?? HostPort(parsing: "\(anywhere):\(training?.port ?? 7443)")
    enrolmentListen = try settings[ifSet: known.enrolmentListen] ?? HostPort(parsing: "\(anywhere):\(enrolment?.port ?? 7444)")
    operationsListen = settings[known.metricsListen]
    policy = RoundPolicy(
      stageSeconds: settings[known.stageDeadline].seconds, inputSeconds: settings[known.inputDeadline].seconds,
      earlyShare: settings[known.closeEarlyShare], graceSeconds: settings[known.closeEarlyGrace].seconds,
      everySeconds: settings[known.every].seconds, notBefore: settings[ifSet: known.notBefore]?.date,
      gatherSeconds: settings[known.gather].seconds, retrySeconds: settings[known.retryPause].seconds)
    spoolQuota = UploadSpool.Quota(
      perParticipant: UInt64(settings[known.spoolPerPartner]), total: UInt64(settings[known.spoolTotal]))
    uploadSlots = settings[known.uploadSlots]
    uploadPace = settings[known.uploadPace]
    isStandby = settings[known.standby]
    workers = settings[known.workers]
    drain = settings[known.drain]
    passphraseFile = settings[ifSet: known.passphraseFile]
    logLevel = settings[known.logLevel]
    logFormat = settings[known.logFormat]
    for (name, own, told) in [("listen", listen, training), ("enrolment-listen", enrolmentListen, enrolment)] {
      guard let told, own.port != told.port else { continue }
      warnings.append(
        "\(name) is \(own), but partners were told \(told): they reach it only where something forwards that port")
    }
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
