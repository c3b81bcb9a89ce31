internal import CryptoPrimitives
internal import NIOCore
internal import NIOSSL
internal import PeerIdentity

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// Judges a server by the fingerprint of its CA, which came with the token.
///
/// The server shows [its certificate, the CA]. The CA must have the fingerprint (compared in constant time); then everything that
/// `TrustAnchor.verifyServer` says must hold: signed by that CA, valid now, for TLS servers, for this host.
struct PinnedAuthority: Sendable {
  let fingerprint: Digest
  let host: HostPort.Host
  /// Told why a chain was not accepted.
  let onDistrust: @Sendable (String) -> Void

  func verify(_ chain: [NIOSSLCertificate], _ promise: EventLoopPromise<NIOSSLVerificationResult>) {
    promise.completeWithTask { () -> NIOSSLVerificationResult in
      do {
        try await check(chain.map { try $0.toDERBytes() })
        return .certificateVerified
      } catch {
        onDistrust("\(error)")
        return .failed
      }
    }
  }

  /// - Parameter chain: DER, leaf first.
  func check(_ chain: [[UInt8]]) async throws {
    guard chain.count == 2 else {
      throw TLSMaterialError(
        description: "the server shows \(chain.count) certificates, expected its own and the authority's")
    }
    guard SecretBytes(copying: SHA256.hash(chain[1]).bytes).isEqual(to: SecretBytes(copying: fingerprint.bytes)) else {
      throw TLSMaterialError(description: "the server's authority is not the one that the token names")
    }
    try await TrustAnchor(der: chain[1]).verifyServer(IssuedCertificate(der: chain[0]), host: host, at: Date())
  }
}
