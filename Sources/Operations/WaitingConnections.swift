internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes
internal import Synchronization

/// Connections of a listener and what they wait for: whoever opens many and says nothing, or never ends what it says, makes room for others.
///
/// A connection waits for its client until a request is whole, and again when the answer has been written. When there are too many, the one that
/// has waited longest is closed; a request that is being answered never is.
final class WaitingConnections: Sendable {
  private struct Connection {
    let channel: any Channel
    /// When it was opened or last served well, counted up: the smaller, the longer ago.
    var since: UInt64
    var isWaiting = true
  }
  private struct State {
    var count: UInt64 = 0
    var open: [ObjectIdentifier: Connection] = [:]

    mutating func next() -> UInt64 {
      count += 1
      return count
    }

    /// Takes out the one that must make room, if there are more than `most` and one waits.
    mutating func crowdedOut(above most: Int) -> (any Channel)? {
      guard open.count > most,
        let oldest = open.filter(\.value.isWaiting).min(by: { $0.value.since < $1.value.since })
      else { return nil }
      open[oldest.key] = nil
      return oldest.value.channel
    }
  }

  /// Open connections that there is room for.
  let most: Int
  private let state = Mutex(State())

  init(most: Int) { self.most = most }

  fileprivate func opened(_ channel: any Channel) {
    state.withLock { state -> (any Channel)? in
      guard state.open[ObjectIdentifier(channel)] == nil else { return nil }
      // The newest is never the oldest: whoever comes is heard.
      let oldest = state.crowdedOut(above: most - 1)
      state.open[ObjectIdentifier(channel)] = Connection(channel: channel, since: state.next())
      return oldest
    }?.close(promise: nil)
  }

  /// A request is whole.
  ///
  /// - Returns: whether it may be answered; the connection is being closed otherwise.
  fileprivate func answer(_ channel: any Channel) -> Bool {
    state.withLock { state in
      state.open[ObjectIdentifier(channel)]?.isWaiting = false
      return state.open[ObjectIdentifier(channel)] != nil
    }
  }

  /// The client's turn.
  ///
  /// - Parameter wasServed: whether it was given what it asked for; refusals do not make a connection younger.
  fileprivate func wait(_ channel: any Channel, wasServed: Bool) {
    state.withLock { state -> (any Channel)? in
      let key = ObjectIdentifier(channel)
      let now = state.next()
      if wasServed { state.open[key]?.since = now }
      state.open[key]?.isWaiting = true
      return state.crowdedOut(above: most)
    }?.close(promise: nil)
  }

  fileprivate func closed(_ channel: any Channel) {
    state.withLock { $0.open[ObjectIdentifier(channel)] = nil }
  }
}

/// Tells `WaitingConnections` what goes over one connection.
final class ConnectionWatch: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private let connections: WaitingConnections
  private let patience: TimeAmount
  /// Requests that are whole and not answered; more than one where they are pipelined, -1 where one was refused before it was whole.
  private var unanswered = 0
  private var isServed = false
  /// Closes the connection when its client has not taken what was written to it.
  private var deadline: Scheduled<Void>?

  /// - Parameter patience: how long a client may leave its answers lying, while there is no room for more of them.
  init(_ connections: WaitingConnections, patience: TimeAmount) { (self.connections, self.patience) = (connections, patience) }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { connections.opened(context.channel) }
  }

  func channelActive(context: ChannelHandlerContext) {
    connections.opened(context.channel)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    deadline?.cancel()
    connections.closed(context.channel)
    context.fireChannelInactive()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    deadline?.cancel()
    deadline = nil
    if !context.channel.isWritable {
      let channel = context.channel
      deadline = context.eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
    }
    context.fireChannelWritabilityChanged()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .end = unwrapInboundIn(data) {
      unanswered += 1
      // The end of what was refused before: the client's turn goes on.
      guard unanswered > 0 else { return context.fireChannelRead(data) }
      // What came too late is not handed on, so that nothing happens of which nobody hears.
      guard connections.answer(context.channel) else { return }
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(let head): isServed = head.status.kind == .successful
    case .body: break
    case .end:
      unanswered -= 1
      let promise = promise ?? context.eventLoop.makePromise(of: Void.self)
      if unanswered <= 0 {
        let (channel, connections, isServed) = (context.channel, self.connections, self.isServed)
        promise.futureResult.whenComplete { _ in connections.wait(channel, wasServed: isServed) }
      }
      return context.write(data, promise: promise)
    }
    context.write(data, promise: promise)
  }
}
