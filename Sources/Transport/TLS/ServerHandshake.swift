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
  private let perPartner: PartnerLimit?
  private let count: @Sendable (String) -> Void
  /// For calls that send much.
  let pace = OutboundPace()
  private let open: Mutex<OpenConnections>
  private let isOver = Atomic<Bool>(false)
  private let partners = Mutex<[UInt32: [any Channel]]>([:])

  /// How many connections one partner may have, and whom a certificate (DER) that TLS has verified names.
  struct PartnerLimit: Sendable {
    let limit: Int
    let participant: @Sendable ([UInt8]) -> UInt32?
  }

  /// - Parameters:
  ///   - context: TLS for the next connection; `nil` for plaintext.
  ///   - room: for how many connections.
  ///   - count: told why a connection came to nothing (`tls-…`, `connection-limit`).
  init(
    context: (@Sendable () -> NIOSSLContext)?, timeLimit: Duration, room: OpenConnections.Room,
    perPartner: PartnerLimit? = nil, count: @escaping @Sendable (String) -> Void
  ) {
    self.context = context
    self.timeLimit = TimeAmount(timeLimit)
    open = Mutex(OpenConnections(room: room))
    self.perPartner = perPartner
    self.count = count
  }

  /// Called on the connection's event loop, before its first byte.
  func install(on channel: any Channel) -> EventLoopFuture<Void> {
    let origin = CallerOrigin.of(address: channel.remoteAddress?.ipAddress ?? "")
    channel.closeFuture.whenComplete { _ in self.open.withLock { $0.forget(channel, from: origin) } }
    var isWelcome = true
    if context == nil {
      // Without TLS there is nothing to wait for.
      isWelcome = enter(channel, from: origin, isPartner: false)
    } else if let silent = open.withLock({ $0.begin(channel, from: origin) }) {
      end(silent)
    }
    if isOver.load(ordering: .sequentiallyConsistent) {
      channel.close(promise: nil)
      isWelcome = false
    }
    return isWelcome ? prepare(channel, from: origin) : channel.eventLoop.makeSucceededVoidFuture()
  }

  /// Closes all connections, and every one that is accepted from now on.
  func closeAll() {
    isOver.store(true, ordering: .sequentiallyConsistent)
    for channel in open.withLock(\.all) { channel.close(promise: nil) }
  }

  private func prepare(_ channel: any Channel, from origin: String) -> EventLoopFuture<Void> {
    return channel.eventLoop.makeCompletedFuture {
      try Self.boundBuffers(of: channel)
      try pace.install(on: channel)
      guard let context else { return }
      var buffers = NIOSSLHandler.Configuration()
      buffers.maximumPreservedOutboundBufferCapacity = Self.keptBytes
      let tls = NIOSSLServerHandler(context: context(), configuration: buffers)
      try channel.pipeline.syncOperations.addHandler(tls, position: .first)
      try channel.pipeline.syncOperations.addHandler(
        HandshakeWatch(timeLimit: timeLimit, count: count) { self.admit(channel, from: origin, certificate: $0) },
        position: .after(tls))
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

  /// A connection whose handshake is over takes its place among the others, if there is room.
  ///
  /// - Returns: whether there is; the connection is closed otherwise.
  private func enter(_ channel: any Channel, from origin: String, isPartner: Bool) -> Bool {
    let (isAdmitted, outdated) = open.withLock { $0.finish(channel, from: origin, isPartner: isPartner) }
    if let outdated { end(outdated) }
    // A failed future would end the listener; a closed connection ends itself.
    if !isAdmitted { end(channel) }
    return isAdmitted
  }

  private func end(_ channel: any Channel) {
    count(ConnectionEnd.limit.rawValue)
    channel.close(promise: nil)
  }

  /// Keeps no more connections of one partner than it may have: the oldest makes room, because an older connection of an honest
  /// partner is one that broke.
  private func admit(_ channel: any Channel, from origin: String, certificate: [UInt8]?) {
    let participant = certificate.flatMap { perPartner?.participant($0) }
    guard enter(channel, from: origin, isPartner: participant != nil), let perPartner, let participant else { return }
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
    if let outdated { end(outdated) }
  }
}

/// Closes a connection whose handshake takes too long or agrees on anything but HTTP/2, and counts why handshakes fail.
private final class HandshakeWatch: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let timeLimit: TimeAmount
  private let count: @Sendable (String) -> Void
  /// Told that the handshake is over, with the certificate of a peer that showed one.
  private let onDone: ([UInt8]?) -> Void
  private var timer: Scheduled<Void>?
  private var isDone = false
  private var isCounted = false

  init(timeLimit: TimeAmount, count: @escaping @Sendable (String) -> Void, onDone: @escaping ([UInt8]?) -> Void) {
    self.timeLimit = timeLimit
    self.count = count
    self.onDone = onDone
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
        onDone(try? tls?.peerCertificate?.toDERBytes())
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
