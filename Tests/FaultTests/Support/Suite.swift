import Foundation
import Testing

/// What this run of the suite does: the short form, or with TACIT_FAULTS=long everything.
enum Suite {
  static let isLong = ProcessInfo.processInfo.environment["TACIT_FAULTS"] == "long"

  /// With TACIT_FAULTS=scale: nothing but the measurements of scripts/scale.sh.
  static let measuresScale = ProcessInfo.processInfo.environment["TACIT_FAULTS"] == "scale"

  /// Drives every choice of the suite; printed, so that a run can be repeated.
  static let seed = UInt64(ProcessInfo.processInfo.environment["TACIT_FAULTS_SEED"] ?? "") ?? 20_261_121

  /// Deadlines are multiplied by this on machines that are slower still.
  static let patience = Double(ProcessInfo.processInfo.environment["TACIT_FAULTS_PATIENCE"] ?? "") ?? 1

  static func skip(_ reason: String) { print("SKIPPED: \(reason)") }

  /// Says what was measured, in the log of the tests.
  static func report(_ text: String) { print("FAULTS: \(text)") }

  /// Whether the three programs were built; says so when not.
  static let hasPrograms: Bool = {
    let missing = ChildProcess.Program.allCases.filter { !$0.isBuilt }.map(\.rawValue)
    if !missing.isEmpty {
      skip("\(missing.joined(separator: ", ")) not built; build with swift build -c release --product NAME")
    }
    return missing.isEmpty
  }()
}

/// Everything with real processes runs one after the other: a machine with two cores is busy with one federation.
@Suite(.serialized) struct FaultTests {}

/// SplitMix64: the same choices on every machine.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
