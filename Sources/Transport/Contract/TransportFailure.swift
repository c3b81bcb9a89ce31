/// Why a client's call brought no answer.
public enum TransportFailure: Error, Sendable, Hashable {
  /// The server answered with a refusal.
  case refused(TransportRefusal)
  /// No connection, or it broke; tries went on until the deadline.
  case unreachable(String)
  /// TLS: the server's certificate is not of this task, or the server did not accept ours.
  case notTrusted(String)
  /// No answer in time.
  case deadlineExceeded
  /// The server answered what the protocol does not allow.
  case badAnswer(String)
  /// This side could not read or write its own bytes.
  case local(String)
  /// The caller's task was cancelled, or the client was closed.
  case cancelled

  /// Whether the same call can succeed later without anybody doing anything.
  public var isTemporary: Bool {
    switch self {
    case .unreachable, .deadlineExceeded: true
    case .refused(let refusal): refusal.isTemporary
    case .notTrusted, .badAnswer, .local, .cancelled: false
    }
  }
}

extension TransportFailure: CustomStringConvertible {
  public var description: String {
    switch self {
    case .refused(let refusal): refusal.description
    case .unreachable(let reason): "The coordinator cannot be reached: \(reason)."
    case .notTrusted(let reason): "The connection is not trusted: \(reason)."
    case .deadlineExceeded: "The coordinator did not answer in time."
    case .badAnswer(let what): "The coordinator's answer does not follow the protocol: \(what)."
    case .local(let what): "This side failed: \(what)."
    case .cancelled: "The call was cancelled."
    }
  }
}
