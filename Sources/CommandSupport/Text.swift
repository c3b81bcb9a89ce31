internal import Foundation

/// Numbers for people.
public enum Text {
  /// Three significant digits.
  public static func significant(_ value: Double) -> String { String(format: "%.3g", value) }
  /// 0.123 as 12.3 %.
  public static func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
}
