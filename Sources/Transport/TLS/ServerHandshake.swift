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
  private let open = Mutex<(all: Int, origins: [String: Int])>((0, [:]))
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
    let origin = EnrolmentService.origin(ofAddress: channel.remoteAddress?.ipAddress ?? "")
    let isTooMany = open.withLock { open in
      open.all += 1
      open.origins[origin, default: 0] += 1
      return open.all > connectionLimit || open.origins[origin, default: 0] > perAddress
    }
    channel.closeFuture.whenComplete { _ in
      self.open.withLock { open in
        open.all -= 1
        let rest = open.origins[origin, default: 1] - 1
        open.origins[origin] = rest > 0 ? rest : nil
      }
    }
    if isTooMany {
      count("connection-limit")
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
      count("connection-limit")
      outdated.close(promise: nil)
    }
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
      self.fail("tls-timeout")
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
        fail("tls-alpn")
        context.close(promise: nil)
      }
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    fail(isDone ? "tls-broken" : TLSProblem.reason(of: error))
    context.fireErrorCaught(error)
    if !isDone { context.close(promise: nil) }
  }

  func channelInactive(context: ChannelHandlerContext) {
    timer?.cancel()
    if !isDone { fail("tls-closed") }
    context.fireChannelInactive()
  }

  private func fail(_ reason: String) {
    guard !isCounted else { return }
    isCounted = true
    count(reason)
  }
}

/// What BoringSSL's errors mean for the two sides.
enum TLSProblem {
  /// Why the server ended a handshake, as a machine name.
  static func reason(of error: any Error) -> String {
    let text = "\(error)".uppercased()
    if text.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE") { return "tls-no-certificate" }
    if text.contains("CERTIFICATE_VERIFY_FAILED") { return "tls-untrusted" }
    if text.contains("UNSUPPORTED_PROTOCOL") { return "tls-version" }
    if text.contains("HTTP_REQUEST") || text.contains("WRONG_VERSION_NUMBER") { return "tls-not-tls" }
    return "tls-handshake"
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
