internal import CryptoPrimitives
public import PeerIdentity

/// Who may ask.
///
/// On loopback everybody who is on this machine, unless a token is set; but not a page that a browser here has open: the header
/// `Host` must name this machine, so that no foreign name that was made to point here (DNS rebinding) can read, and a body must say
/// that it is JSON, which a foreign page cannot send without being allowed to. On any other address whoever has the token.
public struct AccessRule: Sendable {
  private let isLoopback: Bool
  /// SHA-256 of the token: digests have one length, and comparing them tells nothing of it.
  private let token: SecretBytes?

  /// - Parameter token: 16 to 1024 visible ASCII characters.
  /// - Throws: `ServingFailure` without a token on an address that others can reach, or for one that is none.
  public init(listen address: HostPort, token: String?) throws {
    isLoopback = address.isLoopback
    guard let token else {
      guard isLoopback else {
        throw ServingFailure(
          "\(address) can be reached by others, and there is no token: listen on 127.0.0.1, or give --token-file with a secret that callers send as 'Authorization: Bearer …'"
        )
      }
      self.token = nil
      return
    }
    guard (16...1024).contains(token.utf8.count), token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw ServingFailure("the token is not 16 to 1024 visible ASCII characters; make one with: openssl rand -hex 32")
    }
    self.token = Self.digest(token)
  }

  private static func digest(_ text: String) -> SecretBytes { SecretBytes(copying: SHA256.hash(Array(text.utf8)).bytes) }

  /// - Parameters:
  ///   - authority: the header `Host`.
  ///   - isOpen: whether the route needs no token.
  func check(authority: String?, authorization: String?, isOpen: Bool) throws(APIProblem) {
    guard let token else { return try checkHost(authority) }
    guard !isOpen else { return }
    let prefix = "bearer "
    guard let authorization, authorization.lowercased().hasPrefix(prefix),
      Self.digest(String(authorization.dropFirst(prefix.count))).isEqual(to: token)
    else { throw APIProblem(.unauthorized, "the token is missing or another one; send it as 'Authorization: Bearer …'") }
  }

  private func checkHost(_ authority: String?) throws(APIProblem) {
    let host = authority.map { text in
      if text.hasPrefix("["), let end = text.firstIndex(of: "]") { return String(text[text.index(after: text.startIndex)..<end]) }
      return text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).first.map(String.init) ?? ""
    }
    guard let host, host.lowercased() == "localhost" || ((try? HostPort.Host(parsing: host))?.isLoopback ?? false) else {
      throw APIProblem(.misdirected, "the header Host names another machine; ask 127.0.0.1 or localhost")
    }
  }
}
