/// Uploads over mutual TLS on loopback, server and clients in this process.
public enum TransportBenchmark {
  public struct Figures: Sendable {
    /// Bytes uploaded.
    public var bytes: UInt64
    public var seconds: Double
    /// 10^6 bytes per second.
    public var megabytesPerSecond: Double
  }

  /// - Parameters:
  ///   - megabytes: 10^6 bytes, of all connections together.
  public static func run(megabytes: Int, connections: Int) async throws -> Figures { fatalError("in work") }
}
