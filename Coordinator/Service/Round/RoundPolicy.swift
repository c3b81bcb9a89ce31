public import Foundation
internal import SecureAggregation

/// How long the coordinator waits, and for whom. No part of the signed plan: it decides when rounds happen, never what they reveal.
public struct RoundPolicy: Sendable, Equatable {
  /// Seconds that a stage may take; whoever has not answered then is a dropout of the attempt.
  public var stageSeconds: Double
  /// The same for the stage in which partners train and upload.
  public var inputSeconds: Double
  /// Close a stage early when this share of those who were asked has answered and `graceSeconds` have passed; 1 waits for all.
  /// A stage is never closed with fewer than the plan's minimum.
  public var earlyShare: Double
  public var graceSeconds: Double
  /// Seconds from one round's first opening to the next's; 0 opens it at once.
  public var everySeconds: Double
  /// No round is opened before.
  public var notBefore: Date?
  /// When enough partners for the plan's minimum are there, wait so long for the others.
  public var gatherSeconds: Double
  /// Seconds between an attempt that came to nothing and the next.
  public var retrySeconds: Double

  public init(
    stageSeconds: Double = 120, inputSeconds: Double = 900, earlyShare: Double = 1, graceSeconds: Double = 30,
    everySeconds: Double = 0, notBefore: Date? = nil, gatherSeconds: Double = 30, retrySeconds: Double = 2
  ) {
    self.stageSeconds = stageSeconds
    self.inputSeconds = inputSeconds
    self.earlyShare = earlyShare
    self.graceSeconds = graceSeconds
    self.everySeconds = everySeconds
    self.notBefore = notBefore
    self.gatherSeconds = gatherSeconds
    self.retrySeconds = retrySeconds
  }

  func seconds(of stage: AggregationStage) -> Double { stage == .maskedInput ? inputSeconds : stageSeconds }

  /// Whether a stage may end before its time.
  func mayClose(answered: Int, awaited: Int, needed: Int, openFor seconds: Double) -> Bool {
    guard earlyShare < 1, awaited > 0, seconds >= graceSeconds else { return false }
    let asked = Double(answered + awaited)
    return answered >= needed && Double(answered) >= (earlyShare * asked).rounded(.up)
  }
}
