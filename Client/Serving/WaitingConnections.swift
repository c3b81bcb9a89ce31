internal import NIOCore
internal import Synchronization

/// Connections of a listener and what they wait for: whoever opens many and says nothing, or never ends what it says, makes room for others.
///
/// A connection waits for its client until a request is whole, and again when that is answered. When there are too many, the one that
/// has waited longest is closed; a request that is being answered never is.
final class WaitingConnections: Sendable {
  private struct State {
    var count: UInt64 = 0
    var open: Set<ObjectIdentifier> = []
    /// Since when each waits, counted up: the smaller, the longer.
    var waiting: [ObjectIdentifier: (channel: any Channel, since: UInt64)] = [:]

    mutating func wait(_ channel: any Channel) {
      guard open.contains(ObjectIdentifier(channel)) else { return }
      count += 1
      waiting[ObjectIdentifier(channel)] = (channel, count)
    }
  }

  /// Open connections that there is room for.
  let most: Int
  private let state = Mutex(State())

  init(most: Int) { self.most = most }

  /// A request is whole, and is being answered until `wait` is called.
  func answer(_ channel: any Channel) {
    state.withLock { state in _ = state.waiting.removeValue(forKey: ObjectIdentifier(channel)) }
  }

  /// The client's turn.
  func wait(_ channel: any Channel) { state.withLock { $0.wait(channel) } }

  fileprivate func opened(_ channel: any Channel) {
    let oldest = state.withLock { state -> (any Channel)? in
      guard state.open.insert(ObjectIdentifier(channel)).inserted else { return nil }
      let oldest = state.open.count > most ? state.waiting.min { $0.value.since < $1.value.since } : nil
      if let oldest { state.waiting[oldest.key] = nil }
      state.wait(channel)
      return oldest?.value.channel
    }
    oldest?.close(promise: nil)
  }

  fileprivate func closed(_ channel: any Channel) {
    state.withLock { state in
      state.open.remove(ObjectIdentifier(channel))
      state.waiting[ObjectIdentifier(channel)] = nil
    }
  }
}

/// Tells `WaitingConnections` of one connection's beginning and end.
final class ConnectionWatch: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny
  private let connections: WaitingConnections

  init(_ connections: WaitingConnections) { self.connections = connections }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { connections.opened(context.channel) }
  }

  func channelActive(context: ChannelHandlerContext) {
    connections.opened(context.channel)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    connections.closed(context.channel)
    context.fireChannelInactive()
  }
}
