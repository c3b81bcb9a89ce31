internal import NIOCore
internal import NIOSSL
internal import NIOTLS
internal import Synchronization

/// What stands in front of HTTP/2 on an accepted connection: TLS 1.3 (or nothing, in insecure loopback mode), its time limit, ALPN, and the
/// number of connections.
///
/// gRPC itself is configured as plaintext: its own TLS option would admit TLS 1.2, and this way the certificate can be replaced between two
/// connections.
final class ServerHandshake: Sendable {
  private let context: (@Sendable () -> NIOSSLContext)?
  private let timeLimit: TimeAmount
  private let connectionLimit: Int
  private let perAddress: Int
  private let perPartner: PartnerLimit?
  private let count: @Sendable (String) -> Void
  /// For calls that send much.
  let pace = OutboundPace()
  private let open = Mutex(OpenConnections())
  private let partners = Mutex<[UInt32: [any Channel]]>([:])

  /// How many connections one partner may have, and whom a certificate (DER) that TLS has verified names.
  struct PartnerLimit: Sendable {
    let limit: Int
    let participant: @Sendable ([UInt8]) -> UInt32?
  }

  /// - Parameters:
  ///   - context: TLS for the next connection; `nil` for plaintext.
  ///   - count: told why a connection came to nothing (`tls-…`, `connection-limit`).
  init(
    context: (@Sendable () -> NIOSSLContext)?, timeLimit: Duration, connectionLimit: Int, perAddress: Int,
    perPartner: PartnerLimit? = nil, count: @escaping @Sendable (String) -> Void
  ) {
    self.context = context
    self.timeLimit = TimeAmount(timeLimit)
    self.connectionLimit = connectionLimit
    self.perAddress = perAddress
    self.perPartner = perPartner
    self.count = count
  }

  /// Called on the connection's event loop, before its first byte.
  func install(on channel: any Channel) -> EventLoopFuture<Void> {
    let origin = CallerOrigin.of(address: channel.remoteAddress?.ipAddress ?? "")
    let (isTooMany, outdated) = open.withLock { $0.admit(channel, from: origin, limit: connectionLimit, perAddress: perAddress) }
    channel.closeFuture.whenComplete { _ in self.open.withLock { $0.forget(channel, from: origin) } }
    if let outdated {
      count(ConnectionEnd.limit.rawValue)
      outdated.close(promise: nil)
    }
    if isTooMany {
      count(ConnectionEnd.limit.rawValue)
      // A failed future would end the listener; a closed connection ends itself.
      channel.close(promise: nil)
      return channel.eventLoop.makeSucceededVoidFuture()
    }
    return channel.eventLoop.makeCompletedFuture {
      try Self.boundBuffers(of: channel)
      try pace.install(on: channel)
      guard let context else { return }
      var buffers = NIOSSLHandler.Configuration()
      buffers.maximumPreservedOutboundBufferCapacity = Self.keptBytes
      let tls = NIOSSLServerHandler(context: context(), configuration: buffers)
      try channel.pipeline.syncOperations.addHandler(tls, position: .first)
      try channel.pipeline.syncOperations.addHandler(
        HandshakeWatch(timeLimit: timeLimit, count: count) { self.admit(channel, certificate: $0) }, position: .after(tls))
    }
  }

  /// What one connection may keep in each of its buffers when nothing moves, bytes. NIO keeps them as large as they ever were: two
  /// megabytes for every partner that was once sent a model, and half a megabyte for every one that ever sent an update.
  private static let keptBytes = 64 << 10

  /// One read at a time, so that what TLS and HTTP/2 unpack together stays as small as that read.
  private static func boundBuffers(of channel: any Channel) throws {
    let options = channel.syncOptions
    try options?.setOption(.maxMessagesPerRead, value: 1)
    try options?.setOption(
      .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 8192, maximum: keptBytes))
  }

  /// Keeps no more connections of one partner than it may have: the oldest makes room, because an older connection of an honest
  /// partner is one that broke.
  private func admit(_ channel: any Channel, certificate: [UInt8]) {
    guard let perPartner, let participant = perPartner.participant(certificate) else { return }
    let origin = CallerOrigin.of(address: channel.remoteAddress?.ipAddress ?? "")
    open.withLock { $0.identify(channel, from: origin) }
    let outdated = partners.withLock { partners -> (any Channel)? in
      partners[participant, default: []].append(channel)
      return partners[participant, default: []].count > perPartner.limit ? partners[participant]?.removeFirst() : nil
    }
    channel.closeFuture.whenComplete { _ in
      self.partners.withLock { partners in
        partners[participant]?.removeAll { $0 === channel }
        if partners[participant]?.isEmpty == true { partners[participant] = nil }
      }
    }
    if let outdated {
      count(ConnectionEnd.limit.rawValue)
      outdated.close(promise: nil)
    }
  }
}

/// Who is connected, by address, oldest first.
private struct OpenConnections {
  private struct Connection {
    let channel: any Channel
    /// Whether it has shown a partner's certificate: such a one is never closed to make room for others.
    var isIdentified = false
  }
  private var all = 0
  private var origins: [String: [Connection]] = [:]

  /// Enters a connection.
  ///
  /// - Returns: whether it must be closed, and one that must make room for it: the oldest stranger of the address with the most
  ///   strangers. Whoever connects again and again from few addresses so takes room from itself only.
  mutating func admit(_ channel: any Channel, from origin: String, limit: Int, perAddress: Int) -> (Bool, (any Channel)?) {
    all += 1
    origins[origin, default: []].append(Connection(channel: channel))
    guard origins[origin, default: []].count <= perAddress else { return (true, nil) }
    guard all > limit else { return (false, nil) }
    let strangers = origins.mapValues { $0.count { !$0.isIdentified } }
    let most = strangers.max { ($0.value, $0.key) < ($1.value, $1.key) }
    guard let most, most.value > strangers[origin, default: 0],
      let victim = origins[most.key]?.first(where: { !$0.isIdentified })?.channel
    else { return (true, nil) }
    forget(victim, from: most.key)
    return (false, victim)
  }

  mutating func identify(_ channel: any Channel, from origin: String) {
    guard let index = origins[origin]?.firstIndex(where: { $0.channel === channel }) else { return }
    origins[origin]?[index].isIdentified = true
  }

  mutating func forget(_ channel: any Channel, from origin: String) {
    guard let index = origins[origin]?.firstIndex(where: { $0.channel === channel }) else { return }
    all -= 1
    origins[origin]?.remove(at: index)
    if origins[origin]?.isEmpty == true { origins[origin] = nil }
  }
}

/// Closes a connection whose handshake takes too long or agrees on anything but HTTP/2, and counts why handshakes fail.
private final class HandshakeWatch: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let timeLimit: TimeAmount
  private let count: @Sendable (String) -> Void
  /// Told the certificate of a peer that showed one.
  private let onCertificate: ([UInt8]) -> Void
  private var timer: Scheduled<Void>?
  private var isDone = false
  private var isCounted = false

  init(timeLimit: TimeAmount, count: @escaping @Sendable (String) -> Void, onCertificate: @escaping ([UInt8]) -> Void) {
    self.timeLimit = timeLimit
    self.count = count
    self.onCertificate = onCertificate
  }

  func handlerAdded(context: ChannelHandlerContext) {
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: timeLimit) {
      self.fail(.timeout)
      context.close(promise: nil)
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted(let negotiated)? = event as? TLSUserEvent {
      timer?.cancel()
      if negotiated == "h2" {
        isDone = true
        let tls = try? context.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self)
        if let certificate = try? tls?.peerCertificate?.toDERBytes() { onCertificate(certificate) }
      } else {
        fail(.alpn)
        context.close(promise: nil)
      }
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    fail(isDone ? .broken : TLSProblem.reason(of: error))
    context.fireErrorCaught(error)
    if !isDone { context.close(promise: nil) }
  }

  func channelInactive(context: ChannelHandlerContext) {
    timer?.cancel()
    if !isDone { fail(.closed) }
    context.fireChannelInactive()
  }

  private func fail(_ reason: ConnectionEnd) {
    guard !isCounted else { return }
    isCounted = true
    count(reason.rawValue)
  }
}

/// Why a connection came to nothing, as it is counted.
public enum ConnectionEnd: String, Sendable, CaseIterable {
  case noCertificate = "tls-no-certificate"
  case untrusted = "tls-untrusted"
  case version = "tls-version"
  case notTLS = "tls-not-tls"
  case handshake = "tls-handshake"
  case timeout = "tls-timeout"
  case alpn = "tls-alpn"
  case broken = "tls-broken"
  case closed = "tls-closed"
  case limit = "connection-limit"
}

/// What BoringSSL's errors mean for the two sides.
enum TLSProblem {
  /// Why the server ended a handshake, as a machine name.
  static func reason(of error: any Error) -> ConnectionEnd {
    let text = "\(error)".uppercased()
    if text.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE") { return .noCertificate }
    if text.contains("CERTIFICATE_VERIFY_FAILED") { return .untrusted }
    if text.contains("UNSUPPORTED_PROTOCOL") { return .version }
    if text.contains("HTTP_REQUEST") || text.contains("WRONG_VERSION_NUMBER") { return .notTLS }
    return .handshake
  }

  /// Why a client must not, or may not, use a connection; `nil` when the connection merely broke.
  static func distrust(of error: any Error) -> String? {
    let text = "\(error)".uppercased()
    if text.contains("CERTIFICATE_VERIFY_FAILED") {
      return "the coordinator's certificate is not valid now, not for this purpose, or not from this task's authority"
    }
    if text.contains("FAILEDTOVALIDATEHOSTNAME") || text.contains("UNABLETOVALIDATECERTIFICATE")
      || text.contains("SERVERHOSTNAMEIMPOSSIBLETOMATCH")
    {
      return "the coordinator's certificate is for another host"
    }
    if text.contains("ALERT_CERTIFICATE_REQUIRED") { return "the coordinator asks for a certificate" }
    if text.contains("ALERT_CERTIFICATE_EXPIRED") { return "the coordinator says that our certificate has expired" }
    if [
      "ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE_", "ALERT_UNSUPPORTED_CERTIFICATE", "ALERT_ACCESS_DENIED",
      "ALERT_DECRYPT_ERROR",
    ]
    .contains(where: { text.contains($0) }) {
      return "the coordinator does not accept our certificate"
    }
    if text.contains("ALERT_PROTOCOL_VERSION") || text.contains("UNSUPPORTED_PROTOCOL") {
      return "the other side does not speak TLS 1.3"
    }
    return nil
  }
}
