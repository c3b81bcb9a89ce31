internal import CSystemCrypto

/// Where random bytes come from: the operating system in production, a keyed stream in vectors and tests.
///
/// Keys, masks, noise and sampling coins are drawn through this port, so that a vector file can replay a session byte
/// for byte. It is never used for initial values of models; those come from the public seed.
public protocol RandomSource: Sendable {
  /// Overwrites the whole buffer with random bytes.
  mutating func fill(_ buffer: UnsafeMutableRawBufferPointer)
}

extension RandomSource {
  /// `count` random bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    result.withUnsafeMutableBytes { fill($0) }
    return result
  }

  /// 64 random bits.
  public mutating func nextUInt64() -> UInt64 {
    var value: UInt64 = 0
    withUnsafeMutableBytes(of: &value) { fill($0) }
    return UInt64(littleEndian: value)
  }

  /// A uniform integer in `0..<bound`, by rejection.
  public mutating func uniform(below bound: UInt64) -> UInt64 {
    precondition(bound > 0, "an empty range has no uniform integer")
    let limit = UInt64.max - (UInt64.max % bound + 1) % bound
    while true {
      let value = nextUInt64()
      if value <= limit { return value % bound }
    }
  }
}

/// The operating system's generator, through libsodium (`getrandom`).
public struct SystemRandomSource: RandomSource {
  public init() { Sodium.initialize() }

  public mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    guard let address = buffer.baseAddress else { return }
    randombytes_buf(address, buffer.count)
  }
}

/// A ChaCha20 keystream (RFC 8439) under one key: fast in production when keyed by the operating system,
/// repeatable in tests and vectors when keyed by a seed.
///
/// - Warning: the key is secret exactly when what is drawn is secret. A copy repeats its original's output, so a stream
///   that draws noise must not be copied; pass it `inout`.
public struct KeyedRandomSource: RandomSource {
  private let key: SecretBytes
  private var block: UInt64 = 0
  private var buffer = KeystreamBuffer(count: bufferSize)
  private var position: Int

  private static let bufferSize = 1 << 14

  /// - Parameter key: 32 bytes; wiped when nobody else holds them.
  public init(key: consuming [UInt8]) {
    precondition(key.count == 32, "a keyed random source takes 32 bytes, found \(key.count)")
    self.key = key.withUnsafeBytes { SecretBytes(copying: $0) }
    wipe(&key)
    position = Self.bufferSize
  }

  /// A stream under a fresh key of the operating system.
  public init() {
    var system = SystemRandomSource()
    self.init(key: system.bytes(32))
  }

  /// A repeatable stream for tests and simulations; not private.
  public init(insecureSeed seed: UInt64) {
    var key = [UInt8](repeating: 0, count: 32)
    for index in 0..<8 { key[index] = UInt8(truncatingIfNeeded: seed >> (8 * UInt64(index))) }
    self.init(key: key)
  }

  public mutating func fill(_ target: UnsafeMutableRawBufferPointer) {
    var written = 0
    while written < target.count {
      if position == Self.bufferSize { refill() }
      let count = min(target.count - written, Self.bufferSize - position)
      UnsafeMutableRawBufferPointer(rebasing: target[written..<written + count])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer.bytes[position..<position + count]))
      written += count
      position += count
    }
  }

  private mutating func refill() {
    // A 64-bit block counter and an 8-byte zero nonce (the original ChaCha20), so that the stream never ends.
    let nonce = [UInt8](repeating: 0, count: 8)
    // A copy of this stream reads from the same buffer until one of them goes on.
    if !isKnownUniquelyReferenced(&buffer) { buffer = KeystreamBuffer(count: Self.bufferSize) }
    buffer.write { output in
      wipe(UnsafeMutableRawBufferPointer(output))
      key.withUnsafeBytes { key in
        _ = crypto_stream_chacha20_xor_ic(
          output.baseAddress!, output.baseAddress!, UInt64(output.count), nonce, block, key.bytePointer)
      }
    }
    block += UInt64(Self.bufferSize / 64)
    position = 0
  }
}

/// Keystream that is not drawn yet, or was: keys and masks come from it, so that it is wiped when nobody reads it any more.
private final class KeystreamBuffer: Sendable {
  // Allocated in the initialiser, freed in deinit, written only while one stream holds it.
  private nonisolated(unsafe) let storage: UnsafeMutableBufferPointer<UInt8>

  init(count: Int) {
    storage = .allocate(capacity: count)
    storage.initialize(repeating: 0)
  }

  deinit {
    wipe(UnsafeMutableRawBufferPointer(storage))
    storage.deallocate()
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(storage) }

  func write(_ body: (UnsafeMutableBufferPointer<UInt8>) -> Void) { body(storage) }
}

extension KeyedRandomSource: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "KeyedRandomSource" }
  public var debugDescription: String { "KeyedRandomSource" }
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}

enum Sodium {
  private static let status = sodium_init()

  /// libsodium must be initialised once before any other call; safe to call from any thread.
  static func initialize() { precondition(status >= 0, "libsodium could not be initialised") }
}
