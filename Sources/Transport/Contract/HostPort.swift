/// A host (name, IPv4 or IPv6 address without brackets) and a port.
public struct HostPort: Sendable, Hashable, CustomStringConvertible {
  public let host: String
  public let port: Int
  public init(host: String, port: Int) {
    self.host = host
    self.port = port
  }
  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
