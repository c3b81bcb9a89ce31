internal import Foundation
public import Operations
public import PeerIdentity

/// Every setting of `tacit-client run`.
public enum PartnerSettings {
  public static let home = Setting<String>.path("home", .optional, help: "The partner's folder: keys, database, ledgers.")
  static let passphraseFile = Setting<String>.path(
    "passphrase-file", .optional, help: "File (0600) whose first line opens sealed keys.")
  static let insecureLoopback = Setting<Bool>.switched(
    "insecure-loopback", .default("false"), help: "No TLS, on this machine only; for trying out, never with real data.")
  static let once = Setting<Bool>.switched(
    "once", .default("false"), help: "End with the plan instead of waiting for the next one.")
  static let workers = Setting<Int>.integer(
    "workers", .optional, in: 1...1024, help: "Threads for local training; as many as there are cores when left out.")
  static let pollWait = Setting<Duration>.duration(
    "poll-wait", .default("30s"), in: .seconds(1) ... .seconds(60), help: "How long one question waits at the coordinator.")
  static let metricsListen = Setting<HostPort>.address(
    "metrics-listen", .optional,
    help: "Plain HTTP on this machine: /metrics, /healthz, /readyz. Left out, nothing listens at a partner.")
  static let drain = Setting<Duration>.duration(
    "drain", .default("60s"), in: .seconds(1) ... .seconds(600),
    help: "Time for local training to end on SIGTERM; after it the process ends, and the attempt goes on without this partner.")
  static let logLevel = Setting<LogDetail>.choice("log-level", .default("info"), help: "Least important lines that are written.")
  static let logFormat = Setting<LogFormat>.choice("log-format", .default("text"), help: "Lines for people or for machines.")

  public static let schema = SettingsSchema(
    program: "tacit-client",
    [
      home, passphraseFile, insecureLoopback, once, workers, pollWait, metricsListen, drain, logLevel, logFormat,
    ])
}

/// How one process of a partner runs; from file, environment and flags.
public struct PartnerConfiguration: Sendable {
  /// `nil` when nobody named one.
  public var home: String?
  public var passphraseFile: String?
  public var isInsecureLoopback: Bool
  public var isOnce: Bool
  public var workers: Int
  public var pollWait: Duration
  /// `nil`: nothing listens.
  public var metricsListen: HostPort?
  public var drain: Duration
  public var logLevel: LogDetail
  public var logFormat: LogFormat

  /// - Throws: `SettingsError` with every problem.
  public init(_ settings: Settings) throws {
    let known = PartnerSettings.self
    home = settings[ifSet: known.home]
    passphraseFile = settings[ifSet: known.passphraseFile]
    isInsecureLoopback = settings[known.insecureLoopback]
    isOnce = settings[known.once]
    workers = settings[ifSet: known.workers] ?? ProcessInfo.processInfo.activeProcessorCount
    pollWait = settings[known.pollWait]
    metricsListen = settings[ifSet: known.metricsListen]
    drain = settings[known.drain]
    logLevel = settings[known.logLevel]
    logFormat = settings[known.logFormat]
    if let metricsListen, !metricsListen.isLoopback {
      throw SettingsError(problems: [
        "\(settings.source(of: known.metricsListen)): metrics-listen is \(metricsListen), expected an address of this machine such as 127.0.0.1:9465: a partner is reached by nobody from outside"
      ])
    }
  }
}
