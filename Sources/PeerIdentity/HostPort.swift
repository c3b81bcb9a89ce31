internal import Glibc

/// Where a service listens or is dialled: `name:port`, `192.0.2.1:port` or `[2001:db8::1]:port`.
///
/// One address has one text: names are lower-case, IP addresses are written as the system writes them.
public struct HostPort: Hashable, Sendable, CustomStringConvertible {
  /// A DNS name or an IP address.
  public enum Host: Hashable, Sendable, CustomStringConvertible {
    /// 4 bytes, network order.
    case ipv4([UInt8])
    /// 16 bytes, network order.
    case ipv6([UInt8])
    /// Lower-case letters, digits and hyphens in labels of 1 to 63, at most 253 characters; the last label is no number.
    case name(String)

    /// - Parameter text: without brackets.
    /// - Throws: `PeerIdentityError` of kind `malformed`.
    public init(parsing text: String) throws {
      if let bytes = Self.address(text, family: AF_INET, count: 4) {
        self = .ipv4(bytes)
      } else if let bytes = Self.address(text, family: AF_INET6, count: 16) {
        self = .ipv6(bytes)
      } else if Self.isName(text) {
        self = .name(text.lowercased())
      } else {
        throw PeerIdentityError(
          .malformed,
          "the host \(PeerIdentityError.quoted(text)) is neither a DNS name nor an IP address; expected for example coordinator.example.org, 192.0.2.1 or 2001:db8::1"
        )
      }
    }

    /// Without brackets.
    public var description: String {
      switch self {
      case .name(let name): name
      case .ipv4(let bytes): bytes.map(String.init).joined(separator: ".")
      case .ipv6(let bytes): Self.text(ofIPv6: bytes)
      }
    }

    /// Whether this is an address in 127.0.0.0/8 or ::1. A name never is, not even `localhost`: what it means is decided
    /// by files and servers that an attacker may have written.
    public var isLoopback: Bool {
      switch self {
      case .ipv4(let bytes): bytes.first == 127
      case .ipv6(let bytes): bytes.last == 1 && bytes.dropLast().allSatisfy { $0 == 0 }
      case .name: false
      }
    }

    private static func address(_ text: String, family: Int32, count: Int) -> [UInt8]? {
      guard !text.utf8.contains(0) else { return nil }
      var bytes = [UInt8](repeating: 0, count: count)
      return inet_pton(family, text, &bytes) == 1 ? bytes : nil
    }

    private static func text(ofIPv6 bytes: [UInt8]) -> String {
      var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
      guard bytes.count == 16, inet_ntop(AF_INET6, bytes, &text, socklen_t(text.count)) != nil else {
        preconditionFailure("an IPv6 address has 16 bytes, found \(bytes.count)")
      }
      return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func isName(_ text: String) -> Bool {
      guard (1...253).contains(text.utf8.count) else { return false }
      let labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      guard let last = labels.last, !last.allSatisfy({ isDigit($0) }) else { return false }
      return labels.allSatisfy { label in
        (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
          && label.allSatisfy { isDigit($0) || isLetter($0) || $0 == UInt8(ascii: "-") }
      }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
  }

  public let host: Host
  /// 0 means "any free port" to a listener and cannot be dialled.
  public let port: UInt16

  public init(host: Host, port: UInt16) {
    self.host = host
    self.port = port
  }

  /// - Throws: `PeerIdentityError` of kind `malformed`.
  public init(parsing text: String) throws {
    let hostText: Substring
    let portText: Substring
    if text.hasPrefix("["), let end = text.firstIndex(of: "]"), text[end...].hasPrefix("]:") {
      hostText = text[text.index(after: text.startIndex)..<end]
      portText = text[end...].dropFirst(2)
    } else if !text.hasPrefix("["), let colon = text.firstIndex(of: ":"), text.lastIndex(of: ":") == colon {
      hostText = text[..<colon]
      portText = text[text.index(after: colon)...]
    } else {
      throw PeerIdentityError(
        .malformed,
        "the address \(PeerIdentityError.quoted(text)) is not HOST:PORT; expected for example coordinator.example.org:7443, 192.0.2.1:7443 or [2001:db8::1]:7443"
      )
    }
    guard (1...5).contains(portText.utf8.count), portText.utf8.allSatisfy({ (48...57).contains($0) }),
      portText == "0" || portText.first != "0", let port = UInt16(portText)
    else {
      throw PeerIdentityError(
        .malformed, "the port in \(PeerIdentityError.quoted(text)) is not a number from 0 to 65535")
    }
    let host = try Host(parsing: String(hostText))
    if case .ipv6 = host {
    } else if text.hasPrefix("[") {
      throw PeerIdentityError(
        .malformed, "the address \(PeerIdentityError.quoted(text)) has brackets around something that is no IPv6 address")
    }
    self.init(host: host, port: port)
  }

  /// As `init(parsing:)` reads it.
  public var description: String {
    if case .ipv6 = host { return "[\(host)]:\(port)" }
    return "\(host):\(port)"
  }

  /// Whether nothing but this machine can be reached: 127.0.0.0/8 or ::1, written as an address.
  public var isLoopback: Bool { host.isLoopback }
}
