public import Transport

/// A partner's line to the coordinator, as the host uses it; `CoordinationClient` is the network's.
public protocol CoordinatorConnection: Sendable {
  func hello(_ hello: ClientHello) async throws(TransportFailure) -> ServerHello
  func poll(_ query: PollQuery) async throws(TransportFailure) -> PollAnswer
  func message(_ envelope: MessageEnvelope, limit: UInt64) async throws(TransportFailure) -> [UInt8]
  func download(_ name: String, limit: UInt64) async throws(TransportFailure) -> [UInt8]
  func upload(_ key: UploadKey, payload: any UploadPayload) async throws(TransportFailure) -> UploadPhase
  func renewCertificate(_ request: [UInt8]) async throws(TransportFailure) -> RenewedCertificate
  func report(_ statement: [UInt8]) async throws(TransportFailure) -> [UInt8]
  func reconnect()
  func close() async
}

extension CoordinationClient: CoordinatorConnection {}
