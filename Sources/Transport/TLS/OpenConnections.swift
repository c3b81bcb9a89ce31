internal import NIOCore

/// Who is connected to a listener, by address, oldest first.
///
/// Connections whose TLS handshake is not over have room of their own: an honest handshake takes a moment, so that whoever opens
/// connections and says nothing takes room from its own address, or else from the address that takes most, and never from those who
/// have finished theirs.
struct OpenConnections {
  /// For how many connections there is room.
  struct Room: Sendable {
    /// Handshakes under way, in all and from one address.
    var handshakes: Int
    var handshakesPerAddress: Int
    /// Connections whose handshake is over, in all and from one address.
    var connections: Int
    var connectionsPerAddress: Int
  }

  private struct Connection {
    let channel: any Channel
    /// Whether it has shown a partner's certificate: such a one is never closed to make room for others.
    let isPartner: Bool
    /// Counts up: the smaller, the older.
    let number: UInt64
  }
  private let room: Room
  private var opened: UInt64 = 0
  private var handshakes = Line()
  private var connections = Line()

  init(room: Room) { self.room = room }

  /// Enters a connection that has yet to shake hands.
  ///
  /// - Returns: one that must make room for it: the oldest such one of its address, or of the address with most of them. Of
  ///   addresses with as many the one with the oldest gives way, so that no choice of addresses keeps anybody's handshake from its
  ///   moment.
  mutating func begin(_ channel: any Channel, from origin: String) -> (any Channel)? {
    handshakes.append(Connection(channel: channel, isPartner: false, number: next()), from: origin)
    let crowded: String
    if handshakes.count(from: origin) > room.handshakesPerAddress {
      crowded = origin
    } else if handshakes.count > room.handshakes, let most = handshakes.crowded(where: { _ in true }) {
      crowded = most.origin
    } else {
      return nil
    }
    return handshakes.removeFirst(from: crowded) { _ in true }
  }

  /// A connection's handshake is over.
  ///
  /// - Returns: whether it may stay, and one that must make room for it: the oldest stranger of the address with the most
  ///   strangers. Whoever connects again and again from few addresses so takes room from itself only; an address that has none yet
  ///   always finds room where a stranger has some.
  mutating func finish(_ channel: any Channel, from origin: String, isPartner: Bool) -> (Bool, (any Channel)?) {
    handshakes.remove(channel, from: origin)
    guard connections.count(from: origin) < room.connectionsPerAddress else { return (false, nil) }
    var victim: (any Channel)?
    if connections.count >= room.connections {
      let own = isPartner ? 0 : connections.count(from: origin) { !$0.isPartner } + 1
      guard let most = connections.crowded(where: { !$0.isPartner }), most.count > own || own <= 1 else {
        return (false, nil)
      }
      victim = connections.removeFirst(from: most.origin) { !$0.isPartner }
    }
    connections.append(Connection(channel: channel, isPartner: isPartner, number: next()), from: origin)
    return (true, victim)
  }

  var all: [any Channel] { handshakes.all + connections.all }

  private mutating func next() -> UInt64 {
    opened += 1
    return opened
  }

  mutating func forget(_ channel: any Channel, from origin: String) {
    handshakes.remove(channel, from: origin)
    connections.remove(channel, from: origin)
  }

  private struct Line {
    private(set) var count = 0
    private var origins: [String: [Connection]] = [:]

    var all: [any Channel] { origins.values.flatMap { $0.map(\.channel) } }

    func count(from origin: String, where isMeant: (Connection) -> Bool = { _ in true }) -> Int {
      origins[origin, default: []].count(where: isMeant)
    }

    /// The address with the most connections that are meant, if there is any; of several, the one whose oldest is the oldest of all.
    func crowded(where isMeant: (Connection) -> Bool) -> (origin: String, count: Int)? {
      var most: (origin: String, count: Int, oldest: UInt64)?
      for (origin, all) in origins {
        guard let oldest = all.first(where: isMeant)?.number else { continue }
        let count = all.count(where: isMeant)
        if let most, (most.count, oldest) > (count, most.oldest) { continue }
        most = (origin, count, oldest)
      }
      return most.map { ($0.origin, $0.count) }
    }

    mutating func append(_ connection: Connection, from origin: String) {
      count += 1
      origins[origin, default: []].append(connection)
    }

    mutating func removeFirst(from origin: String, where isMeant: (Connection) -> Bool) -> (any Channel)? {
      guard let channel = origins[origin]?.first(where: isMeant)?.channel else { return nil }
      remove(channel, from: origin)
      return channel
    }

    mutating func remove(_ channel: any Channel, from origin: String) {
      guard let index = origins[origin]?.firstIndex(where: { $0.channel === channel }) else { return }
      count -= 1
      origins[origin]?.remove(at: index)
      if origins[origin]?.isEmpty == true { origins[origin] = nil }
    }
  }
}
