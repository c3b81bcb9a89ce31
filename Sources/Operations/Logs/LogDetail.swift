public import Logging

/// How much is logged, as settings name it.
public enum LogDetail: String, Sendable, CaseIterable {
  case trace, debug, info, notice, warning, error, critical

  public var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}
