internal import CSystemCrypto

/// Secret bytes in memory of their own: locked where the system allows it, between guard pages, wiped when released.
///
/// The content has no printable form: description, debug description and mirror show nothing, not even the length.
/// There is no `==`; comparison is `isEqual(to:)`, in constant time. The bytes never change after creation, so a value
/// may be shared by threads.
///
/// The memory comes from `sodium_malloc`: it is kept out of core dumps and of swap unless the process has used up its
/// locked-memory limit, in which case it is still wiped.
public final class SecretBytes: Sendable {
  /// Number of bytes; lengths are public.
  public let count: Int
  // The pointer is written in initialisers only and freed in deinit only.
  private nonisolated(unsafe) let storage: UnsafeMutableRawPointer

  /// Secret bytes written by a closure, which receives zeroed memory.
  public init(
    count: Int, initializingWith body: (UnsafeMutableRawBufferPointer) throws -> Void
  ) rethrows {
    precondition(count >= 0, "a secret cannot have \(count) bytes")
    Sodium.initialize()
    guard let storage = sodium_malloc(max(count, 1)) else {
      preconditionFailure("the system refuses \(count) bytes of memory for a secret")
    }
    sodium_memzero(storage, max(count, 1))
    self.count = count
    self.storage = storage
    try body(UnsafeMutableRawBufferPointer(start: storage, count: count))
  }

  /// Fresh secret bytes from a random source.
  public convenience init(count: Int, random: inout some RandomSource) {
    self.init(count: count) { random.fill($0) }
  }

  /// A locked copy of `bytes`; the original is the caller's to wipe (`wipe(_:)`).
  public convenience init(copying bytes: some Collection<UInt8>) {
    self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
  }

  /// A locked copy of a memory region.
  public convenience init(copying bytes: UnsafeRawBufferPointer) {
    self.init(count: bytes.count) { $0.copyMemory(from: bytes) }
  }

  deinit { sodium_free(storage) }  // sodium_free wipes before it releases

  /// Lends the bytes for the time of the call; the pointer must not escape.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try body(UnsafeRawBufferPointer(start: storage, count: count))
  }

  /// Whether both hold the same bytes. Only the lengths may be learnt from the time it takes.
  public func isEqual(to other: SecretBytes) -> Bool {
    count == other.count && sodium_memcmp(storage, other.storage, count) == 0
  }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "SecretBytes" }
  public var debugDescription: String { "SecretBytes" }
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// Overwrites a buffer that held a secret with zeros, in a way that the compiler cannot remove.
public func wipe(_ buffer: UnsafeMutableRawBufferPointer) {
  guard let address = buffer.baseAddress else { return }
  sodium_memzero(address, buffer.count)
}

/// Overwrites an array that held a secret with zeros and empties it.
public func wipe(_ bytes: inout [UInt8]) {
  bytes.withUnsafeMutableBytes { wipe($0) }
  bytes.removeAll()
}
