/// The variables that some program of this package reads. One shell often serves several of them, so that each leaves alone
/// what only its sisters know; what none of them knows is refused as a mistake.
enum SisterVariables {
  static let names = Set(settings.map(SettingName.variable)).union([SettingsSchema.fileVariable]).union(tests)

  /// Settings of `tacit-coordinator` and `tacit-client`. The tests compare this list with what both programs list.
  private static let settings = [
    "close-early-grace", "close-early-share", "drain", "enrolment-listen", "every", "gather", "home", "input-deadline",
    "insecure-loopback", "listen", "log-format", "log-level", "metrics-listen", "not-before", "once", "passphrase-file",
    "poll-wait",
    "retry-pause", "spool-per-partner", "spool-total", "stage-deadline", "standby", "state", "upload-pace",
    "upload-slots", "workers",
  ]

  private static let tests = [
    "TACIT_FAULTS", "TACIT_FAULTS_KEEP", "TACIT_FAULTS_PATIENCE", "TACIT_FAULTS_SEED", "TACIT_SHARED",
  ]
}
