import NIOCore
import NIOEmbedded
import Synchronization
import Testing
import Transport

/// Calls that send much wait for their connection, and for nothing else.
@Suite struct PaceTests {
  /// A connection whose room a test decides.
  private struct Connection {
    let channel = NIOAsyncTestingChannel()
    let pace: OutboundPace
    let name: String

    init(_ pace: OutboundPace, address: String, name: String) async throws {
      self.pace = pace
      self.name = name
      channel.remoteAddress = try SocketAddress(ipAddress: address, port: 443)
      let channel = channel
      try await channel.testingEventLoop.executeInContext { try pace.install(on: channel) }
    }

    func set(hasRoom: Bool) async throws {
      let channel = channel
      channel.isWritable = hasRoom
      try await channel.testingEventLoop.executeInContext { channel.pipeline.fireChannelWritabilityChanged() }
    }

    /// A call that wants to send; what it adds to `done` says that it may.
    func call(_ done: Counter) -> Task<Void, Never> {
      Task { [pace, name] in
        await pace.room(on: name)
        done.add(name)
      }
    }

    /// Lets the connection's own work happen; a call that waits for room never ends by it.
    func settle() async throws {
      for _ in 0..<20 {
        await channel.testingEventLoop.run()
        try await Task.sleep(for: .milliseconds(2))
      }
    }

    func eventually(_ what: String, _ condition: () -> Bool) async throws {
      try await TransportTests.eventually(what) {
        await channel.testingEventLoop.run()
        return condition()
      }
    }
  }

  @Test(arguments: [("192.0.2.1", "ipv4:192.0.2.1:443"), ("2001:db8::1", "ipv6:[2001:db8::1]:443")])
  func `a call waits while its connection is full, and goes on when there is room`(address: String, name: String) async throws {
    let connection = try await Connection(OutboundPace(), address: address, name: name)
    let done = Counter()
    let first = connection.call(done)
    try await connection.eventually("a connection with room lets a call go on") { done[name] == 1 }
    await first.value
    try await connection.set(hasRoom: false)
    let waiting = [connection.call(done), connection.call(done)]
    try await connection.settle()
    #expect(done[name] == 1)
    try await connection.set(hasRoom: true)
    try await connection.eventually("both go on") { done[name] == 3 }
    for call in waiting { await call.value }
  }

  @Test func `a full connection holds up its own calls only, and none that has ended`() async throws {
    let pace = OutboundPace()
    let full = try await Connection(pace, address: "192.0.2.1", name: "ipv4:192.0.2.1:443")
    let other = try await Connection(pace, address: "192.0.2.2", name: "ipv4:192.0.2.2:443")
    let done = Counter()
    try await full.set(hasRoom: false)
    let (cancelled, cut) = (full.call(done), full.call(done))
    let free = other.call(done)
    try await other.eventually("the other connection has room") { done[other.name] == 1 }
    await free.value
    try await full.settle()
    #expect(done[full.name] == 0)
    // A call that is ended waits no longer, though its connection is as full as before.
    cancelled.cancel()
    try await full.eventually("the call is over") { done[full.name] == 1 }
    // Nor does one whose connection breaks; and of a connection that is gone nothing is remembered.
    try await full.channel.close()
    try await full.eventually("the connection is over") { done[full.name] == 2 }
    for call in [cancelled, cut] { await call.value }
    let late = full.call(done)
    await late.value
    #expect(done[full.name] == 3)
  }
}
