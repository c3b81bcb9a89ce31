internal import CSystemCrypto
internal import Synchronization

/// Secret bytes in memory that holds nothing else: locked where the system allows it, between guard pages, wiped when
/// released. Small secrets (keys, seeds, shares) lie side by side in such memory: an attempt with hundreds of peers has
/// thousands of them, and four pages and as many system calls for each would cost more than the cipher.
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
    storage = SecretMemory.allocate(count)
    self.count = count
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

  deinit { SecretMemory.release(storage, count) }

  /// Lends the bytes for the time of the call; the pointer must not escape.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try body(UnsafeRawBufferPointer(start: storage, count: count))
  }

  /// Whether both hold the same bytes. Only the lengths may be learnt from the time it takes.
  public func isEqual(to other: SecretBytes) -> Bool {
    count == other.count && sodium_memcmp(storage, other.storage, count) == 0
  }
}

/// Where secrets lie. What is free is zero.
private enum SecretMemory {
  /// Places of one size in regions that are never given back: a region holds thousands.
  private struct Pool: Sendable {
    // Addresses, for pointers do not cross threads; only the holder of the lock uses them.
    var free: [UInt] = []
  }

  private static let sizes = [32, 64, 160, 512]
  private static let regionBytes = 1 << 17
  private static let pools = Mutex([Pool](repeating: Pool(), count: sizes.count))

  static func allocate(_ count: Int) -> UnsafeMutableRawPointer {
    guard let index = sizes.firstIndex(where: { count <= $0 }) else {
      let storage = region(count)
      sodium_memzero(storage, count)
      return storage
    }
    let address = pools.withLock { pools in
      if pools[index].free.isEmpty {
        let start = UInt(bitPattern: region(regionBytes))
        sodium_memzero(UnsafeMutableRawPointer(bitPattern: start), regionBytes)
        let size = sizes[index]
        pools[index].free = (0..<regionBytes / size).reversed().map { start + UInt($0 * size) }
      }
      return pools[index].free.removeLast()
    }
    guard let place = UnsafeMutableRawPointer(bitPattern: address) else {
      preconditionFailure("a region does not begin at zero")
    }
    return place
  }

  static func release(_ storage: UnsafeMutableRawPointer, _ count: Int) {
    guard let index = sizes.firstIndex(where: { count <= $0 }) else {
      sodium_free(storage)  // wipes before it releases
      return
    }
    sodium_memzero(storage, max(count, 1))
    let address = UInt(bitPattern: storage)
    pools.withLock { $0[index].free.append(address) }
  }

  private static func region(_ count: Int) -> UnsafeMutableRawPointer {
    guard let storage = sodium_malloc(count) else {
      preconditionFailure("the system refuses \(count) bytes of memory for a secret")
    }
    return storage
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
