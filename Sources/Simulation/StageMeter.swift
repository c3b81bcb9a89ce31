internal import Glibc

/// Where the work of a run went: CPU seconds, and bytes on the wire, by stage.
public struct StageMeter: Sendable, Equatable {
  public enum Stage: String, Sendable, CaseIterable {
    case openRound = "open round"
    case advertiseKeys = "advertise keys"
    case shareKeys = "share keys"
    case localTraining = "local training"
    case maskedInput = "masked input"
    case consistencyCheck = "consistency check"
    case unmask
    case noiseAndAdvance = "noise and model step"
    case wireCodec = "wire codec"
    case ledger
  }

  public struct Figures: Sendable, Equatable {
    public var cpuSeconds: Double = 0
    public var bytesUp = 0
    public var bytesDown = 0
    public var messages = 0
  }

  public private(set) var stages: [Stage: Figures] = [:]

  public init() {}

  mutating func add(cpuSeconds: Double, to stage: Stage) { stages[stage, default: Figures()].cpuSeconds += cpuSeconds }

  mutating func add(bytesUp: Int, to stage: Stage) {
    stages[stage, default: Figures()].bytesUp += bytesUp
    stages[stage, default: Figures()].messages += 1
  }

  mutating func add(bytesDown: Int, to stage: Stage) {
    stages[stage, default: Figures()].bytesDown += bytesDown
    stages[stage, default: Figures()].messages += 1
  }

  /// CPU seconds of the whole process so far, all threads.
  public static func processCPU() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Seconds of a clock that only moves forward.
  public static func wallClock() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
