/// Bounds of the coordination listener. Every one of them is checked before the bytes in question are kept.
public struct TransportLimits: Sendable {
  /// Largest chunk of an upload, bytes. Protocol limit: 1 MiB.
  public var chunkBytes = 1 << 20
  /// Chunks of a download, bytes: what waits for each partner's line while a model goes out to all of them. At most `chunkBytes`.
  public var downloadChunkBytes = 128 << 10
  /// Flow-control window of each stream and connection: what a peer may send ahead of the reader, bytes.
  public var windowBytes = 4 << 20
  /// Uploads that are received at one time; further ones wait for their turn, in order.
  public var concurrentUploads = 8
  /// Uploads of one participant that are received at one time; a newer one ends the older. A partner sends one after the other, so
  /// that more of them are somebody who keeps the others from their turns.
  public var uploadsPerParticipant = 1
  /// Calls that one participant may have open at one time; when it opens another, its oldest one is ended.
  public var callsPerParticipant = 6
  /// Calls per second that one participant may start in the long run.
  public var callsPerSecond = 50.0
  /// Calls that it may start at once after a pause.
  public var callBurst = 200.0
  /// Calls of each kind that let the coordinator write to its disk (`Hello`, `Report`, `RenewCertificate`): so many at once after a
  /// pause…
  public var writeBurst = 10.0
  /// …and so many per second in the long run, for each participant. Every one of them waits for the disk, which all share.
  public var writesPerSecond = 1.0
  /// Connections whose TLS handshake is not over; beyond them the address with the most gives up its oldest. They count nowhere else.
  public var handshakes = 1024
  /// The same from one address (IPv6: one /64), which then gives up its own oldest: all partners behind it may connect at one time.
  public var handshakesPerAddress = 256
  /// Connections in all whose handshake is over; beyond them the address with the most connections that have not shown a certificate
  /// gives up its oldest of those; when there is none, or the newcomer is of that address, the newcomer is closed.
  public var connections = 4096
  /// The same from one address, where many partners may sit behind one; further ones are closed.
  public var connectionsPerAddress = 1024
  /// Connections of one participant, each of which may fill a window; a newer one closes the oldest.
  public var connectionsPerParticipant = 8
  /// Streams of one connection.
  public var streamsPerConnection = 32
  /// Longest time that a poll is held.
  public var longestPoll: Duration = .seconds(60)
  /// Time from connecting to the end of the TLS handshake.
  public var handshake: Duration = .seconds(10)
  /// Longest time in which an upload or download makes no progress.
  public var stall: Duration = .seconds(30)
  /// Whoever holds a turn to upload and sends less than `paceBytes` in `paceWindow` gives the turn back (`stalled`); what came is kept,
  /// and the upload goes on in a later turn, behind those who wait. The least rate of 280 kbit/s bounds how long a turn can be held:
  /// a masked input of 4 MB for two and a half minutes.
  public var paceWindow: Duration = .seconds(30)
  public var paceBytes = 1 << 20
  /// Longest duration of a call that is neither poll, upload nor download.
  public var unaryCall: Duration = .seconds(30)
  /// Longest duration of an upload or download.
  public var transfer: Duration = .seconds(3600)
  /// How often running calls are authorised again.
  public var reauthorization: Duration = .seconds(1)
  /// A silent connection is pinged after this time…
  public var keepaliveTime: Duration = .seconds(15)
  /// …and closed when no answer came within this time.
  public var keepaliveTimeout: Duration = .seconds(10)
  /// How long running calls may go on after `beginGracefulShutdown`.
  public var drain: Duration = .seconds(10)

  public init() {}

  var room: OpenConnections.Room {
    OpenConnections.Room(
      handshakes: handshakes, handshakesPerAddress: handshakesPerAddress, connections: connections,
      connectionsPerAddress: connectionsPerAddress)
  }
}

/// Bounds of the enrolment listener: it answers strangers.
public struct EnrolmentLimits: Sendable {
  /// Tries of strangers per address: so many at once… Whoever shows the secret of an invitation that stands is no stranger and does not
  /// draw from these; a token's secret has 256 bits, so that they stand against load and not against guessing.
  public var burstPerAddress = 20.0
  /// …and so many per second in the long run.
  public var perSecondPerAddress = 1.0 / 3
  /// Tries of all strangers: so many at once…
  public var burst = 50.0
  /// …and so many per second in the long run.
  public var perSecond = 2.0
  /// Tries with one invitation: so many at once…
  public var burstPerInvitation = 8.0
  /// …and so many per second in the long run.
  public var perSecondPerInvitation = 1.0 / 3
  /// Connections whose TLS handshake is not over; beyond them the address with the most gives up its oldest. They count nowhere else.
  public var handshakes = 256
  /// The same from one address (IPv6: one /64), which then gives up its own oldest.
  public var handshakesPerAddress = 32
  /// Connections in all whose handshake is over; beyond them the address with the most gives up its oldest.
  public var connections = 256
  /// The same from one address; further ones are closed.
  public var connectionsPerAddress = 32
  /// Longest duration of a call.
  public var call: Duration = .seconds(30)
  /// Time from connecting to the end of the TLS handshake.
  public var handshake: Duration = .seconds(10)
  /// How long running calls may go on after `beginGracefulShutdown`.
  public var drain: Duration = .seconds(5)

  public init() {}

  var room: OpenConnections.Room {
    OpenConnections.Room(
      handshakes: handshakes, handshakesPerAddress: handshakesPerAddress, connections: connections,
      connectionsPerAddress: connectionsPerAddress)
  }
}

/// How long the client waits, and how it tries again.
public struct ClientDeadlines: Sendable {
  /// A call that is neither poll nor transfer, all tries together.
  public var unaryCall: Duration = .seconds(30)
  /// What a poll may take above its own wait.
  public var pollMargin: Duration = .seconds(15)
  /// An upload or download, all tries together.
  public var transfer: Duration = .seconds(3600)
  /// A try of a transfer ends when nothing moved for this time.
  public var stall: Duration = .seconds(25)
  /// Pause before the second try; it doubles up to `longestPause`, each drawn between half and the whole.
  public var firstPause: Duration = .milliseconds(200)
  public var longestPause: Duration = .seconds(10)
  /// A silent connection is pinged after this time…
  public var keepaliveTime: Duration = .seconds(15)
  /// …and closed when no answer came within this time.
  public var keepaliveTimeout: Duration = .seconds(10)
  /// Flow-control window, bytes.
  public var windowBytes = 4 << 20

  public init() {}
}
