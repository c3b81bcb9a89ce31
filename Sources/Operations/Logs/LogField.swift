/// Everything that a log line may say besides its message. The list is closed, and nothing in it is about the people whose
/// data is trained on: no users, no items, no counts of either, no ratings, no contents of messages, no secrets.
public enum LogField: String, Sendable, CaseIterable, Hashable {
  // Which part of the work.
  case task, session, plan, round, attempt, stage, generation, ordinal, version, release, releases
  // Which firm's machine.
  case participant, partner, address, port, instance, serial, fingerprint
  // What happened.
  case reason, error, signal, rpc, event, state, phase, verdict, code, kind, result, found
  // How much of the machine it took.
  case bytes, offset, seconds, milliseconds, count, limit, needed, answered, awaited, retry, until
  // The program itself.
  case program, path, key, source, service, holder, token, level, dropped, epsilon, budget
}

/// A value of a log line: a number, a switch or a short text.
public enum LogValue: Sendable, Equatable {
  case integer(Int)
  case number(Double)
  case text(String)
  case switched(Bool)

  public init(_ value: some BinaryInteger) { self = .integer(Int(clamping: value)) }
  public init(_ value: Double) { self = .number(value) }
  public init(_ value: Bool) { self = .switched(value) }
  /// Seconds.
  public init(_ value: Duration) { self = .number(value / .seconds(1)) }
  /// What a value calls itself.
  public init(_ value: some CustomStringConvertible) { self = .text(value.description) }
  public init(_ error: any Error) { self = .text("\(error)") }
}

extension LogValue: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral,
  ExpressibleByBooleanLiteral
{
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(stringLiteral value: String) { self = .text(value) }
  public init(booleanLiteral value: Bool) { self = .switched(value) }
}
