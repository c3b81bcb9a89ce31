internal import GRPCCore

extension TransportRefusal {
  /// Whether the same call can succeed later without anybody doing anything.
  public var isTemporary: Bool {
    switch self {
    case .unavailable, .rateLimited, .tooManyCalls, .stalled, .deadlineExceeded: true
    default: false
    }
  }
}

extension TransportRefusal: CustomStringConvertible {
  public var description: String { String(describing: isTemporary) }
}
