internal import Foundation
public import Operations
internal import PeerIdentity

/// Every setting of `tacit-coordinator`.
public enum CoordinatorSettings {
  public static let state = Setting<String>.path(
    "state", .default("state"), help: "State folder: authority, keys, database, ledgers, spool.")
  static let passphraseFile = Setting<String>.path(
    "passphrase-file", .optional, help: "File (0600) whose first line opens sealed keys; without it you are asked.")
  static let listen = Setting<HostPort>.address(
    "listen", .optional,
    help: "Training: mutual TLS 1.3. By default 0.0.0.0 and the port of the training address that init was told.")
  static let enrolmentListen = Setting<HostPort>.address(

    "enrolment-listen", .optional,
    help: "Enrolment: TLS 1.3 with this server's certificate. By default 0.0.0.0 and the port that init was told.")
  static let metricsListen = Setting<HostPort>.address(
    "metrics-listen", .default("127.0.0.1:9464"), help: "Plain HTTP: /metrics, /healthz, /readyz.")
  static let insecureLoopback = Setting<Bool>.switched(
    "insecure-loopback", .default("false"), help: "No TLS, on this machine only; for trying out, never with real data.")
  static let standby = Setting<Bool>.switched(
    "standby", .default("false"), help: "Wait for the lease of another coordinator on this folder instead of ending.")
  static let stageDeadline = Setting<Duration>.duration(
    "stage-deadline", .default("2m"), in: .milliseconds(100)...(.seconds(7 * 86_400)),
    help: "Time for each short stage of a round.")
  static let inputDeadline = Setting<Duration>.duration(
    "input-deadline", .default("15m"), in: .milliseconds(100)...(.seconds(7 * 86_400)),
    help: "Time for the stage in which partners train and upload.")
  static let closeEarlyShare = Setting<Double>.number(
    "close-early-share", .default("1"), in: 0.1...1,
    help: "Close a stage when this share of partners has answered and the grace is over; 1 waits for all until the deadline.")
  static let closeEarlyGrace = Setting<Duration>.duration(
    "close-early-grace", .default("30s"), in: .zero...(.seconds(86_400)), help: "The least time of a stage that is closed early.")
  static let every = Setting<Duration>.duration(
    "every", .default("0s"), in: .zero...(.seconds(366 * 86_400)), help: "Time from one round to the next; 0s opens it at once.")
  static let notBefore = Setting<Moment>.moment("not-before", .optional, help: "No round is opened before.")
  static let gather = Setting<Duration>.duration(
    "gather", .default("30s"), in: .zero...(.seconds(86_400)),
    help: "When enough partners are connected, wait so long for the others before a round is opened.")
  static let retryPause = Setting<Duration>.duration(
    "retry-pause", .default("2s"), in: .zero...(.seconds(86_400)), help: "Time from an attempt that came to nothing to the next.")
  static let spoolPerPartner = Setting<Int>.size(
    "spool-per-partner", .default("1GiB"), in: 1 << 20...1 << 40, help: "Most bytes of uploads on disk, for each partner.")
  static let spoolTotal = Setting<Int>.size(
    "spool-total", .default("64GiB"), in: 1 << 20...1 << 44, help: "Most bytes of uploads on disk, in all.")
  static let uploadSlots = Setting<Int>.integer(
    "upload-slots", .default("8"), in: 1...1024, help: "Uploads that are received at one time; others wait their turn.")
  static let uploadPace = Setting<Int>.size(
    "upload-pace", .default("1MiB"), in: 1 << 10...1 << 30,
    help:
      "Fewest bytes that a partner sends in 30 s while it holds such a turn; a slower one goes to the end of the line. Lines below 280 kbit/s need less."
  )
  static let workers = Setting<Int>.integer(
    "workers", .default("2"), in: 1...1024, help: "Threads that remove masks at the end of a round.")
  static let drain = Setting<Duration>.duration(
    "drain", .default("15s"), in: .seconds(1)...(.seconds(600)), help: "Time for running calls to end on SIGTERM.")
  static let logLevel = Setting<LogDetail>.choice("log-level", .default("info"), help: "Least important lines that are written.")
  static let logFormat = Setting<LogFormat>.choice("log-format", .default("text"), help: "Lines for people or for machines.")

  public static let schema = SettingsSchema(
    program: "tacit-coordinator",
    [
      state, passphraseFile, listen, enrolmentListen, metricsListen, insecureLoopback, standby, stageDeadline, inputDeadline,
      closeEarlyShare, closeEarlyGrace, every, notBefore, gather, retryPause, spoolPerPartner, spoolTotal, uploadSlots,
      uploadPace,
      workers,
      drain, logLevel, logFormat,
    ])

  /// A point in time, as ISO 8601 has it.
  struct Moment: Sendable { let date: Date }
}

extension Setting where Value == CoordinatorSettings.Moment {
  static func moment(_ name: String, _ presence: SettingPresence, help: String) -> Setting {
    Setting(
      name, presence, expected: "a time such as 2027-03-01T02:00:00Z", help: help,
      parse: { text in (try? Date(text, strategy: .iso8601)).map { CoordinatorSettings.Moment(date: $0) } },
      show: { $0.date.formatted(.iso8601) })
  }
}
