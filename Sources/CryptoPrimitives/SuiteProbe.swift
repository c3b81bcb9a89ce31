/// How fast this machine expands each suite: what a plan takes its suite from when its makers leave it free.
///
/// Both suites are as strong, and all of a plan's participants use the one that it names; so that the choice is a matter of speed, and
/// the one who makes the plan measures it. The figures differ with the processor (AES instructions, width of vectors).
public struct SuiteProbe: Sendable, Equatable {
  /// Median over the rounds: seconds for `bytesPerRound` of keystream.
  public let seconds: [KeystreamSuite: Double]

  /// What one round expands, in blocks of 16 KiB as masks are: a third of a millisecond at 3 GB/s.
  public static let bytesPerRound = 64 * blockBytes
  private static let blockBytes = 16 << 10

  /// Measures, some milliseconds for each suite.
  ///
  /// - Parameters:
  ///   - rounds: how often; the suites take turns, so that a change of the processor's speed hits both. 1 or larger.
  ///   - time: seconds for `bytesPerRound` of a suite.
  public init(rounds: Int = 9, time: (KeystreamSuite) -> Double = Self.time) {
    precondition(rounds >= 1, "a median needs a measurement")
    var found: [KeystreamSuite: [Double]] = [:]
    for _ in 0..<rounds {
      for suite in KeystreamSuite.allCases { found[suite, default: []].append(time(suite)) }
    }
    seconds = found.mapValues { $0.sorted()[rounds / 2] }
  }

  /// The suite with the smallest median; where they are equal, the one with the smaller number.
  public var fastest: KeystreamSuite {
    KeystreamSuite.allCases.min { (seconds[$0] ?? .infinity, $0.rawValue) < (seconds[$1] ?? .infinity, $1.rawValue) }
      ?? .aes256CTR
  }

  /// 10⁹ bytes of keystream a second.
  public func gigabytesPerSecond(_ suite: KeystreamSuite) -> Double {
    Double(Self.bytesPerRound) / (seconds[suite] ?? .infinity) / 1e9
  }

  /// Wall-clock seconds for one round on this thread.
  public static func time(_ suite: KeystreamSuite) -> Double {
    let zeros = [UInt8](repeating: 0, count: blockBytes)
    var output = zeros
    let stream = Keystream(suite: suite, key: SecretBytes(copying: [UInt8](repeating: 7, count: 32)))
    let elapsed = ContinuousClock().measure {
      for _ in 0..<bytesPerRound / blockBytes {
        output.withUnsafeMutableBytes { output in zeros.withUnsafeBytes { stream.next(into: output, zeros: $0) } }
      }
    }
    return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
  }
}

extension KeystreamSuite {
  /// As people write it, in settings too.
  public var name: String {
    switch self {
    case .aes256CTR: "aes256-ctr"
    case .chaCha20: "chacha20"
    }
  }
}
